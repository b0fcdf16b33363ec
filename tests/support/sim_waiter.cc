#include "tests/support/sim_waiter.h"

namespace conclave::sim {

Waiter::Seen SimWaiter::observe(const void* key) {
  const std::lock_guard lock(mutex_);
  return wakes_[key];
}

// Nobody else runs between the look and block(): no wake is lost.
void SimWaiter::wait(const void* key, Seen seen, MonoTime deadline) {
  if (observe(key) != seen) return scheduler_.yield();
  scheduler_.block(key, deadline, deadline == kNever ? "waits to be woken" : "waits to be woken, with a deadline");
}

void SimWaiter::wake(const void* key) {
  {
    const std::lock_guard lock(mutex_);
    ++wakes_[key];
  }
  scheduler_.wake(key);
}

}  // namespace conclave::sim
