#include "base/turns.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/support/simulation.h"

namespace conclave {
namespace {

TEST(Turns, AreOneAtATimeForEachKeyAndNobodyIsForgotten) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    sim::Simulation sim(seed);
    Turns turns(sim.waiter);
    std::array<int, 3> inside{};
    int passed = 0, most_keys = 0;
    std::vector<sim::SimScheduler::TaskId> tasks;
    for (int i = 0; i < 30; ++i) {
      tasks.push_back(sim.scheduler.spawn("taker", [&, key = i % 3] {
        const auto turn = turns.take(key * 64);  // keys that share a place
        EXPECT_EQ(++inside.at(key), 1);
        most_keys = std::max(most_keys, inside[0] + inside[1] + inside[2]);
        sim.scheduler.yield();
        --inside.at(key);
        ++passed;
      }));
    }
    for (const auto task : tasks) sim.scheduler.join(task);
    EXPECT_EQ(passed, 30);
    EXPECT_GT(most_keys, 1);  // one key does not wait for another
  }
}

TEST(Turns, AnAttemptDoesNotWait) {
  sim::Simulation sim(1);
  Turns turns(sim.waiter);
  {
    const auto turn = turns.attempt(7);
    ASSERT_TRUE(turn);
    EXPECT_FALSE(turns.attempt(7));
    EXPECT_TRUE(turns.attempt(8));
  }
  EXPECT_TRUE(turns.attempt(7));
}

}  // namespace
}  // namespace conclave
