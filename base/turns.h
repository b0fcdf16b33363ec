// One at a time, for work that may block in a seam (a commit, a sync, a call): a lock that is made of the Waiter and not
// of a mutex, so that the simulator can run others meanwhile. For short work without a seam call use std::mutex.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/guarded.h"
#include "base/waiter.h"

namespace conclave {

// Turns at each of many things that have a number, or at one thing. Thread-safe.
class Turns {
 public:
  explicit Turns(Waiter& waiter) : waiter_(waiter) {}

  class Turn {  // ends when destroyed
   public:
    Turn(Turn&& other) noexcept : turns_(std::exchange(other.turns_, nullptr)), key_(other.key_) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (turns_ != nullptr) turns_->end(key_);
    }

   private:
    friend class Turns;
    Turn(Turns* turns, std::uint64_t key) : turns_(turns), key_(key) {}
    Turns* turns_;
    std::uint64_t key_;
  };
  // Blocks until nobody else has the turn of `key`. Not recursive; who waits longest has no precedence. Whoever may hold
  // several takes them in one order.
  [[nodiscard]] Turn take(std::uint64_t key = 0);
  // Does not block: nothing if somebody has it.
  [[nodiscard]] std::optional<Turn> attempt(std::uint64_t key);

 private:
  void end(std::uint64_t key);
  const void* place_of(std::uint64_t key) const { return &places_[key % places_.size()]; }

  Waiter& waiter_;
  std::mutex mutex_;
  std::unordered_set<std::uint64_t> taken_ GUARDED_BY(mutex_);
  std::array<std::uint64_t, 64> places_{};  // whose addresses are waited at
};

}  // namespace conclave
