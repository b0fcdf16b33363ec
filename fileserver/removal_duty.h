// Removes the chunks that D says may go. Not the heartbeat's work: removing many takes the disk seconds, in which D
// would count this server as down.
#pragma once

#include "base/daemon.h"
#include "base/log.h"
#include "fileserver/replicator.h"

namespace conclave::file {

class RemovalDuty final : public Duty {
 public:
  RemovalDuty(ChunkStore& store, Membership& membership, Replicator& replicator, Log& log)
      : store_(store), membership_(membership), replicator_(replicator), log_(log) {}
  MonoTime next_tick() override { return next_; }
  void tick(MonoTime now) override;   // blocks on the disk; nothing more once the store has failed

 private:
  ChunkStore& store_;
  Membership& membership_;
  Replicator& replicator_;
  Log& log_;
  MonoTime next_{};
};

}  // namespace conclave::file
