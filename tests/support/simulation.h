// The simulator's parts for one scenario, from one seed. Declare it first in a test; then routers and what serves
// them, then SimNodes.
#pragma once

#include "tests/support/sim_clock.h"
#include "tests/support/sim_network.h"
#include "tests/support/sim_random.h"
#include "tests/support/sim_scheduler.h"
#include "tests/support/sim_waiter.h"

namespace conclave::sim {

struct Simulation {
  explicit Simulation(std::uint64_t seed) : random(seed), scheduler(clock, seed + 1), network(scheduler, seed + 2) {}
  SimClock clock;
  SimRandom random;
  SimScheduler scheduler;
  SimWaiter waiter{scheduler};
  SimNetwork network;
};

}  // namespace conclave::sim
