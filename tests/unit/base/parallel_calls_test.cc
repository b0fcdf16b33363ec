#include "base/parallel_calls.h"

#include <gtest/gtest.h>

#include "tests/support/simulation.h"

namespace conclave {
namespace {

using namespace std::chrono_literals;

// How long `calls` calls of a second each take with so many threads lent.
Duration time_of(int calls, int lent) {
  sim::Simulation sim(1);
  ParallelCalls parallel(sim.waiter);
  std::vector<sim::SimScheduler::TaskId> tasks;
  for (int i = 0; i < lent; ++i) tasks.push_back(sim.scheduler.spawn("lent", [&] { parallel.run(); }));
  const MonoTime start = sim.clock.now();
  Duration took{};
  int made = 0;
  sim.scheduler.join(sim.scheduler.spawn("caller", [&] {
    std::vector<std::function<void()>> all;
    for (int i = 0; i < calls; ++i) {
      all.emplace_back([&] {
        sim.scheduler.sleep_for(1s);
        ++made;
      });
    }
    parallel.make(std::move(all));
    EXPECT_EQ(made, calls);  // it returns after the last
    took = sim.clock.now() - start;
  }));
  parallel.stop();
  for (const auto task : tasks) sim.scheduler.join(task);
  return took;
}

TEST(ParallelCalls, RunSideBySideAsFarAsThreadsAreLent) {
  EXPECT_EQ(time_of(0, 1), 0s);
  EXPECT_EQ(time_of(1, 1), 1s);
  EXPECT_EQ(time_of(3, 2), 1s);
  EXPECT_EQ(time_of(3, 1), 2s);
}

TEST(ParallelCalls, AreMadeByTheCallerAloneWhereNoThreadIsLent) { EXPECT_EQ(time_of(3, 0), 3s); }

TEST(ParallelCalls, OfManyCallersAreAllMade) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    sim::Simulation sim(seed);
    ParallelCalls parallel(sim.waiter);
    const auto lent = sim.scheduler.spawn("lent", [&] { parallel.run(); });
    int made = 0;
    std::vector<sim::SimScheduler::TaskId> callers;
    for (int i = 0; i < 10; ++i) {
      callers.push_back(sim.scheduler.spawn("caller", [&] {
        const auto call = [&] {
          sim.scheduler.yield();
          ++made;
        };
        parallel.make({call, call, call});
      }));
    }
    for (const auto task : callers) sim.scheduler.join(task);
    EXPECT_EQ(made, 30);
    parallel.stop();
    sim.scheduler.join(lent);
  }
}

}  // namespace
}  // namespace conclave
