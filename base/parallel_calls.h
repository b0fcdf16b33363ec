// A few blocking calls side by side, without a thread for each: the caller's own thread makes those that nobody else
// takes, threads that main lends (run) take the others. With no thread lent, the caller makes them one by one.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/guarded.h"
#include "base/waiter.h"

namespace conclave {

class ParallelCalls {
 public:
  explicit ParallelCalls(Waiter& waiter) : waiter_(waiter) {}

  // Returns when all have been made. Any thread; blocks for as long as they do.
  void make(std::vector<std::function<void()>> calls);

  // For Daemon::add_pool.
  void run();    // takes calls until stop()
  void stop();

 private:
  struct Batch {
    std::vector<std::function<void()>> calls;
    std::size_t taken = 0;    // guarded by mutex_
    std::size_t made = 0;     // guarded by mutex_
  };
  bool make_one(const std::shared_ptr<Batch>& batch);

  Waiter& waiter_;
  std::mutex mutex_;
  std::deque<std::shared_ptr<Batch>> batches_ GUARDED_BY(mutex_);  // with calls that nobody has taken
  bool stopped_ GUARDED_BY(mutex_) = false;
};

}  // namespace conclave
