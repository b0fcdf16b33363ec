// Group commit by leader and followers: whoever comes while nobody commits is the leader and commits for all that
// wait; the others wait for their answer. A lone caller pays no hand-off, and there is no thread of its own.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/guarded.h"
#include "base/waiter.h"

namespace conclave::dir {

class CommitQueue {
 public:
  // What waits in the queue: the base of its owner's own type.
  class Item {
    friend class CommitQueue;
    bool done_ = false;          // guarded by the queue's mutex, as is
    bool leads_ = false;
  };
  // Commits up to kMaxGroup items, in order. Called without a lock, by one thread at a time.
  using Group = std::vector<std::shared_ptr<Item>>;
  using CommitGroup = std::function<void(const Group&)>;

  CommitQueue(Waiter& waiter, CommitGroup commit) : waiter_(waiter), commit_(std::move(commit)) {}

  // Returns when `item` was part of a group that was committed. Any thread; blocks.
  void run(const std::shared_ptr<Item>& item);

 private:
  bool join(const std::shared_ptr<Item>& item);  // true: lead
  bool wait_for(const Item& item);               // true: lead
  Group take_group();
  void finish(const Group& group);

  Waiter& waiter_;
  const CommitGroup commit_;
  std::mutex mutex_;
  std::deque<std::shared_ptr<Item>> waiting_ GUARDED_BY(mutex_);
  bool led_ GUARDED_BY(mutex_) = false;                           // somebody commits
};

}  // namespace conclave::dir
