#include "base/turns.h"

namespace conclave {

std::optional<Turns::Turn> Turns::attempt(std::uint64_t key) {
  const std::lock_guard lock(mutex_);
  if (!taken_.insert(key).second) return std::nullopt;
  return Turn(this, key);
}

Turns::Turn Turns::take(std::uint64_t key) {
  for (;;) {
    const auto seen = waiter_.observe(place_of(key));
    if (auto turn = attempt(key)) return *std::move(turn);
    waiter_.wait(place_of(key), seen, kNever);
  }
}

void Turns::end(std::uint64_t key) {
  {
    const std::lock_guard lock(mutex_);
    taken_.erase(key);
  }
  waiter_.wake(place_of(key));
}

}  // namespace conclave
