#include "dirserver/session_gate.h"

#include <algorithm>

#include "base/limits.h"

namespace conclave::dir {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr int kMaxGroups = 65536;  // Linux's NGROUPS_MAX

std::shared_ptr<const EpochKeys> keys_of(const ClusterId& cluster, const lock::v1::SyncResponse& sync) {
  EpochKeys::Key current{sync.epoch(), SecretBytes::copy_of(view_of(sync.key()))};
  std::optional<EpochKeys::Key> previous;
  if (sync.previous_epoch() != 0) {
    previous = EpochKeys::Key{sync.previous_epoch(), SecretBytes::copy_of(view_of(sync.previous_key()))};
  }
  return std::make_shared<const EpochKeys>(cluster, std::move(current), std::move(previous));
}

// A pass of an earlier epoch is of a session that the lock server has forgotten; one of an epoch to come is asked again.
Error refusal(const Error& why) {
  if (why.code == Errc::kStale) return {Errc::kFenced, "the lock server has restarted: this session is over"};
  if (why.code == Errc::kUnavailable) return why;
  return {Errc::kUnauthenticated, why.message};
}

bool same_epochs(const EpochKeys& keys, const lock::v1::SyncResponse& sync) {
  const std::uint32_t previous = keys.previous() ? keys.previous()->epoch : 0;
  return keys.epoch() == sync.epoch() && previous == sync.previous_epoch();
}

}  // namespace

void SessionGate::know(const std::vector<SessionId>& sessions, MonoTime now) {
  const std::lock_guard lock(mutex_);
  for (const SessionId session : sessions) seen_[session] = now;
}

void SessionGate::know_fence(SessionId session, std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  fenced_[session] = number;
  newest_fence_ = std::max(newest_fence_, number);
}

// A session that is missing in `live` has ended only if the lock server was asked after it was last seen here.
Result<SessionGate::News> SessionGate::take(const lock::v1::SyncResponse& sync, MonoTime asked) {
  const bool previous_fits = sync.previous_epoch() == 0 || sync.previous_key().size() == kKeyBytes;
  if (sync.epoch() == 0 || sync.key().size() != kKeyBytes || !previous_fits) return Error(Errc::kInvalid, "no keys");
  const std::lock_guard lock(mutex_);
  News news;
  news.newest_fence = sync.newest_fence();
  news.epoch = sync.epoch();
  news.new_epoch = keys_ == nullptr || keys_->epoch() != sync.epoch();
  if (keys_ == nullptr || !same_epochs(*keys_, sync)) keys_ = keys_of(cluster_, sync);
  if (sync.previous_epoch() == 0) forget_ended_before_ = std::max(forget_ended_before_, sync.epoch());
  for (const std::uint64_t id : sync.fenced()) {
    if (!fenced_.contains(SessionId{id})) news.fenced.push_back(SessionId{id});
  }
  const std::set<std::uint64_t> live(sync.live().begin(), sync.live().end());
  for (auto it = seen_.begin(); it != seen_.end();) {
    const bool ended = !live.contains(raw(it->first)) && it->second < asked;
    if (ended) news.ended.push_back(it->first);
    if (ended) ended_.emplace(it->first, sync.epoch());
    it = ended ? seen_.erase(it) : std::next(it);
  }
  // Passes of older epochs are refused by their MAC.
  std::erase_if(ended_, [&](const auto& one) REQUIRES(mutex_) { return one.second < forget_ended_before_; });
  return news;
}

void SessionGate::confirm(const News& news) {
  const std::lock_guard lock(mutex_);
  for (const SessionId session : news.fenced) fenced_[session] = news.newest_fence;
  newest_fence_ = std::max(newest_fence_, news.newest_fence);
}

Status SessionGate::check_alive(SessionId session, MonoTime now) {
  const std::lock_guard lock(mutex_);
  if (fenced_.contains(session)) return Error(Errc::kFenced, "this session was declared dead");
  if (ended_.contains(session)) return Error(Errc::kFenced, "this session has ended");
  seen_[session] = now;
  return {};
}

Result<Call> SessionGate::admit(const Peer& peer, std::string_view pass, const OpId& op, MonoTime now) {
  Call call;
  call.keys = TRY(keys());
  if (pass.empty()) return Error(Errc::kUnauthenticated, "a session's pass is needed: open one at the lock server");
  auto opened = call.keys->open_pass(view_of(pass));
  if (!opened) return refusal(opened.error());
  if (opened->holder != holder_of(peer.fingerprint)) return Error(Errc::kUnauthenticated, "another's pass");
  const bool other = op.session != opened->session || op.generation != opened->generation;
  if (op.sequence != 0 && other) return Error(Errc::kUnauthenticated, "the operation is not of the pass's session");
  TRY(check_alive(opened->session, now));
  call.session = opened->session;
  call.holder = opened->holder;
  call.gate = this;
  return call;
}

Status SessionGate::admit_lease(const LeaseToken& lease) {
  const std::lock_guard lock(mutex_);
  return floors_.admit(lease.inode, lease.mode, lease.seq);
}

void SessionGate::know_floors(const std::vector<FloorTable::Floor>& floors) {
  const std::lock_guard lock(mutex_);
  for (const FloorTable::Floor& floor : floors) floors_.know(floor);
}

std::vector<FloorTable::Floor> SessionGate::floors() const {
  const std::lock_guard lock(mutex_);
  return floors_.all();
}

Result<std::shared_ptr<const EpochKeys>> SessionGate::keys() const {
  const std::lock_guard lock(mutex_);
  if (keys_ == nullptr) return Error(Errc::kUnavailable, "waiting for the lock server's keys");
  return keys_;
}

std::uint64_t SessionGate::newest_fence() const {
  const std::lock_guard lock(mutex_);
  return newest_fence_;
}

Result<Subject> subject_of(const Peer& peer, const v1::Caller& caller) {
  if (peer.role != Role::kHost) return Subject{peer.uid, peer.gid, {}, false};
  if (caller.groups_size() > kMaxGroups) return Error(Errc::kInvalid, "too many groups");
  return Subject{caller.uid(), caller.gid(), {caller.groups().begin(), caller.groups().end()}, true};
}

Status require_lease(const Call& call, std::string_view token, InodeId inode, std::initializer_list<LeaseMode> modes) {
  const LeaseToken lease = TRY(call.keys->open_lease(view_of(token)));
  const bool mine = lease.session == call.session && lease.holder == call.holder;
  if (!mine || lease.inode != inode) return Error(Errc::kAccess, "a lease of another session or inode");
  if (std::find(modes.begin(), modes.end(), lease.mode) == modes.end()) {
    return Error(Errc::kAccess, "the lease does not allow this");
  }
  return call.gate->admit_lease(lease);
}

}  // namespace conclave::dir
