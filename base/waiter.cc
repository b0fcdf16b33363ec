#include "base/waiter.h"

#include <functional>

namespace conclave {

SystemWaiter::Bucket& SystemWaiter::bucket_of(const void* key) {
  const auto address = reinterpret_cast<std::uintptr_t>(key);
  return buckets_[(address >> 4 ^ address >> 12) % buckets_.size()];
}

Waiter::Seen SystemWaiter::observe(const void* key) {
  Bucket& bucket = bucket_of(key);
  const std::lock_guard lock(bucket.mutex);
  return bucket.wakes;
}

void SystemWaiter::wait(const void* key, Seen seen, MonoTime deadline) {
  Bucket& bucket = bucket_of(key);
  UniqueLock lock(bucket.mutex);
  if (bucket.wakes != seen) return;
  ++bucket.waiting;
  if (deadline == kNever) {
    bucket.changed.wait(lock);
  } else {
    // BOOTTIME and the condition variable's clock differ only by time asleep: a sleeping machine
    // wakes its waiters late, and they look at their own deadline again.
    const Duration left = deadline - SystemClock().now();
    if (left > Duration::zero()) bucket.changed.wait_for(lock, left);
  }
  --bucket.waiting;
}

void SystemWaiter::wake(const void* key) {
  Bucket& bucket = bucket_of(key);
  bool somebody = false;
  {
    const std::lock_guard lock(bucket.mutex);
    ++bucket.wakes;
    somebody = bucket.waiting != 0;
  }
  if (somebody) bucket.changed.notify_all();
}

}  // namespace conclave
