// The file servers as D sees them now: registered, heard of lately, how full. What must survive is in the table
// `servers`; the rest comes again with their heartbeats. Thread-safe; never blocks.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "dirserver/dir_rows.h"

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

  [[nodiscard]] std::optional<ServerId> id_of(const std::string& name) const;
  [[nodiscard]] bool up(ServerId id, MonoTime now) const;
  [[nodiscard]] std::vector<v1::Member> members(MonoTime now) const;
  // The highest fence that every server which is up has acknowledged; `newest` if none is up. One that is known from
  // the database may serve yet on what an earlier start of D told it: it counts until it would be dead.
  [[nodiscard]] std::uint64_t fences_acknowledged(std::uint64_t newest, MonoTime now) const;
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
  };
  static bool is_up(const Server& server, MonoTime now);
  static bool may_serve(const Server& server, MonoTime now);

  mutable std::mutex mutex_;
  std::map<ServerId, Server> servers_ GUARDED_BY(mutex_);
  std::uint64_t dice_ GUARDED_BY(mutex_);
  MonoTime marks_taken_ GUARDED_BY(mutex_) = MonoTime::min();
};

}  // namespace conclave::dir
