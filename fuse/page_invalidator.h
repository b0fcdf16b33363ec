// Empties the kernel's page cache of an inode although the kernel holds some of its pages for requests that wait here,
// perhaps for the very lease that the invalidation makes way for (docs/walks.md, "A recall"). An
// invalidation waits for every page that is locked or under writeback, and until it is answered (fs/fuse/file.c)
//   - a READ keeps its pages locked;
//   - a WRITE keeps the pages locked that it covers only in part and that were not cached before;
//   - a WRITE that brings pages of a shared mapping keeps them under writeback.
//
// So the pages of waiting requests, and of READs that are at a server, are invalidated apart, by a thread nobody waits for
// long: a page that is not free soon is held, nothing is read from it before its request is answered, and then that thread
// goes on. However many pages are held, some threads are free for the others.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/ids.h"
#include "base/waiter.h"

namespace conclave::fuse_fs {

// Thread-safe.
class PageInvalidator {
 public:
  static constexpr std::uint64_t kPage = 4096;
  static constexpr std::uint64_t kToTheEnd = 0;   // a length
  // Tells the kernel; blocks while it waits for a page. (inode, offset, length)
  using Notify = std::function<void(InodeId, std::uint64_t, std::uint64_t)>;

  PageInvalidator(Notify notify, Clock& clock, Waiter& waiter)
      : notify_(std::move(notify)), clock_(clock), waiter_(waiter) {}

  // A request that has to wait, from before it is parked until after it is answered. Copies are the same request.
  class Waiting {
   public:
    Waiting() = default;

   private:
    friend class PageInvalidator;
    std::shared_ptr<void> held_;
  };
  // `all_pages`: a READ, or a WRITE of a shared mapping; else only the pages it covers in part may be held.
  [[nodiscard]] Waiting waits(InodeId inode, std::uint64_t offset, std::uint64_t length, bool all_pages);

  // A READ from before the file system is asked until it was answered, or begins to wait.
  class UnderWay;
  [[nodiscard]] UnderWay under_way(InodeId inode, std::uint64_t offset, std::uint64_t length);

  // Once it returned, the kernel gives nobody bytes of the inode that it had before the call. Blocks for WRITEs under
  // way: they must be answered, or begin to wait; for READs a moment. Needs threads in run().
  void invalidate(InodeId inode);

  // Runs `task` on a worker: it may wait for a page that a waiting request holds, and nobody waits for it.
  void apart(std::function<void()> task);

  // A worker; a page that a waiting request holds keeps one busy, so there are many. Until stop().
  void run();
  void stop();

 private:
  struct Read {
    InodeId inode{};
    std::uint64_t first = 0, end = 0;   // pages
    std::uint64_t number = 0;
  };
  using Reads = std::list<Read>;
  struct Task {
    std::uint64_t newest_read = 0;   // those up to it are apart
    std::size_t free_left = 0;       // parts without a held page that are not done
    std::size_t held_left = 0;       // parts with one
    std::size_t held_to_begin = 0;   // of them, no worker is at it yet
    bool overtaken = false;          // a request began to wait since
  };
  struct Part {
    std::shared_ptr<Task> task;
    InodeId inode{};
    std::uint64_t first = 0;         // pages
    std::uint64_t count = 0;         // 0: to the end
    bool held = false;
    std::function<void()> other;     // instead: see apart()
  };
  struct Pages {
    std::map<std::uint64_t, unsigned> held;   // by waiting requests: page, how many of them
    std::vector<std::shared_ptr<Task>> tasks;
  };

  std::shared_ptr<Task> start(InodeId inode);
  std::map<std::uint64_t, std::uint64_t> apart(InodeId inode) REQUIRES(mutex_);   // runs of pages: first, end
  bool newer_read(InodeId inode, const Task& task) const REQUIRES(mutex_);
  std::optional<Part> next_part() REQUIRES(mutex_);
  void carry_out(const Part& part);
  void end_read(Reads::iterator read);
  bool invalidate_once(InodeId inode, const std::shared_ptr<Task>& task);
  void end_wait(InodeId inode, const std::vector<std::uint64_t>& pages);

  const Notify notify_;
  Clock& clock_;
  Waiter& waiter_;
  std::mutex mutex_;
  std::map<InodeId, Pages> pages_ GUARDED_BY(mutex_);
  Reads reads_ GUARDED_BY(mutex_);
  std::uint64_t newest_read_ GUARDED_BY(mutex_) = 0;
  std::deque<Part> free_parts_ GUARDED_BY(mutex_), held_parts_ GUARDED_BY(mutex_);
  unsigned workers_ GUARDED_BY(mutex_) = 0;
  unsigned at_held_ GUARDED_BY(mutex_) = 0;   // of them
  bool stopping_ GUARDED_BY(mutex_) = false;
};

class PageInvalidator::UnderWay {
 public:
  UnderWay(PageInvalidator& owner, Reads::iterator read) : owner_(owner), read_(read) {}
  UnderWay(const UnderWay&) = delete;
  ~UnderWay() { owner_.end_read(read_); }

 private:
  PageInvalidator& owner_;
  const Reads::iterator read_;
};

}  // namespace conclave::fuse_fs
