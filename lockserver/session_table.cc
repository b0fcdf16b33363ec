#include "lockserver/session_table.h"

#include <algorithm>
#include <utility>

namespace conclave::lock {

Result<SessionTable::Session> SessionTable::open(const Session& wanted, MonoTime now) {
  for (auto& [id, session] : sessions_) {
    if (session.holder != wanted.holder || session.nonce != wanted.nonce || session.fence != 0) continue;
    if (!session.unreclaimed) session.ends = now + term_.at_server();
    return session;
  }
  if (sessions_.size() >= most_sessions_) {
    return Error(Errc::kOverloaded, "there are as many sessions as this lock server takes");
  }
  const auto of_client = std::ranges::count_if(sessions_, [&](const auto& entry) { return entry.second.peer == wanted.peer; });
  if (static_cast<std::size_t>(of_client) >= kMaxSessionsPerClient) {
    return Error(Errc::kOverloaded, wanted.peer + " has as many sessions as one client may have");
  }
  if (raw(wanted.id) == 0 || sessions_.contains(wanted.id)) return Error(Errc::kOverloaded, "try again");
  Session session = wanted;
  session.ends = now + term_.at_server();
  sessions_.emplace(session.id, session);
  ++changes_;
  return session;
}

void SessionTable::restore(const std::vector<Session>& known, std::uint32_t oldest_epoch, MonoTime now) {
  for (Session session : known) {
    session.unreclaimed = true;
    session.attempt = 0;
    session.ends = now + term_.at_server();
    const auto at = sessions_.insert_or_assign(session.id, session).first;
    if (at->second.brief || at->second.epoch < oldest_epoch) fence(at->first);
  }
}

bool SessionTable::grace() const {
  return std::ranges::any_of(sessions_, [](const auto& entry) { return entry.second.unreclaimed; });
}

Result<const SessionTable::Session*> SessionTable::find(SessionId id, std::uint64_t holder) const {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return Error(Errc::kStale, "the lock server does not know this session");
  if (found->second.holder != holder) return Error(Errc::kAccess, "this session was opened with another certificate");
  if (found->second.fence != 0) return Error(Errc::kFenced, "the session was silent too long and is fenced");
  return &found->second;
}

Result<const SessionTable::Session*> SessionTable::find_ready(SessionId id, std::uint64_t holder) const {
  const auto* session = TRY(find(id, holder));
  if (session->unreclaimed) return Error(Errc::kUnavailable, "the lock server was restarted: reclaim first");
  return session;
}

Result<bool> SessionTable::begin_claims(SessionId id, std::uint32_t attempt) {
  Session& session = sessions_.at(id);
  if (!session.unreclaimed || attempt < session.attempt) return Error(Errc::kStale, "an older attempt to reclaim");
  return std::exchange(session.attempt, attempt) != attempt;
}

void SessionTable::reclaimed(SessionId id, MonoTime now) {
  Session& session = sessions_.at(id);
  session.unreclaimed = false;
  session.ends = now + term_.at_server();
}

void SessionTable::confirm(SessionId id, std::uint32_t epoch) {
  Session& session = sessions_.at(id);
  if (std::exchange(session.epoch, epoch) != epoch) ++changes_;
}

Status SessionTable::renew(SessionId id, std::uint64_t holder, const std::string& label, MonoTime now) {
  TRY(find(id, holder));
  Session& session = sessions_.at(id);
  if (session.ends <= now) return Error(Errc::kFenced, "the session ended before this renewal came");
  if (!session.unreclaimed) session.ends = now + term_.at_server();
  if (!label.empty()) session.label = label;
  return {};
}

void SessionTable::close(SessionId id) { changes_ += sessions_.erase(id); }

bool SessionTable::fence(SessionId id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.fence != 0) return false;
  found->second.fence = ++newest_fence_;
  ++changes_;
  return true;
}

void SessionTable::excuse(Duration pause) {
  for (auto& [id, session] : sessions_) session.ends += pause;
}

std::vector<SessionId> SessionTable::fence_expired(MonoTime now) {
  std::vector<SessionId> out;
  for (auto& [id, session] : sessions_) {
    if (session.ends <= now && fence(id)) out.push_back(id);
  }
  return out;
}

std::vector<SessionId> SessionTable::acknowledge(std::uint64_t number) {
  std::vector<SessionId> out;
  for (const auto& [id, session] : sessions_) {
    if (session.fence != 0 && session.fence <= number) out.push_back(id);
  }
  for (const SessionId id : out) close(id);
  return out;
}

std::vector<SessionId> SessionTable::fenced() const {
  std::vector<SessionId> out;
  for (const auto& [id, session] : sessions_) {
    if (session.fence != 0) out.push_back(id);
  }
  return out;
}

std::vector<SessionId> SessionTable::live() const {
  std::vector<SessionId> out;
  for (const auto& [id, session] : sessions_) {
    if (session.fence == 0) out.push_back(id);
  }
  return out;
}

MonoTime SessionTable::next_expiry() const {
  MonoTime next = kNever;
  for (const auto& [id, session] : sessions_) {
    if (session.fence == 0) next = std::min(next, session.ends);
  }
  return next;
}

}  // namespace conclave::lock
