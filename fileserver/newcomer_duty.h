// Brings in the members that D wants this server, as the master of their chunks, to have: makes their copies while
// writes go on, at the rate that D says, one after the other. Not the heartbeat's work: a copy takes seconds.
#pragma once

#include "base/daemon.h"
#include "base/log.h"
#include "fileserver/replicator.h"

namespace conclave::file {

class NewcomerDuty final : public Duty {
 public:
  NewcomerDuty(ChunkStore& store, Membership& membership, Replicator& replicator, Clock& clock, Log& log)
      : store_(store), membership_(membership), replicator_(replicator), clock_(clock), log_(log) {}
  MonoTime next_tick() override { return next_; }
  void tick(MonoTime now) override;

 private:
  Status bring_in(const dir::v1::BringIn& wanted);
  Status check_own(const Standing& standing, const SealedPermit& chunk);
  void pace(std::size_t bytes, std::uint64_t bytes_per_second);

  ChunkStore& store_;
  Membership& membership_;
  Replicator& replicator_;
  Clock& clock_;
  Log& log_;
  MonoTime next_{};
  MonoTime sent_until_{};   // what was sent is spread up to here
};

}  // namespace conclave::file
