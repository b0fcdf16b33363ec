#include "tests/support/sim_clock.h"

#include <algorithm>

namespace conclave::sim {

void SimClock::sleep_until(MonoTime when) {
  if (sleeper_) return sleeper_(when);
  advance_to(when);
}

void SimClock::advance_to(MonoTime when) {
  now_ns_.store(std::max<std::int64_t>(now_ns_.load(), when.time_since_epoch().count()));
}

}  // namespace conclave::sim
