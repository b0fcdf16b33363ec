#include "fuse/page_invalidator.h"

#include <algorithm>
#include <utility>

namespace conclave::fuse_fs {
namespace {

// What a free page takes at most once a worker is at it: longer, and a request holds it.
constexpr Duration kSoon = std::chrono::milliseconds(5);
// All workers that may be are at held pages; this one is too, then.
constexpr Duration kNotEvenBegun = std::chrono::seconds(1);
// A READ that began after the invalidation may hold a page that was free: it is set apart then.
constexpr Duration kLookAgain = std::chrono::milliseconds(20);

}  // namespace

PageInvalidator::Waiting PageInvalidator::waits(InodeId inode, std::uint64_t offset, std::uint64_t length,
                                                bool all_pages) {
  std::vector<std::uint64_t> pages;
  if (length != 0) {
    const std::uint64_t first = offset / kPage;
    const std::uint64_t last = (offset + length - 1) / kPage;
    for (std::uint64_t page = first; all_pages && page <= last; ++page) pages.push_back(page);
    const bool cuts_first = offset % kPage != 0 || length < kPage;
    const bool cuts_last = (offset + length) % kPage != 0;
    if (!all_pages && cuts_first) pages.push_back(first);
    if (!all_pages && cuts_last && last != first) pages.push_back(last);
  }
  {
    const std::lock_guard lock(mutex_);
    Pages& known = pages_[inode];
    for (const std::uint64_t page : pages) ++known.held[page];
    for (const auto& task : known.tasks) task->overtaken = true;
  }
  waiter_.wake(this);
  Waiting waiting;
  waiting.held_ = std::shared_ptr<void>(this, [inode, pages](void* self) {
    static_cast<PageInvalidator*>(self)->end_wait(inode, pages);
  });
  return waiting;
}

void PageInvalidator::end_wait(InodeId inode, const std::vector<std::uint64_t>& pages) {
  const std::lock_guard lock(mutex_);
  const auto found = pages_.find(inode);
  if (found == pages_.end()) return;  // it held none, and the others have ended
  for (const std::uint64_t page : pages) {
    const auto held = found->second.held.find(page);
    if (--held->second == 0) found->second.held.erase(held);
  }
  if (found->second.held.empty() && found->second.tasks.empty()) pages_.erase(found);
}

PageInvalidator::UnderWay PageInvalidator::under_way(InodeId inode, std::uint64_t offset, std::uint64_t length) {
  const std::lock_guard lock(mutex_);
  return {*this, reads_.insert(reads_.end(), Read{inode, offset / kPage, (offset + length + kPage - 1) / kPage, ++newest_read_})};
}

void PageInvalidator::end_read(Reads::iterator read) {
  const std::lock_guard lock(mutex_);
  reads_.erase(read);
}

bool PageInvalidator::newer_read(InodeId inode, const Task& task) const {
  return std::ranges::any_of(reads_, [&](const Read& read) { return read.inode == inode && read.number > task.newest_read; });
}

std::map<std::uint64_t, std::uint64_t> PageInvalidator::apart(InodeId inode) {
  std::map<std::uint64_t, std::uint64_t> all, runs;
  for (const auto& [page, requests] : pages_[inode].held) all[page] = page + 1;
  for (const Read& read : reads_) {
    if (read.inode != inode || read.first == read.end) continue;
    std::uint64_t& end = all[read.first];
    end = std::max(end, read.end);
  }
  for (const auto& [first, end] : all) {
    if (!runs.empty() && first <= runs.rbegin()->second) {
      runs.rbegin()->second = std::max(runs.rbegin()->second, end);
    } else {
      runs.emplace(first, end);
    }
  }
  return runs;
}

// Cuts the file where runs of held pages begin and end.
std::shared_ptr<PageInvalidator::Task> PageInvalidator::start(InodeId inode) {
  auto task = std::make_shared<Task>();
  const auto add = [&](std::uint64_t first, std::uint64_t count, bool held) REQUIRES(mutex_) {
    (held ? held_parts_ : free_parts_).push_back({task, inode, first, count, held, {}});
    ++(held ? task->held_left : task->free_left);
    if (held) ++task->held_to_begin;
  };
  {
    const std::lock_guard lock(mutex_);
    task->newest_read = newest_read_;
    std::uint64_t next = 0;
    for (const auto& [first, end] : apart(inode)) {
      if (first > next) add(next, first - next, false);
      add(first, end - first, true);
      next = end;
    }
    add(next, 0, false);
    pages_[inode].tasks.push_back(task);
  }
  waiter_.wake(&workers_);
  return task;
}

void PageInvalidator::invalidate(InodeId inode) {
  while (!invalidate_once(inode, start(inode))) {
  }
}

// False: a request began to wait that may hold a page of ours. Again, with its pages apart; what is under way goes on.
bool PageInvalidator::invalidate_once(InodeId inode, const std::shared_ptr<Task>& task) {
  MonoTime patience = kNever;
  MonoTime look = clock_.now() + kLookAgain;
  for (;;) {
    const auto seen = waiter_.observe(this);
    {
      const std::lock_guard lock(mutex_);
      const MonoTime now = clock_.now();
      if (task->free_left == 0) patience = std::min(patience, now + (task->held_to_begin == 0 ? kSoon : kNotEvenBegun));
      const bool done = task->free_left == 0 && (task->held_left == 0 || now >= patience);
      if (now >= look) task->overtaken |= task->free_left != 0 && newer_read(inode, *task);
      if (now >= look) look = task->free_left == 0 ? kNever : now + kLookAgain;
      if (done || task->overtaken || stopping_) {
        const auto found = pages_.find(inode);
        std::erase(found->second.tasks, task);
        if (found->second.held.empty() && found->second.tasks.empty()) pages_.erase(found);
        return done || stopping_;
      }
    }
    waiter_.wait(this, seen, std::min(patience, look));
  }
}

// It may wait for a page as a held part does, and is counted as one.
void PageInvalidator::apart(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    Part& part = held_parts_.emplace_back();
    part.held = true;
    part.other = std::move(task);
  }
  waiter_.wake(&workers_);
}

// Free pages first, and never all workers at held ones.
std::optional<PageInvalidator::Part> PageInvalidator::next_part() {
  const bool held = free_parts_.empty();
  std::deque<Part>& from = held ? held_parts_ : free_parts_;
  if (from.empty() || (held && at_held_ >= std::max(1u, workers_ / 4 * 3))) return std::nullopt;
  std::optional<Part> part = std::move(from.front());
  from.pop_front();
  if (held && part->task) --part->task->held_to_begin;
  at_held_ += held;
  return part;
}

void PageInvalidator::carry_out(const Part& part) {
  if (part.other) return part.other();
  notify_(part.inode, part.first * kPage, part.count == 0 ? kToTheEnd : part.count * kPage);
}

void PageInvalidator::run() {
  {
    const std::lock_guard lock(mutex_);
    ++workers_;
  }
  for (;;) {
    const auto seen = waiter_.observe(&workers_);
    std::optional<Part> part;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      part = next_part();
    }
    if (!part) {
      waiter_.wait(&workers_, seen, kNever);
      continue;
    }
    if (part->held) waiter_.wake(this);
    carry_out(*part);
    {
      const std::lock_guard lock(mutex_);
      if (part->task) --(part->held ? part->task->held_left : part->task->free_left);
      at_held_ -= part->held;
    }
    waiter_.wake(this);
  }
}

void PageInvalidator::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  waiter_.wake(this);
  waiter_.wake(&workers_);
}

}  // namespace conclave::fuse_fs
