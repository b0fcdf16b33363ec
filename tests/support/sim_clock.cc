#include "tests/support/sim_clock.h"

#include <algorithm>
#include <thread>

namespace conclave::sim {

void SimClock::sleep_until(MonoTime when) {
  if (sleeper_) return sleeper_(when);
  // Without a scheduler the threads are real, and one that sleeps may be waiting for another (SQLite does, at a
  // busy WAL, a hundred times at most): that one gets the time, though a test never waits long.
  constexpr Duration kLongest = std::chrono::milliseconds(50);
  if (when > now()) std::this_thread::sleep_for(std::min(when - now(), kLongest));
  advance_to(when);
}

void SimClock::advance_to(MonoTime when) {
  now_ns_.store(std::max<std::int64_t>(now_ns_.load(), when.time_since_epoch().count()));
}

}  // namespace conclave::sim
