#include "fuse/page_invalidator.h"

#include <algorithm>
#include <utility>

namespace conclave::fuse_fs {
namespace {

// What a free page takes at most once a worker is at it: longer, and a request holds it.
constexpr Duration kSoon = std::chrono::milliseconds(5);
// All workers may be at held pages; this one is too, then.
constexpr Duration kNotEvenBegun = std::chrono::seconds(1);

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

// Cuts the file where runs of held pages begin and end.
std::shared_ptr<PageInvalidator::Task> PageInvalidator::start(InodeId inode) {
  auto task = std::make_shared<Task>();
  const auto add = [&](std::uint64_t first, std::uint64_t count, bool held) REQUIRES(mutex_) {
    parts_.push_back({task, inode, first, count, held, {}});
    ++(held ? task->held_left : task->free_left);
    if (held) ++task->held_to_begin;
  };
  {
    const std::lock_guard lock(mutex_);
    Pages& pages = pages_[inode];
    std::uint64_t next = 0;
    for (auto at = pages.held.begin(); at != pages.held.end();) {
      const std::uint64_t first = at->first;
      std::uint64_t end = first;
      for (; at != pages.held.end() && at->first == end; ++at) ++end;
      if (first > next) add(next, first - next, false);
      add(first, end - first, true);
      next = end;
    }
    add(next, 0, false);
    pages.tasks.push_back(task);
  }
  waiter_.wake(&parts_);
  return task;
}

void PageInvalidator::invalidate(InodeId inode) {
  while (!invalidate_once(inode, start(inode))) {
  }
}

// False: a request began to wait that may hold a page of ours. Again, with its pages apart; what is under way goes on.
bool PageInvalidator::invalidate_once(InodeId inode, const std::shared_ptr<Task>& task) {
  MonoTime patience = kNever;
  for (;;) {
    const auto seen = waiter_.observe(this);
    {
      const std::lock_guard lock(mutex_);
      const MonoTime now = clock_.now();
      if (task->free_left == 0) patience = std::min(patience, now + (task->held_to_begin == 0 ? kSoon : kNotEvenBegun));
      const bool done = task->free_left == 0 && (task->held_left == 0 || now >= patience);
      if (done || task->overtaken || stopping_) {
        const auto found = pages_.find(inode);
        std::erase(found->second.tasks, task);
        if (found->second.held.empty() && found->second.tasks.empty()) pages_.erase(found);
        return done || stopping_;
      }
    }
    waiter_.wait(this, seen, patience);
  }
}

void PageInvalidator::apart(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    parts_.emplace_back().other = std::move(task);
  }
  waiter_.wake(&parts_);
}

void PageInvalidator::run() {
  for (;;) {
    const auto seen = waiter_.observe(&parts_);
    Part part;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      if (!parts_.empty()) {
        part = std::move(parts_.front());
        parts_.pop_front();
        if (part.held) --part.task->held_to_begin;
      }
    }
    if (part.other) {
      part.other();
      continue;
    }
    if (!part.task) {
      waiter_.wait(&parts_, seen, kNever);
      continue;
    }
    if (part.held) waiter_.wake(this);
    notify_(part.inode, part.first * kPage, part.count == 0 ? kToTheEnd : part.count * kPage);
    {
      const std::lock_guard lock(mutex_);
      --(part.held ? part.task->held_left : part.task->free_left);
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
  waiter_.wake(&parts_);
}

}  // namespace conclave::fuse_fs
