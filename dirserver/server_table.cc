#include "dirserver/server_table.h"

#include <algorithm>

#include "base/limits.h"
#include "dirserver/dir_placement.h"

namespace conclave::dir {
namespace {
constexpr Duration kMarksEvery = 1s;
}  // namespace

// A file server serves for kServesFor (2 s) from when it sent a heartbeat that was answered; D received that heartbeat
// later than it was sent. So once kFileServerDead (3 s) have passed here since the last one it has served nothing for a
// second, unless its clock ran a third slower than this one: machines' clocks differ by less than a thousandth. What
// answered its last heartbeat may be an earlier start of D: one that is known from the database counts as serving until
// kFileServerDead after this start.
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
  server.last = now;
}

void ServerTable::registered(ServerRow row, const Report& report, MonoTime now) {
  const std::lock_guard lock(mutex_);
  Server& server = servers_[row.id];
  server.row = std::move(row);
  server.mark = report.synced_to;   // what D made of less than before is in the row
  server.report = report;
  server.heard = now;
  server.last = now;
  server.given = 0;
  server.asked.clear();
}

Result<ServerId> ServerTable::heard(const std::string& name, const Report& report, MonoTime now) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, server] : servers_) {
    if (server.row.name != name) continue;
    if (server.row.state == ServerState::kRemoved) return Error(Errc::kNotPermitted, "file server '" + name + "' was removed");
    if (!server.heard || server.report.boot != report.boot) break;
    server.report = report;
    server.heard = now;
    server.last = now;
    server.given = 0;
    server.mark = std::max(server.mark, report.synced_to);
    server.asked.clear();
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

void ServerTable::suspect(ServerId id, const ChunkPlace& chunk) {
  const std::lock_guard lock(mutex_);
  const auto found = servers_.find(id);
  if (found != servers_.end() && found->second.asked.size() < kMostAsked) found->second.asked.insert(chunk);
}

std::vector<ChunkPlace> ServerTable::take_asked(ServerId id) {
  const std::lock_guard lock(mutex_);
  const auto found = servers_.find(id);
  if (found == servers_.end()) return {};
  const auto asked = std::exchange(found->second.asked, {});
  return {asked.begin(), asked.end()};
}

void ServerTable::ended(ServerId id, std::uint64_t boot) {
  const std::lock_guard lock(mutex_);
  const auto found = servers_.find(id);
  if (found == servers_.end() || !found->second.heard || found->second.report.boot != boot) return;
  found->second.heard.reset();
  found->second.known.reset();
}

void ServerTable::set_doubted(bool doubted) {
  const std::lock_guard lock(mutex_);
  doubted_ = doubted;
}

std::set<ServerId> ServerTable::gone(MonoTime now) const {
  const std::lock_guard lock(mutex_);
  std::set<ServerId> out;
  if (doubted_) return out;
  for (const auto& [id, server] : servers_) {
    if (!may_serve(server, now)) out.insert(id);
  }
  return out;
}

std::set<ServerId> ServerTable::dead(MonoTime now) const {
  const std::lock_guard lock(mutex_);
  std::set<ServerId> out;
  if (doubted_) return out;
  for (const auto& [id, server] : servers_) {
    if (!may_serve(server, now) && now - server.last >= kFileServerDead) out.insert(id);
  }
  return out;
}

std::vector<ServerTable::Suspect> ServerTable::suspects(MonoTime now) const {
  const std::lock_guard lock(mutex_);
  std::vector<Suspect> out;
  for (const auto& [id, server] : servers_) {
    if (is_up(server, now) && !server.asked.empty()) out.push_back({server.row, server.report.boot});
  }
  return out;
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
    if (server.row.state == ServerState::kRemoved) continue;
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
    member.set_chunks(server.report.chunks);
    member.set_draining(server.row.state == ServerState::kDraining);
    const auto silent = std::chrono::duration_cast<std::chrono::seconds>(now - server.last).count();
    if (!member.up()) member.set_silent_s(static_cast<std::uint64_t>(std::max<std::int64_t>(0, silent)));
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

bool ServerTable::takes_chunks(const Server& server, MonoTime now) {
  return is_up(server, now) && server.row.state == ServerState::kInUse;
}

std::map<ServerId, Host> ServerTable::hosts(MonoTime now) const {
  const std::lock_guard lock(mutex_);
  std::map<ServerId, Host> out;
  if (doubted_) return out;
  for (const auto& [id, server] : servers_) {
    out[id] = {is_up(server, now), server.row.state != ServerState::kInUse, now - server.last};
  }
  return out;
}

void ServerTable::set_state(ServerId id, ServerState state) {
  const std::lock_guard lock(mutex_);
  const auto found = servers_.find(id);
  if (found != servers_.end()) found->second.row.state = state;
}

Result<ServerId> ServerTable::choose_one(const ServerTest& not_there, MonoTime now) {
  const std::lock_guard lock(mutex_);
  std::set<std::string> hosts;   // where there is one already
  for (const auto& [id, server] : servers_) {
    if (not_there(id)) hosts.insert(server.row.host);
  }
  std::vector<Candidate> candidates, elsewhere;
  for (const auto& [id, server] : servers_) {
    if (!takes_chunks(server, now) || not_there(id)) continue;
    candidates.push_back({id, server.row.host, server.report.free_bytes, server.given});
    const bool room = server.report.free_bytes >= kChunkBytes;
    if (room && !hosts.contains(server.row.host)) elsewhere.push_back(candidates.back());
  }
  if (candidates.empty()) return Error(Errc::kUnavailable, "no other file server is up");
  if (!elsewhere.empty()) candidates = std::move(elsewhere);
  const auto chosen = choose_members(std::move(candidates), 1, dice_++);
  if (chosen.empty()) return Error(Errc::kNoSpace, "no file server has room for a chunk");
  ++servers_[chosen.front()].given;
  return chosen.front();
}

Result<std::vector<ServerId>> ServerTable::choose(unsigned copies, MonoTime now) {
  const std::lock_guard lock(mutex_);
  std::vector<Candidate> candidates;
  for (const auto& [id, server] : servers_) {
    if (takes_chunks(server, now)) candidates.push_back({id, server.row.host, server.report.free_bytes, server.given});
  }
  if (candidates.empty()) return Error(Errc::kUnavailable, "no file server is up");
  auto chosen = choose_members(std::move(candidates), copies, dice_++);
  if (chosen.empty()) return Error(Errc::kNoSpace, "no file server has room for a chunk");
  for (const ServerId id : chosen) ++servers_[id].given;
  return chosen;
}

}  // namespace conclave::dir
