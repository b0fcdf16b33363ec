// LeaseCache: its workers, and what they have to do.
#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "client/session/lease_cache.h"
#include "client/session/lease_entry.h"

namespace conclave::client {
namespace {

constexpr Duration kAgainAfter = 200ms;   // L was away

}  // namespace

void LeaseCache::add_job(const Job& job) {
  {
    const std::lock_guard lock(mutex_);
    (job.kind == JobKind::kRelease ? releases_ : jobs_).push_back(job);
  }
  waiter_.wake(this);
}

void LeaseCache::add_job_later(const Job& job, Duration delay) {
  {
    const std::lock_guard lock(mutex_);
    later_.emplace(clock_.now() + delay, job)->second.again = true;
  }
  waiter_.wake(this);
}

// Returns when the next of the others is due. One worker at a time drains again, and one asks L again: a server that is
// away takes a call's patience to say so.
MonoTime LeaseCache::take_due_jobs() {
  const MonoTime now = clock_.now();
  auto at = later_.begin();
  while (at != later_.end() && at->first <= now) {
    if (std::exchange(at_work_again(at->second.kind), true)) {
      ++at;
    } else {
      jobs_.push_back(at->second);
      at = later_.erase(at);
    }
  }
  return at == later_.end() ? kNever : at->first;
}

// One job, or many releases, which share a call; none after stop().
std::vector<LeaseCache::Job> LeaseCache::next_jobs() {
  for (;;) {
    const auto seen = waiter_.observe(this);
    MonoTime until = kNever;
    {
      const std::lock_guard lock(mutex_);
      if (stopped_.load()) return {};
      until = take_due_jobs();
      std::deque<Job>& from = jobs_.empty() ? releases_ : jobs_;
      const auto count = static_cast<std::ptrdiff_t>(std::min(from.size(), jobs_.empty() ? kMaxLeasesPerCall : 1));
      std::vector<Job> out(from.begin(), from.begin() + count);
      from.erase(from.begin(), from.begin() + count);
      if (!out.empty()) ++working_;
      if (!out.empty()) return out;
    }
    waiter_.wait(this, seen, until);
  }
}

void LeaseCache::run_recalls() {
  for (auto jobs = next_jobs(); !jobs.empty(); jobs = next_jobs()) {
    if (jobs.front().kind == JobKind::kRelease) {
      std::vector<InodeId> inodes;
      for (const Job& job : jobs) inodes.push_back(job.inode);
      release(inodes);
    } else {
      carry_out(jobs.front());
    }
    {
      const std::lock_guard lock(mutex_);
      --working_;
      if (jobs.front().again) at_work_again(jobs.front().kind) = false;
    }
    waiter_.wake(&working_);
  }
}

void LeaseCache::wait_for_workers(MonoTime deadline) {
  while (clock_.now() < deadline) {
    const auto seen = waiter_.observe(&working_);
    {
      const std::lock_guard lock(mutex_);
      if (working_ == 0 && jobs_.empty() && later_.empty() && releases_.empty()) return;
    }
    waiter_.wait(&working_, seen, deadline);
  }
}

void LeaseCache::stop() {
  ending_.store(true);
  stopped_.store(true);
  waiter_.wake(this);
  waiter_.wake(&endings_);
}

void LeaseCache::add_endings(const std::vector<InodeId>& inodes) {
  {
    const std::lock_guard lock(mutex_);
    for (const InodeId inode : inodes) endings_.emplace(clock_.now(), Ending{inode});
  }
  waiter_.wake(&endings_);
}

// Nothing after stop().
std::optional<LeaseCache::Ending> LeaseCache::next_ending() {
  for (;;) {
    const auto seen = waiter_.observe(&endings_);
    MonoTime until = kNever;
    {
      const std::lock_guard lock(mutex_);
      if (stopped_.load()) return std::nullopt;
      if (!endings_.empty()) until = endings_.begin()->first;
      if (until <= clock_.now()) return std::optional(endings_.extract(endings_.begin()).mapped());
    }
    waiter_.wait(&endings_, seen, until);
  }
}

void LeaseCache::run_endings() {
  while (const auto ending = next_ending()) carry_out(*ending);
}

void LeaseCache::carry_out(const Job& job) {
  if (job.kind == JobKind::kRecall) {
    carry_out_recall(job.inode);
  } else if (job.kind == JobKind::kDrain) {
    drain_and_return(job);
  } else if (job.kind == JobKind::kReturn) {
    return_drained(job);
  } else if (job.kind == JobKind::kInvalidate) {
    hooks_.invalidate(job.inode);
  } else {
    say_not_held(job);
  }
}

void LeaseCache::say_not_held(const Job& job) {
  const bool asked = job.again || !unanswered_.load();
  if (!asked || !give_back({{job.inode, job.seq, LeaseMode::kNone, hooks_.is_open(job.inode)}})) {
    return add_job_later(job, kAgainAfter);
  }
  Shard& shard = shard_of(job.inode);
  const std::lock_guard lock(shard.mutex);
  LeaseEntry* const entry = shard.find(job.inode);
  if (entry == nullptr) return;
  entry->asked = 0;  // whoever waited for that grant asks again
  deliver(*entry);
  erase_if_idle(shard, job.inode);
}

}  // namespace conclave::client
