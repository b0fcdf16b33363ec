// Several times a second: chunks that have too few copies get one more, chunks of servers that are drained move away, and
// copies that nobody needs any more are freed (heal_plan.h says what is to be done). D only decides: masters hear of
// their copies with their heartbeats (HealJobs), make them, and ask for Admit when one is whole.
//
// Bounded: a master makes `at_once` copies at a time, at the rate that its heartbeats tell it; the database is looked
// through in pieces, and changed in commits of a few hundred chunks.
#pragma once

#include <map>

#include "base/daemon.h"
#include "dirserver/dir_store.h"
#include "dirserver/heal_jobs.h"
#include "dirserver/heal_plan.h"

namespace conclave::dir {

class Healing final : public Duty {
 public:
  struct Options {
    unsigned replicas = 2;
    Duration after = std::chrono::minutes(5);   // that a server is away before its chunks are copied elsewhere
    std::size_t at_once = 64;                   // copies that one master is told to make
  };
  Healing(DirStore& store, ServerTable& servers, HealJobs& jobs, const Options& options, Clock& clock, Log& log)
      : store_(store), servers_(servers), jobs_(jobs), options_(options), clock_(clock), log_(log), next_(clock.now()) {}
  MonoTime next_tick() override { return next_; }
  void tick(MonoTime now) override;

 private:
  using Hosts = std::map<ServerId, Host>;
  // One way through the database that goes on at the next tick where it stopped at this one.
  using Look = std::function<Result<std::vector<ChunkPlace>>(View& view, const ChunkPlace& after, std::size_t limit)>;
  Status heal();
  Status walk(ChunkPlace& after, const Look& look, const Hosts& hosts);
  Status act(const Chunk& chunk, const Hosts& hosts, std::vector<ChunkPlace>& to_change);
  Status copy_to(const Chunk& chunk, const std::vector<ServerId>& servers);
  Status copy_anywhere(const Chunk& chunk);
  Status change(const std::vector<ChunkPlace>& places, const Hosts& hosts);
  Result<std::vector<Chunk>> change_one(Change& change, const ChunkPlace& place, const Hosts& hosts);
  void tell_members(const Chunk& chunk);

  DirStore& store_;
  ServerTable& servers_;
  HealJobs& jobs_;
  const Options options_;
  Clock& clock_;
  Log& log_;
  MonoTime next_;
  bool failing_ = false;                          // said so in the log
  bool found_ = false;                            // something to do, since the tick began
  std::map<unsigned, ChunkPlace> too_few_;        // by copies: where to go on
  std::map<ServerId, ChunkPlace> leaving_, former_;
};

}  // namespace conclave::dir
