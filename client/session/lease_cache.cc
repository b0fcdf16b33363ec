#include "client/session/lease_cache.h"

#include <algorithm>

#include "base/limits.h"
#include "client/session/lease_entry.h"
#include "lockserver/lock_client.h"

namespace conclave::client {
namespace {

constexpr Duration kAskTimeout = 3s;          // of a worker's time, when L is slow; then the operation is parked
constexpr Duration kLongestCacheTime = 30s;
constexpr Duration kFirstUseWait = 50ms;      // what a recall waits for an operation that waited for the grant

// L was not reached, or not in time: the operation waits until it is.
bool is_passing(Errc code) { return code == Errc::kUnavailable || code == Errc::kUnknown || code == Errc::kOverloaded; }

HeldLease lease_of(const lock::v1::Grant& grant) {
  return {lock::mode_of(grant.mode()), grant.seq(), grant.seq(), grant.token()};
}

}  // namespace

// --- Use.

LeaseCache::Use::Use(Use&& other) noexcept
    : cache_(std::exchange(other.cache_, nullptr)), entry_(other.entry_), lease_(std::move(other.lease_)),
      phase_(other.phase_) {}

LeaseCache::Use& LeaseCache::Use::operator=(Use&& other) noexcept {
  if (this == &other) return *this;
  if (cache_ != nullptr) cache_->end_use(*entry_, phase_);
  cache_ = std::exchange(other.cache_, nullptr);
  entry_ = other.entry_;
  lease_ = std::move(other.lease_);
  phase_ = other.phase_;
  return *this;
}

LeaseCache::Use::~Use() {
  if (cache_ != nullptr) cache_->end_use(*entry_, phase_);
}

LeaseMode LeaseCache::Use::mode() const { return lease_ ? lease_->mode : LeaseMode::kNone; }
std::uint64_t LeaseCache::Use::seq() const { return lease_ ? lease_->seq : 0; }
std::uint64_t LeaseCache::Use::since() const { return lease_ ? lease_->since : 0; }
const std::string& LeaseCache::Use::token() const {
  static const std::string kNoToken;
  return lease_ ? lease_->token : kNoToken;
}

bool LeaseCache::Use::revoked() const {
  if (cache_ == nullptr) return false;
  if (!cache_->usable()) return true;
  const std::lock_guard lock(cache_->shard_of(entry_->inode).mutex);
  return entry_->closed || entry_->lease == nullptr;
}

LeaseCache::Use LeaseCache::use_of(LeaseEntry& entry) {
  Use use;
  use.cache_ = this;
  use.entry_ = &entry;
  use.lease_ = entry.lease;
  use.phase_ = entry.phase;
  entry.owed_until = MonoTime{};
  entry.wanted_here = true;
  entry.touched = true;
  ++entry.uses[entry.phase ? 1 : 0];
  return use;
}

void LeaseCache::end_use(LeaseEntry& entry, bool phase) {
  Shard& shard = shard_of(entry.inode);
  bool wake = false;
  {
    const std::lock_guard lock(shard.mutex);
    const bool last = --entry.uses[phase ? 1 : 0] == 0;
    wake = last && entry.queued;  // a recall may wait for it
    if (last && !entry.lease) erase_if_idle(shard, entry.inode);
  }
  if (wake) waiter_.wake(&entry);
}

// --- Asking.

LeaseCache::LeaseCache(lock::LockClient& client, Clock& clock, Waiter& waiter, Parking& parking, Hooks hooks)
    : client_(client), clock_(clock), waiter_(waiter), parking_(parking), hooks_(std::move(hooks)),
      shards_(std::make_unique<Shard[]>(kShards)) {}

LeaseCache::~LeaseCache() = default;

LeaseCache::Shard& LeaseCache::shard_of(InodeId inode) const {
  return shards_[(raw(inode) * 0x9e3779b97f4a7c15ull >> 32) % kShards];
}

std::optional<LeaseCache::Use> LeaseCache::held(InodeId inode, LeaseMode mode) {
  if (!usable()) return std::nullopt;
  Shard& shard = shard_of(inode);
  const std::lock_guard lock(shard.mutex);
  LeaseEntry* const entry = shard.find(inode);
  if (entry == nullptr || !entry->admits(mode)) return std::nullopt;
  return use_of(*entry);
}

Result<LeaseCache::Use> LeaseCache::need(InodeId inode, LeaseMode mode, const std::string& ticket) {
  if (auto use = held(inode, mode)) return std::move(*use);
  for (;;) {
    if (ending_.load()) return Error(Errc::kUnavailable, "this mount is ending");
    if (!usable() || !granting_.load()) return wait_for_session();
    if (auto result = ask(inode, mode, ticket)) return std::move(*result);
  }
}

// Nothing: what was granted has come and gone meanwhile; ask again.
std::optional<Result<LeaseCache::Use>> LeaseCache::ask(InodeId inode, LeaseMode mode, const std::string& ticket) {
  Shard& shard = shard_of(inode);
  const std::uint64_t era = era_.load();
  std::int64_t ends_ns = ends_ns_.load();
  lock::v1::AcquireRequest request;
  request.set_session(session_.load());
  UniqueLock lock(shard.mutex);
  LeaseEntry& entry = shard.make(inode);
  if (entry.admits(mode)) return use_of(entry);
  if (entry.closed || entry.ended || entry.asked_at_least(mode)) return wait_for(entry);
  if (entry.lease && !lease_covers(mode, entry.lease->mode)) {  // S after R, say: what R allowed must end first
    start_recall(entry, LeaseMode::kNone);
    return wait_for(entry);
  }
  entry.asked |= LeaseEntry::bit(mode);
  ++entry.calls;
  lock.unlock();

  lock::v1::Want& want = *request.add_wants();
  want.set_inode(raw(inode));
  want.set_mode(lock::mode_of(mode));
  want.set_ticket(ticket);
  auto answer = client_.acquire(request, kAskTimeout);
  if (answer && answer->grants_size() != 1) answer = Error(Errc::kInternal, "the lock server's answer is for another question");

  lock.lock();
  std::optional<Result<Use>> result;
  if (era != era_.load()) {  // of a session that is gone
    call_ended(entry);
    erase_if_idle(shard, inode);
    return std::nullopt;
  }
  if (answer) take_answer(entry, answer->grants(0));
  make_room(shard);
  const bool granted_or_queued = answer && answer->grants(0).errc().empty();
  if (entry.admits(mode)) {
    result = use_of(entry);
  } else if (granted_or_queued) {
    if (entry.closed || entry.asked_at_least(mode)) result = wait_for(entry);
  } else {
    entry.asked &= static_cast<std::uint8_t>(~LeaseEntry::bit(mode));
    deliver(entry);  // others wait for this question's answer
    const Errc code = answer ? errc_of_name(answer->grants(0).errc()) : answer.error().code;
    const bool gone = !answer && (code == Errc::kStale || code == Errc::kFenced);  // the session; it is being replaced
    if (gone) ends_ns_.compare_exchange_strong(ends_ns, 0);  // unless it was renewed since
    if (gone || is_passing(code)) {
      result = wait_for_session();
    } else {
      result = answer ? Error(code, "the lock server grants no lease") : answer.error();
    }
  }
  call_ended(entry);
  erase_if_idle(shard, inode);
  return result;
}

Error LeaseCache::wait_for(LeaseEntry& entry) {
  if (entry.key == 0) entry.key = parking_.expect();
  return {Errc::kPending, "waits for a lease", entry.key};
}

Error LeaseCache::wait_for_session() {
  const std::lock_guard lock(mutex_);
  if (session_key_ == 0) session_key_ = parking_.expect();
  return {Errc::kPending, "waits for the lock server", session_key_};
}

Error LeaseCache::doubt() {
  ends_ns_.store(0);
  return wait_for_session();
}

// A token that was overtaken, though the lease was held while it was used, is a dead session's as well.
Error LeaseCache::await_session(const Error& why) {
  if (why.code != Errc::kFenced && why.code != Errc::kOvertaken) return why;
  return doubt();
}

Status LeaseCache::check_same_session(std::uint64_t losses) const {
  if (losses_.load() == losses) return {};
  return Error(Errc::kFenced, "the session was lost meanwhile");
}

void LeaseCache::deliver(LeaseEntry& entry) {
  if (entry.key != 0) parking_.deliver(std::exchange(entry.key, 0));
}

Error LeaseCache::again(InodeId inode) {
  Shard& shard = shard_of(inode);
  const std::lock_guard lock(shard.mutex);
  LeaseEntry& entry = shard.make(inode);
  Error pending = wait_for(entry);
  if (!entry.closed) deliver(entry);  // at once: an invalidation may be waiting for this READ
  erase_if_idle(shard, inode);
  return pending;
}

void LeaseCache::prefetch(const std::vector<std::pair<InodeId, std::string>>& inodes_and_tickets, LeaseMode mode) {
  if (!usable() || !granting_.load() || ending_.load()) return;
  const std::uint64_t era = era_.load();
  lock::v1::AcquireRequest request;
  request.set_session(session_.load());
  for (const auto& [inode, ticket] : inodes_and_tickets) {
    if (static_cast<std::size_t>(request.wants_size()) == kMaxLeasesPerCall) break;
    Shard& shard = shard_of(inode);
    const std::lock_guard lock(shard.mutex);
    LeaseEntry& entry = shard.make(inode);
    if (entry.admits(mode) || entry.closed || entry.asked != 0) continue;
    ++entry.calls;
    lock::v1::Want& want = *request.add_wants();
    want.set_inode(raw(inode));
    want.set_mode(lock::mode_of(mode));
    want.set_ticket(ticket);
    want.set_if_free(true);
  }
  if (request.wants_size() == 0) return;
  const auto answer = client_.acquire(request, kAskTimeout);
  for (int i = 0; i < request.wants_size(); ++i) {
    const InodeId inode{request.wants(i).inode()};
    Shard& shard = shard_of(inode);
    const std::lock_guard lock(shard.mutex);
    LeaseEntry& entry = shard.make(inode);
    if (answer && i < answer->grants_size() && era == era_.load()) take_answer(entry, answer->grants(i));
    call_ended(entry);
    erase_if_idle(shard, inode);
    make_room(shard);
  }
}

Duration LeaseCache::cache_time(InodeId inode, LeaseMode mode) const {
  const Duration left = Duration(ends_ns_.load()) - clock_.now().time_since_epoch();
  if (left <= Duration::zero()) return Duration::zero();
  Shard& shard = shard_of(inode);
  const std::lock_guard lock(shard.mutex);
  const LeaseEntry* const entry = shard.find(inode);
  if (entry == nullptr || !entry->admits(mode) || entry->recalled()) return Duration::zero();
  return std::min<Duration>(left, kLongestCacheTime);
}

void LeaseCache::note_read_answered(InodeId inode) {
  Shard& shard = shard_of(inode);
  const std::lock_guard lock(shard.mutex);
  if (LeaseEntry* const entry = shard.find(inode)) ++entry->reads_answered;
}

// --- Grants: from an answer, or from the event stream, in any order and more than once.

// False: it is older than what is known here, so L has replaced it, or it went back already.
bool LeaseCache::take_grant(LeaseEntry& entry, HeldLease lease) {
  if (entry.lease && entry.lease->seq == lease.seq) return true;
  if (lease.seq <= entry.last_seq || lease.seq < least_seq_.load()) return false;
  const bool without_gap = entry.lease && !entry.closed && lease_covers(lease.mode, entry.lease->mode);
  if (!entry.lease) held_.fetch_add(1);
  if (without_gap) lease.since = entry.lease->since;
  entry.last_seq = lease.seq;
  entry.no_longer_asked(lease.mode);
  entry.lease = std::make_shared<const HeldLease>(std::move(lease));
  if (entry.key != 0) entry.owed_until = clock_.now() + kFirstUseWait;
  deliver(entry);
  return true;
}

void LeaseCache::take_answer(LeaseEntry& entry, const lock::v1::Grant& grant) {
  if (!grant.errc().empty() || grant.pending()) return;
  if (take_grant(entry, lease_of(grant))) return;
  // L gave us once more what a late question had been granted without our knowing: not ours, for all we know.
  add_job({JobKind::kNotHeld, entry.inode, grant.seq()});
}

void LeaseCache::on_grant(InodeId inode, LeaseMode mode, std::uint64_t seq, std::string token, Errc, bool refused) {
  Shard& shard = shard_of(inode);
  const std::lock_guard lock(shard.mutex);
  LeaseEntry* const entry = shard.find(inode);
  if (entry == nullptr) return;  // nobody waits; if L believes that it is held here, a recall will say that it is not
  if (refused) {
    entry->asked &= static_cast<std::uint8_t>(~LeaseEntry::bit(mode));
    deliver(*entry);
  } else {
    take_grant(*entry, {mode, seq, seq, std::move(token)});
  }
  erase_if_idle(shard, inode);
}

// Second chance: goes round the shard's buckets, a few at a time, and releases what was not used since the last round.
void LeaseCache::make_room(Shard& shard) REQUIRES(shard.mutex) {
  constexpr int kBuckets = 4;
  if (held_.load() <= kMaxLeasesHeld) return;
  for (int i = 0; i < kBuckets; ++i) {
    const std::size_t bucket = shard.hand++ % shard.entries.bucket_count();
    for (auto at = shard.entries.begin(bucket); at != shard.entries.end(bucket); ++at) {
      LeaseEntry& entry = at->second;
      if (!std::exchange(entry.touched, false) && entry.releasable()) start_release(entry);
    }
  }
}

// A recall that came before its grant: now the grant is here, or it will not come.
void LeaseCache::call_ended(LeaseEntry& entry) {
  if (--entry.calls != 0 || entry.early_seq == 0) return;
  const std::uint64_t seq = std::exchange(entry.early_seq, 0);
  if (entry.lease && entry.lease->seq == seq) {
    start_recall(entry, entry.early_keep);
  } else if (seq > entry.last_seq) {
    entry.last_seq = seq;
    add_job({JobKind::kNotHeld, entry.inode, seq});
  }
}

void LeaseCache::erase_if_idle(Shard& shard, InodeId inode) REQUIRES(shard.mutex) {
  const auto found = shard.entries.find(inode);
  if (found == shard.entries.end() || !found->second.idle()) return;
  shard.erased_seq = std::max(shard.erased_seq, found->second.last_seq);
  shard.entries.erase(found);
}

// --- The session.

void LeaseCache::on_session(SessionId session, MonoTime ends) {
  session_.store(raw(session));
  ends_ns_.store(ends.time_since_epoch().count());
  deliver_session();
}

void LeaseCache::deliver_session() {
  const std::lock_guard lock(mutex_);
  if (session_key_ != 0) parking_.deliver(std::exchange(session_key_, 0));
}

}  // namespace conclave::client
