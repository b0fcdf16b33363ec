// LeaseCache: how leases go back. One job at a time looks at an entry (`queued`); the entry stays while it does.
#include <algorithm>

#include "base/limits.h"
#include "client/session/lease_cache.h"
#include "client/session/lease_entry.h"
#include "lockserver/lock_client.h"

namespace conclave::client {
namespace {

constexpr Duration kAgainAfter = 200ms;   // a server that a recall needs was away
constexpr Duration kUseEndsSoon = 20ms;
constexpr Duration kReturnTimeout = 2s;   // of a worker's time, when L is away; then it is asked again by one

bool is_passing(Errc code) { return code == Errc::kUnavailable || code == Errc::kUnknown || code == Errc::kOverloaded; }

}  // namespace

// --- Recalls.

void LeaseCache::on_recall(InodeId inode, std::uint64_t seq, LeaseMode keep) {
  Shard& shard = shard_of(inode);
  const std::lock_guard lock(shard.mutex);
  LeaseEntry* const entry = shard.find(inode);
  if (entry != nullptr && entry->lease && entry->lease->seq == seq) return start_recall(*entry, keep);
  if (entry != nullptr && entry->calls != 0 && seq > entry->last_seq) {
    entry->early_seq = seq;  // overtook the answer that brings the grant
    entry->early_keep = keep;
    return;
  }
  // Not held here: granted to a question whose answer was lost. A grant with this number that comes later is void.
  std::uint64_t& void_up_to = entry != nullptr ? entry->last_seq : shard.erased_seq;
  void_up_to = std::max(void_up_to, seq);
  add_job({JobKind::kNotHeld, inode, seq});
}

void LeaseCache::start_recall(LeaseEntry& entry, LeaseMode keep) {
  const bool known = entry.recalled();
  if (!known || keep == LeaseMode::kNone) entry.keep = keep;
  entry.recall_seq = entry.lease->seq;
  entry.demanded = true;  // a release that waits goes through
  if (std::exchange(entry.queued, true)) return;
  add_job({JobKind::kRecall, entry.inode});
}

void LeaseCache::carry_out_recall(InodeId inode) {
  Shard& shard = shard_of(inode);
  UniqueLock lock(shard.mutex);
  LeaseEntry& entry = *shard.find(inode);
  // An operation that waited for this lease comes first, or two mounts would pass it to and fro and get nothing done.
  await(entry, lock, entry.owed_until, [&] { return entry.owed_until == MonoTime{}; });
  const std::uint64_t seq = entry.recall_seq;
  const LeaseMode keep = entry.keep;
  if (close(entry, seq, keep, lock)) {
    lock.unlock();
    return drain_and_return({JobKind::kDrain, inode, seq, keep});
  }
  finish_recall(entry, seq, std::nullopt);
  erase_if_idle(shard, inode);
}

// Of a closed entry. While a server that it needs is away it stays closed, and a worker is free for other recalls.
void LeaseCache::drain_and_return(const Job& job) {
  const InodeId inode = job.inode;
  Shard& shard = shard_of(inode);
  UniqueLock lock(shard.mutex);
  LeaseEntry& entry = *shard.find(inode);
  const auto is_held = [&] { return entry.lease && entry.lease->seq == job.seq; };
  if (is_held()) {
    lock.unlock();
    const Status drained = hooks_.drain(inode, job.keep);
    lock.lock();
    if (!drained && is_held()) return add_job_later(job, kAgainAfter);
  }
  ++entry.calls;  // the answer brings a grant, and its recall may overtake it
  entry.returning = is_held();
  lock.unlock();
  return_drained({JobKind::kReturn, inode, job.seq, job.keep});
}

// The last step, of a closed entry that counts the call. While L is away it stays closed, and no worker waits for it.
void LeaseCache::return_drained(const Job& job) {
  std::optional<Kept> answer;
  if (job.again || !unanswered_.load()) answer = give_back({{job.inode, job.seq, job.keep, hooks_.is_open(job.inode)}});
  if (!answer) return add_job_later(job, kAgainAfter);
  std::optional<HeldLease> kept;
  if (!answer->empty() && answer->front().first == job.inode) kept = std::move(answer->front().second);
  if (job.keep != LeaseMode::kNone && !kept) add_job({JobKind::kInvalidate, job.inode});
  Shard& shard = shard_of(job.inode);
  const std::lock_guard lock(shard.mutex);
  LeaseEntry& entry = *shard.find(job.inode);
  recalls_.fetch_add(1);
  finish_recall(entry, job.seq, std::move(kept));
  call_ended(entry);
  erase_if_idle(shard, job.inode);
}

// Waits with the shard unlocked until `done`, or the deadline.
template <class Done>
void LeaseCache::await(LeaseEntry& entry, Lock& lock, MonoTime deadline, Done done) {
  while (!done() && clock_.now() < deadline) {
    const auto seen = waiter_.observe(&entry);
    lock.unlock();
    waiter_.wait(&entry, seen, deadline);
    lock.lock();
  }
}

// Steps 1 to 3: from here on operations are parked, none is under way, and the kernel caches nothing that `keep` does
// not allow. False: the lease is not held any more, and nothing is closed.
bool LeaseCache::close(LeaseEntry& entry, std::uint64_t seq, LeaseMode keep, Lock& lock) {
  const auto gone = [&] { return !entry.lease || entry.lease->seq != seq; };
  const auto wait_for_uses = [&](bool phase) {
    await(entry, lock, kNever, [&] { return gone() || entry.uses[phase ? 1 : 0] == 0; });
  };
  if (keep == LeaseMode::kNone) {
    // Answers from before the recall may still be cached by the kernel when they arrive there; later ones may not.
    wait_for_uses(!entry.phase);
    entry.phase = !entry.phase;
    wait_for_uses(!entry.phase);
  }
  while (!gone()) {
    const std::uint64_t reads = entry.reads_answered;
    if (keep == LeaseMode::kNone) {
      lock.unlock();
      hooks_.invalidate(entry.inode);  // admitting: it may bring WRITEs, and wait for READs
      lock.lock();
      if (gone()) return false;
      if (reads != entry.reads_answered) continue;
    }
    entry.closed = true;
    wait_for_uses(false);
    wait_for_uses(true);
    if (!gone() && (reads == entry.reads_answered || keep != LeaseMode::kNone)) return true;
    entry.closed = false;  // a READ that was under way filled the page cache again
    deliver(entry);
  }
  return false;
}

void LeaseCache::finish_recall(LeaseEntry& entry, std::uint64_t seq, std::optional<HeldLease> kept) {
  if (entry.lease && entry.lease->seq == seq && entry.closed) {
    if (kept) {
      kept->since = entry.lease->since;
      entry.last_seq = std::max(entry.last_seq, kept->seq);
      entry.lease = std::make_shared<const HeldLease>(std::move(*kept));
    } else {
      entry.lease.reset();
      held_.fetch_sub(1);
    }
  }
  entry.closed = false;
  entry.returning = false;
  if (entry.recall_seq == seq) entry.recall_seq = 0;
  deliver(entry);
  if (entry.recalled()) {
    add_job({JobKind::kRecall, entry.inode});
  } else {
    entry.queued = false;
  }
}

// What L lets us keep, in no order; without a session, or with one that L knows no more, nothing. No answer: ask again.
std::optional<LeaseCache::Kept> LeaseCache::give_back(const std::vector<GiveBack>& returns) {
  lock::v1::ReturnRequest request;
  request.set_session(session_.load());
  for (const GiveBack& one : returns) {
    auto& out = *request.add_returns();
    out.set_inode(raw(one.inode));
    out.set_seq(one.seq);
    out.set_keep(lock::mode_of(one.keep));
    out.set_open(one.open);
  }
  Kept kept;
  if (request.session() == 0) return kept;
  const auto answer = client_.give_back(request, kReturnTimeout);
  const bool unanswered = !answer && is_passing(answer.error().code) && request.session() == session_.load();
  unanswered_.store(unanswered);
  if (unanswered) return std::nullopt;
  if (!answer) return kept;
  for (const auto& grant : answer->kept()) {
    kept.emplace_back(InodeId{grant.inode()},
                      HeldLease{lock::mode_of(grant.mode()), grant.seq(), grant.seq(), grant.token()});
  }
  for (const GiveBack& one : returns) {
    if (one.open) hooks_.told_open(one.inode);
  }
  return kept;
}

// --- Releases: what nobody here needs any more, many in one call.

void LeaseCache::release_soon(InodeId inode) {
  Shard& shard = shard_of(inode);
  const std::lock_guard lock(shard.mutex);
  LeaseEntry* const entry = shard.find(inode);
  if (entry != nullptr && entry->releasable()) start_release(*entry);
}

void LeaseCache::start_release(LeaseEntry& entry) {
  entry.queued = true;
  entry.wanted_here = false;
  entry.demanded = false;
  entry.recall_seq = entry.lease->seq;
  entry.keep = LeaseMode::kNone;
  add_job({JobKind::kRelease, entry.inode});
}

// As a recall, though nobody waits: the kernel may have looked the inode up again since it forgot it. What cannot be
// drained now is no reason to keep the others.
void LeaseCache::release(const std::vector<InodeId>& inodes) {
  std::vector<GiveBack> returns;
  for (const InodeId inode : inodes) {
    Shard& shard = shard_of(inode);
    UniqueLock lock(shard.mutex);
    LeaseEntry& entry = *shard.find(inode);
    const std::uint64_t seq = entry.recall_seq;
    const bool stays = entry.wanted_here && !entry.demanded;
    if (!stays && close(entry, seq, LeaseMode::kNone, lock)) {
      lock.unlock();
      if (hooks_.drain(inode, LeaseMode::kNone)) {
        lock.lock();
        entry.returning = entry.lease && entry.lease->seq == seq;   // it may have been reclaimed as another
        lock.unlock();
        returns.push_back({inode, seq, LeaseMode::kNone, hooks_.is_open(inode)});
      } else {
        add_job_later({JobKind::kDrain, inode, seq}, kAgainAfter);
      }
    } else {
      finish_recall(entry, seq, std::nullopt);  // it stays, or is gone already
      erase_if_idle(shard, inode);
    }
  }
  if (returns.empty()) return;
  const bool answered = !unanswered_.load() && give_back(returns);
  for (const GiveBack& one : returns) {
    if (answered) finish_return(one);
    if (!answered) return_later(one);
  }
}

void LeaseCache::finish_return(const GiveBack& one) {
  Shard& shard = shard_of(one.inode);
  const std::lock_guard lock(shard.mutex);
  finish_recall(*shard.find(one.inode), one.seq, std::nullopt);
  erase_if_idle(shard, one.inode);
}

void LeaseCache::return_later(const GiveBack& one) {
  {
    Shard& shard = shard_of(one.inode);
    const std::lock_guard lock(shard.mutex);
    ++shard.find(one.inode)->calls;
  }
  add_job_later({JobKind::kReturn, one.inode, one.seq}, kAgainAfter);
}

// --- The end of a session, or of the mount.

// READs that were let in before would fill the caches again after they were emptied, and nobody would empty them when L
// gives the lease away.
void LeaseCache::on_suspect() {
  ends_ns_.store(0);
  std::vector<InodeId> inodes;
  for (std::size_t i = 0; i < kShards; ++i) {
    const std::lock_guard lock(shards_[i].mutex);
    for (const auto& [inode, entry] : shards_[i].entries) {
      if (entry.lease) inodes.push_back(inode);
    }
  }
  // Names and attributes have their time with the kernel; pages are there for whoever has the file open.
  std::ranges::partition(inodes, [this](InodeId inode) { return hooks_.is_open(inode); });
  add_endings(inodes);
}

// At once, and again when the uses have ended whose answers may still be on their way to the kernel.
void LeaseCache::carry_out(const Ending& ending) {
  Shard& shard = shard_of(ending.inode);
  UniqueLock lock(shard.mutex);
  LeaseEntry* entry = shard.find(ending.inode);
  if (entry == nullptr) return;  // it went back meanwhile
  const bool ended = entry->ended;
  if (!ended && usable()) return;  // renewed: what is cached is true
  const bool used = entry->all_uses() != 0;
  lock.unlock();
  if (!ending.again || !used) hooks_.invalidate(ending.inode);
  if (used) {
    const std::lock_guard guard(mutex_);
    endings_.emplace(clock_.now() + kUseEndsSoon, Ending{ending.inode, true});
  } else if (ended) {
    lock.lock();
    entry = shard.find(ending.inode);
    if (entry == nullptr) return;
    entry->ended = false;
    deliver(*entry);
    erase_if_idle(shard, ending.inode);
  }
}

std::uint64_t LeaseCache::page_era(InodeId inode) {
  Shard& shard = shard_of(inode);
  const std::lock_guard lock(shard.mutex);
  const LeaseEntry* const entry = shard.find(inode);
  return entry != nullptr && entry->ended ? 0 : losses_.load() + 1;
}

void LeaseCache::drop_all() {
  ++era_;
  ends_ns_.store(0);
  session_.store(0);
  std::vector<InodeId> endings;
  for (std::size_t i = 0; i < kShards; ++i) {
    Shard& shard = shards_[i];
    std::vector<const LeaseEntry*> awaited;
    {
      const std::lock_guard lock(shard.mutex);
      std::vector<InodeId> inodes;
      for (auto& [inode, entry] : shard.entries) {
        inodes.push_back(inode);
        entry.asked = 0;
        entry.early_seq = 0;
        deliver(entry);
        if (entry.queued) awaited.push_back(&entry);
        if (!entry.lease) continue;
        entry.lease.reset();
        entry.ended = true;
        held_.fetch_sub(1);
        endings.push_back(inode);
      }
      for (const InodeId inode : inodes) erase_if_idle(shard, inode);
    }
    for (const LeaseEntry* entry : awaited) waiter_.wake(entry);
  }
  ++losses_;   // now that each inode's pages are known to be of the session before
  add_endings(endings);
}

// What L does not hear now it learns from the session's end.
Status LeaseCache::give_back_for_good(const std::vector<GiveBack>& returns) {
  const bool answered = returns.empty() || give_back(returns);
  for (const GiveBack& one : returns) finish_return(one);
  return answered ? Status() : Error(Errc::kUnavailable, "the lock server does not answer");
}

// False: it is not held. Parks what arrives and waits for the uses, which end soon: nothing is granted any more.
bool LeaseCache::begin_return(LeaseEntry& entry, Lock& lock) {
  if (!entry.lease || entry.queued) return false;
  entry.queued = true;
  entry.closed = true;
  entry.recall_seq = entry.lease->seq;
  entry.keep = LeaseMode::kNone;
  await(entry, lock, clock_.now() + kCallDeadline, [&] { return entry.all_uses() == 0; });
  return true;
}

Status LeaseCache::return_all() {
  ending_.store(true);
  wait_for_workers(clock_.now() + kCallDeadline);
  std::vector<InodeId> inodes;
  for (std::size_t i = 0; i < kShards; ++i) {
    const std::lock_guard lock(shards_[i].mutex);
    for (const auto& [inode, entry] : shards_[i].entries) inodes.push_back(inode);
  }
  Status first;
  std::vector<GiveBack> returns;
  for (const InodeId inode : inodes) {
    Shard& shard = shard_of(inode);
    UniqueLock lock(shard.mutex);
    LeaseEntry* const entry = shard.find(inode);
    if (entry == nullptr || !begin_return(*entry, lock)) continue;
    const std::uint64_t seq = entry->recall_seq;
    lock.unlock();
    Status drained = hooks_.drain(inode, LeaseMode::kNone);
    if (!drained && first) first = std::move(drained);
    lock.lock();
    entry->returning = entry->lease && entry->lease->seq == seq;
    lock.unlock();
    returns.push_back({inode, seq, LeaseMode::kNone, false});
    if (returns.size() < kMaxLeasesPerCall) continue;
    const Status told = give_back_for_good(std::exchange(returns, {}));
    if (first) first = told;
  }
  const Status told = give_back_for_good(returns);
  return first ? told : first;
}

}  // namespace conclave::client
