// Checkpoints a chunk store when they are due, and makes the journal's next segment before it is needed.
#pragma once

#include "base/daemon.h"
#include "base/log.h"
#include "fileserver/chunk_store.h"

namespace conclave::file {

class CheckpointDuty final : public Duty {
 public:
  CheckpointDuty(ChunkStore& store, Log& log) : store_(store), log_(log) {}
  MonoTime next_tick() override { return next_; }
  void tick(MonoTime now) override;   // blocks on the disk; nothing more once the store has failed

 private:
  ChunkStore& store_;
  Log& log_;
  MonoTime next_{};
  MonoTime quiet_until_{};   // a failure is logged once a minute
};

}  // namespace conclave::file
