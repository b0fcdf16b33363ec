#include "dirserver/commit_queue.h"

#include <algorithm>

#include "base/limits.h"

namespace conclave::dir {

void CommitQueue::run(const std::shared_ptr<Item>& item) {
  if (!join(item) && !wait_for(*item)) return;
  const Group group = take_group();  // with `item` at its head
  commit_(group);
  finish(group);
}

bool CommitQueue::join(const std::shared_ptr<Item>& item) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(item);
  if (led_) return false;
  led_ = true;
  return true;
}

bool CommitQueue::wait_for(const Item& item) {
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

CommitQueue::Group CommitQueue::take_group() {
  const std::lock_guard lock(mutex_);
  const auto count = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kMaxGroup));
  Group group(waiting_.begin(), waiting_.begin() + count);
  waiting_.erase(waiting_.begin(), waiting_.begin() + count);
  return group;
}

void CommitQueue::finish(const Group& group) {
  std::shared_ptr<Item> next;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& item : group) item->done_ = true;
    led_ = !waiting_.empty();
    if (led_) next = waiting_.front();
    if (led_) next->leads_ = true;
  }
  if (next != nullptr) waiter_.wake(next.get());
  for (const auto& item : group) {
    if (item != group.front()) waiter_.wake(item.get());
  }
}

}  // namespace conclave::dir
