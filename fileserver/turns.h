// Taking turns at something that has a number: a lock that may be held while its holder blocks, because it is made
// of the Waiter and not of a mutex. Whoever may hold several takes them in one order (file_ops: send after apply).
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <unordered_set>
#include <utility>

#include "base/guarded.h"
#include "base/waiter.h"

namespace conclave::file {

class Turns {
 public:
  explicit Turns(Waiter& waiter) : waiter_(waiter) {}

  class Turn {   // ends when destroyed
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
  // Blocks until nobody else has the turn of `key`. In no particular order.
  [[nodiscard]] Turn take(std::uint64_t key);

 private:
  void end(std::uint64_t key);
  const void* place_of(std::uint64_t key) const { return &places_[key % places_.size()]; }

  Waiter& waiter_;
  std::mutex mutex_;
  std::unordered_set<std::uint64_t> taken_ GUARDED_BY(mutex_);
  std::array<std::uint64_t, 64> places_{};    // whose addresses are waited at
};

}  // namespace conclave::file
