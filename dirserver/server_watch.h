// Every 100 ms: file servers that are gone leave the in-sync sets of their chunks, so that the next member is the master.
//
// One whose heartbeats have stopped for kFileServerDead leaves all of them. One at whose address nobody listens has ended,
// and with it whatever it served: it leaves those that a client waits for at once, and the others if it does not come
// back within that time, as one that is only started again does.
//
// Who listens is asked about servers that gave a client no answer. It takes for granted that the address at which a file
// server registered reaches that machine, and that its process listens until it ends: one that is about to end may still
// answer calls that it took before. Such a call is judged by the members, who take nothing under an older chainver than
// they have seen, and a read is covered by the lease that it is made under.
#pragma once

#include <functional>
#include <map>

#include "base/daemon.h"
#include "base/transport.h"
#include "dirserver/dir_store.h"
#include "dirserver/heal_jobs.h"

namespace conclave::dir {

class ServerWatch final : public Duty {
 public:
  // Whether somebody listens there: tcp_listens(), or the simulated network.
  using Listens = std::function<Result<bool>(const Endpoint& there, MonoTime deadline)>;

  ServerWatch(ClusterId cluster, DirStore& store, ServerTable& servers, HealJobs& jobs, Listens listens, Clock& clock,
              Log& log)
      : cluster_(cluster), store_(store), servers_(servers), jobs_(jobs), listens_(std::move(listens)), clock_(clock),
        log_(log), next_(clock.now()) {}
  MonoTime next_tick() override { return next_; }
  void tick(MonoTime now) override;

 private:
  void look_at_suspects(MonoTime now);
  Status replace_asked(ServerId server, const std::set<ServerId>& gone);
  Status replace_all(ServerId server, const std::set<ServerId>& gone);
  Result<std::size_t> replace(const std::vector<ChunkPlace>& places, const std::set<ServerId>& gone);
  void tell_members(const Chunk& chunk);

  const ClusterId cluster_;
  DirStore& store_;
  ServerTable& servers_;
  HealJobs& jobs_;
  const Listens listens_;
  Clock& clock_;
  Log& log_;
  MonoTime next_;
  std::map<ServerId, MonoTime> ask_again_;       // suspects
  std::map<ServerId, MonoTime> look_again_;      // dead ones: some chunks have no other member that stands yet
};

}  // namespace conclave::dir
