#include "dirserver/commit_queue.h"

#include <algorithm>

#include "base/limits.h"

namespace conclave::dir {

void CommitQueue::run(Item& item) {
  if (!join(item) && !wait_for(item)) return;
  const auto group = take_group();  // with `item` at its head
  commit_(group);
  finish(group);
}

bool CommitQueue::join(Item& item) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(&item);
  if (led_) return false;
  led_ = true;
  return true;
}

bool CommitQueue::wait_for(Item& item) {
  while (true) {
    const auto seen = waiter_.observe(&item);
    {
      const std::lock_guard lock(mutex_);
      if (item.done_) return false;
      if (item.leads_) return true;
    }
    waiter_.wait(&item, seen, kNever);
  }
}

std::vector<CommitQueue::Item*> CommitQueue::take_group() {
  const std::lock_guard lock(mutex_);
  const auto count = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kMaxGroup));
  std::vector<Item*> group(waiting_.begin(), waiting_.begin() + count);
  waiting_.erase(waiting_.begin(), waiting_.begin() + count);
  return group;
}

// Items are gone as soon as their owners see `done`: from then on they are addresses only.
void CommitQueue::finish(const std::vector<Item*>& group) {
  Item* next = nullptr;
  {
    const std::lock_guard lock(mutex_);
    for (Item* item : group) item->done_ = true;
    led_ = !waiting_.empty();
    if (led_) next = waiting_.front();
    if (led_) next->leads_ = true;
  }
  if (next != nullptr) waiter_.wake(next);
  for (Item* item : group) {
    if (item != group.front()) waiter_.wake(item);
  }
}

}  // namespace conclave::dir
