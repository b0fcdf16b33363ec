// One at a time, for work that may block in a seam (a commit, a sync): a mutex whose waiting goes through Waiter, so
// that the simulator can run others meanwhile. For short work without a seam call use std::mutex.
#pragma once

#include <mutex>
#include <utility>

#include "base/guarded.h"
#include "base/waiter.h"

namespace conclave {

class Turn {
 public:
  explicit Turn(Waiter& waiter) : waiter_(waiter) {}

  class Hold {  // ends the turn when destroyed
   public:
    explicit Hold(Turn* turn) : turn_(turn) {}
    Hold(Hold&& other) noexcept : turn_(std::exchange(other.turn_, nullptr)) {}
    Hold& operator=(Hold&&) = delete;
    ~Hold() {
      if (turn_ != nullptr) turn_->end();
    }

   private:
    Turn* turn_;
  };

  // Blocks until nobody else holds it. Not recursive. Who waits longest has no precedence.
  [[nodiscard]] Hold take() {
    for (;;) {
      const auto seen = waiter_.observe(this);
      {
        const std::lock_guard lock(mutex_);
        if (!std::exchange(taken_, true)) return Hold(this);
      }
      waiter_.wait(this, seen, kNever);
    }
  }

 private:
  void end() {
    {
      const std::lock_guard lock(mutex_);
      taken_ = false;
    }
    waiter_.wake(this);
  }

  Waiter& waiter_;
  std::mutex mutex_;
  bool taken_ GUARDED_BY(mutex_) = false;
};

}  // namespace conclave
