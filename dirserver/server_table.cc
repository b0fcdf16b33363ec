#include "dirserver/server_table.h"

#include <algorithm>

#include "base/limits.h"
#include "dirserver/dir_placement.h"

namespace conclave::dir {
namespace {
constexpr Duration kMarksEvery = 1s;
}  // namespace

bool ServerTable::is_up(const Server& server, MonoTime now) {
  return server.heard.has_value() && now - *server.heard < kFileServerDead;
}

bool ServerTable::may_serve(const Server& server, MonoTime now) {
  return is_up(server, now) || (!server.heard && server.known && now - *server.known < kFileServerDead);
}

void ServerTable::know(ServerRow row, MonoTime now) {
  const std::lock_guard lock(mutex_);
  Server& server = servers_[row.id];
  server.mark = row.mark;
  server.row = std::move(row);
  server.known = now;
}

void ServerTable::registered(ServerRow row, const Report& report, MonoTime now) {
  const std::lock_guard lock(mutex_);
  Server& server = servers_[row.id];
  server.row = std::move(row);
  server.mark = report.synced_to;   // what D made of less than before is in the row
  server.report = report;
  server.heard = now;
  server.given = 0;
}

Result<ServerId> ServerTable::heard(const std::string& name, const Report& report, MonoTime now) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, server] : servers_) {
    if (server.row.name != name) continue;
    if (!server.heard || server.report.boot != report.boot) break;
    server.report = report;
    server.heard = now;
    server.given = 0;
    server.mark = std::max(server.mark, report.synced_to);
    return id;
  }
  return Error(Errc::kStale, "file server '" + name + "' must register first");
}

std::vector<std::pair<ServerId, std::uint64_t>> ServerTable::marks_to_store(MonoTime now) {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<ServerId, std::uint64_t>> out;
  if (marks_taken_ != MonoTime::min() && now - marks_taken_ < kMarksEvery) return out;
  for (auto& [id, server] : servers_) {
    if (server.mark <= server.row.mark) continue;
    server.row.mark = server.mark;
    out.emplace_back(id, server.mark);
  }
  if (!out.empty()) marks_taken_ = now;
  return out;
}

bool ServerTable::has_marks_to_store() const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(servers_, [](const auto& entry) { return entry.second.mark > entry.second.row.mark; });
}

std::uint64_t ServerTable::mark_of(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, server] : servers_) {
    if (server.row.name == name) return server.mark;
  }
  return 0;
}

void ServerTable::accepted(ServerId id) {
  const std::lock_guard lock(mutex_);
  servers_[id].row.behind_ns = 0;
}

bool ServerTable::past_is_heard(MonoTime now) const {
  const std::lock_guard lock(mutex_);
  if (servers_.empty()) return true;
  return std::ranges::any_of(servers_, [&](const auto& entry) {
    const Server& server = entry.second;
    return server.heard || !server.known || now - *server.known >= kFileServerDead;
  });
}

std::optional<ServerId> ServerTable::id_of(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, server] : servers_) {
    if (server.row.name == name) return id;
  }
  return std::nullopt;
}

bool ServerTable::up(ServerId id, MonoTime now) const {
  const std::lock_guard lock(mutex_);
  const auto found = servers_.find(id);
  return found != servers_.end() && is_up(found->second, now);
}

std::vector<v1::Member> ServerTable::members(MonoTime now) const {
  const std::lock_guard lock(mutex_);
  std::vector<v1::Member> out;
  for (const auto& [id, server] : servers_) {
    v1::Member& member = out.emplace_back();
    member.set_id(raw(id));
    member.set_name(server.row.name);
    member.set_host(server.row.host);
    member.set_port(server.row.port);
    member.set_back_port(server.row.back_port);
    member.set_up(is_up(server, now));
    member.set_total_bytes(server.report.total_bytes);
    member.set_free_bytes(server.report.free_bytes);
    member.set_lacking(server.report.lacking);
    member.set_bad(server.report.bad);
    member.set_behind_ns(server.row.behind_ns);
  }
  return out;
}

std::uint64_t ServerTable::fences_acknowledged(std::uint64_t newest, MonoTime now) const {
  const std::lock_guard lock(mutex_);
  std::uint64_t least = newest;
  for (const auto& [id, server] : servers_) {
    if (may_serve(server, now)) least = std::min(least, server.report.fence_acknowledged);
  }
  return least;
}

Result<std::vector<ServerId>> ServerTable::choose(unsigned copies, MonoTime now) {
  const std::lock_guard lock(mutex_);
  std::vector<Candidate> candidates;
  for (const auto& [id, server] : servers_) {
    if (is_up(server, now)) candidates.push_back({id, server.row.host, server.report.free_bytes, server.given});
  }
  if (candidates.empty()) return Error(Errc::kUnavailable, "no file server is up");
  auto chosen = choose_members(std::move(candidates), copies, dice_++);
  if (chosen.empty()) return Error(Errc::kNoSpace, "no file server has room for a chunk");
  for (const ServerId id : chosen) ++servers_[id].given;
  return chosen;
}

}  // namespace conclave::dir
