// The file servers as D sees them now: registered, heard of lately, how full. What must survive is in the table
// `servers`; the rest comes again with their heartbeats. Thread-safe; never blocks.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "dirserver/heal_plan.h"

namespace conclave::dir {

class ServerTable {
 public:
  explicit ServerTable(std::uint64_t seed) : dice_(seed) {}

  struct Report {  // of a registration or a heartbeat
    std::uint64_t boot = 0;
    std::uint64_t total_bytes = 0;
    std::uint64_t free_bytes = 0;
    std::uint64_t fence_acknowledged = 0;
    std::uint64_t lacking = 0;   // copies that it should hold, and of which no other member is up
    std::uint64_t synced_to = 0; // of its journal
    std::uint64_t bad = 0;       // chunks with a block that no member has a good copy of
    std::uint64_t chunks = 0;
  };
  // From the database, when D starts: known, and down until it is heard of.
  void know(ServerRow row, MonoTime now);
  // It registered (its row is committed) and is up.
  void registered(ServerRow row, const Report& report, MonoTime now);
  // Its number. kStale: register first (D or it was restarted).
  Result<ServerId> heard(const std::string& name, const Report& report, MonoTime now);

  // Journal marks that have risen and are to be stored; none if some were taken less than a second ago.
  std::vector<std::pair<ServerId, std::uint64_t>> marks_to_store(MonoTime now);
  [[nodiscard]] bool has_marks_to_store() const;
  // The highest mark that this server ever told.
  [[nodiscard]] std::uint64_t mark_of(const std::string& name) const;
  void accepted(ServerId id);   // it is not behind any more
  // Nobody may know more of the past than this database: a file server that it knows has registered, or all of them had
  // the time to.
  [[nodiscard]] bool past_is_heard(MonoTime now) const;
  // A client had no answer from it about this chunk: worth asking at once whether it still runs.
  void suspect(ServerId id, const ChunkPlace& chunk);
  // The process of this start has ended: nobody listens at its address. It is down from now on, and must register anew.
  void ended(ServerId id, std::uint64_t boot);

  // While the database may be an old one nobody is gone or has copies missing: what it says of chunks is not acted on.
  void set_doubted(bool doubted);

  // Those that serve nothing any more, for sure: their in-sync sets may go on without them.
  [[nodiscard]] std::set<ServerId> gone(MonoTime now) const;
  // Of these, those that did not come back within kFileServerDead.
  [[nodiscard]] std::set<ServerId> dead(MonoTime now) const;
  // The chunks that suspect() named, of one that is gone; each once.
  std::vector<ChunkPlace> take_asked(ServerId id);
  // Those that count as up, and gave a client no answer.
  struct Suspect {
    ServerRow row;
    std::uint64_t boot = 0;
  };
  [[nodiscard]] std::vector<Suspect> suspects(MonoTime now) const;

  [[nodiscard]] std::optional<ServerId> id_of(const std::string& name) const;
  [[nodiscard]] bool up(ServerId id, MonoTime now) const;
  [[nodiscard]] std::vector<v1::Member> members(MonoTime now) const;
  // The highest fence that every server which is up has acknowledged; `newest` if none is up. One that is known from
  // the database may serve yet on what an earlier start of D told it: it counts until it would be dead.
  [[nodiscard]] std::uint64_t fences_acknowledged(std::uint64_t newest, MonoTime now) const;
  // As healing sees them: those that were removed too.
  [[nodiscard]] std::map<ServerId, Host> hosts(MonoTime now) const;
  // The operator's will; the row is committed.
  void set_state(ServerId id, ServerState state);
  // For one more copy, where `not_there` says no. kUnavailable, kNoSpace as below.
  Result<ServerId> choose_one(const ServerTest& not_there, MonoTime now);
  // For a new chunk, the master first. kUnavailable: no server is up; kNoSpace: all are full.
  Result<std::vector<ServerId>> choose(unsigned copies, MonoTime now);

 private:
  struct Server {
    ServerRow row;
    Report report;
    std::optional<MonoTime> heard;    // since D's start
    std::optional<MonoTime> known;    // D's start, if it is from the database
    std::uint64_t given = 0;          // chunks placed since the last report
    std::uint64_t mark = 0;           // of its journal, the highest told; row.mark: that is stored
    std::set<ChunkPlace> asked;       // by clients that had no answer, since the last report
    MonoTime last{};                  // heard of, or D's start
  };
  static constexpr std::size_t kMostAsked = 10000;   // of one server; the others wait until it is dead
  static bool is_up(const Server& server, MonoTime now);
  static bool may_serve(const Server& server, MonoTime now);
  static bool takes_chunks(const Server& server, MonoTime now);

  mutable std::mutex mutex_;
  std::map<ServerId, Server> servers_ GUARDED_BY(mutex_);
  bool doubted_ GUARDED_BY(mutex_) = false;
  std::uint64_t dice_ GUARDED_BY(mutex_);
  MonoTime marks_taken_ GUARDED_BY(mutex_) = MonoTime::min();
};

}  // namespace conclave::dir
