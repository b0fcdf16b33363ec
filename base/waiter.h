// Seam: wait and wake, an eventcount keyed by address. No mutex may be held across wait():
//
//   const auto seen = waiter.observe(&queue);      // before looking
//   if (queue is still empty, under its mutex)     // look, unlock
//     waiter.wait(&queue, seen, deadline);         // returns at once if woken since observe
//
// and the other side changes the state under the mutex, unlocks, then waiter.wake(&queue).
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "base/clock.h"
#include "base/guarded.h"

namespace conclave {

class Waiter {
 public:
  using Seen = std::uint64_t;
  virtual ~Waiter() = default;
  virtual Seen observe(const void* key) = 0;
  // Blocks until wake(key) after `seen` was observed, or `deadline`. Spurious returns are allowed:
  // callers look again. Thread-safe, as all three are.
  virtual void wait(const void* key, Seen seen, MonoTime deadline) = 0;
  virtual void wake(const void* key) = 0;  // everybody who waits on key
};

// Threads waiting on keys that share a bucket wake each other spuriously; harmless and rare.
class SystemWaiter final : public Waiter {
 public:
  Seen observe(const void* key) override;
  void wait(const void* key, Seen seen, MonoTime deadline) override;
  void wake(const void* key) override;

 private:
  struct Bucket {
    std::mutex mutex;
    std::condition_variable changed;
    Seen wakes GUARDED_BY(mutex) = 0;
    unsigned waiting GUARDED_BY(mutex) = 0;
  };
  Bucket& bucket_of(const void* key);
  std::array<Bucket, 64> buckets_;
};

}  // namespace conclave
