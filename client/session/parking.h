// Where operations wait without holding a thread. An operation that would wait for a lease, a lock or a vote
// returns Errc::kPending with a key; the adapter parks a closure that runs it again from its beginning; who
// brings the news delivers the key. Delivery before parking is remembered, so nothing is lost between.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/guarded.h"
#include "base/waiter.h"

namespace conclave::client {

using ParkKey = std::uint64_t;

// Thread-safe. Closures are called and destroyed with no lock held.
class Parking {
 public:
  explicit Parking(Waiter& waiter) : waiter_(waiter) {}

  // A key that somebody will deliver exactly once. Several operations may park under one key.
  ParkKey expect();
  // Moves what is parked under `key` to the run queue. Any thread; does not block.
  void deliver(ParkKey key);
  // Parks `rerun`; it goes straight to the run queue if `key` was delivered already. Returns a handle for take_back().
  std::uint64_t park(ParkKey key, std::function<void()> rerun);
  // Takes back what is still parked: it will not run, and the caller answers for it. Empty: it is not parked any more.
  [[nodiscard]] std::function<void()> take_back(std::uint64_t handle);

  // A worker: runs what was delivered, in the order of delivery, until stop(). Several threads may call it.
  void run();
  // Runs one closure if one is ready; for an owner without workers.
  bool run_one();
  // Ends the workers; what is parked stays.
  void stop();
  // Removes all that is parked and returns how many there were (their closures are destroyed: an adapter's
  // closure answers its request when destroyed unanswered).
  std::size_t drop_all();
  [[nodiscard]] std::size_t parked() const;

 private:
  struct Parked {
    std::uint64_t handle = 0;
    std::function<void()> rerun;
  };
  Waiter& waiter_;
  mutable std::mutex mutex_;
  ParkKey next_key_ GUARDED_BY(mutex_) = 1;
  std::uint64_t next_handle_ GUARDED_BY(mutex_) = 1;
  std::unordered_map<ParkKey, std::vector<Parked>> expected_ GUARDED_BY(mutex_);  // keys given out and not delivered
  std::unordered_map<std::uint64_t, ParkKey> handles_ GUARDED_BY(mutex_);         // of what is parked
  std::deque<std::function<void()>> ready_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace conclave::client
