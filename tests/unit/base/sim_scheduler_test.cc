// The simulated scheduler, clock and waiter.
#include <gtest/gtest.h>

#include <mutex>

#include "tests/support/sim_scheduler.h"
#include "tests/support/sim_waiter.h"

namespace conclave::sim {
namespace {

using namespace std::chrono_literals;

struct Parts {
  explicit Parts(std::uint64_t seed) : scheduler(clock, seed) {}
  SimClock clock;
  SimScheduler scheduler;
  SimWaiter waiter{scheduler};
};

// Three tasks that yield and sleep; the order in which they did.
std::string interleaving(std::uint64_t seed, std::uint64_t* hash) {
  Parts parts(seed);
  std::string order;
  for (const char name : {'a', 'b', 'c'}) {
    parts.scheduler.spawn(std::string(1, name), [&parts, &order, name] {
      for (int i = 0; i < 10; ++i) {
        order += name;
        i % 3 == 0 ? parts.scheduler.sleep_for(1ms) : parts.scheduler.yield();
      }
    });
  }
  parts.scheduler.sleep_for(1s);
  *hash = parts.scheduler.trace_hash();
  return order;
}

TEST(SimScheduler, SameSeedGivesTheSameTraceAndAnotherSeedAnother) {
  std::uint64_t hash_a = 0, hash_b = 0, hash_c = 0;
  const std::string a = interleaving(1, &hash_a);
  EXPECT_EQ(a.size(), 30u);
  EXPECT_EQ(a, interleaving(1, &hash_b));
  EXPECT_EQ(hash_a, hash_b);
  EXPECT_NE(a, interleaving(2, &hash_c));
  EXPECT_NE(hash_a, hash_c);
}

TEST(SimScheduler, TimeMovesOnlyWhenNobodyCanRun) {
  Parts parts(1);
  const MonoTime start = parts.clock.now();
  bool stop = false;
  parts.scheduler.spawn("busy", [&] {
    for (int i = 0; i < 100; ++i) parts.scheduler.yield();
    EXPECT_EQ(parts.clock.now(), start);
    stop = true;
  });
  parts.clock.sleep_until(start + 24h);
  EXPECT_TRUE(stop);
  EXPECT_EQ(parts.clock.now(), start + 24h);
}

TEST(SimScheduler, WakeBetweenObserveAndWaitIsNotLost) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Parts parts(seed);
    std::mutex mutex;
    int made = 0, taken = 0;
    const auto producer = parts.scheduler.spawn("producer", [&] {
      for (int i = 0; i < 20; ++i) {
        {
          const std::lock_guard lock(mutex);
          ++made;
        }
        parts.waiter.wake(&made);
        parts.scheduler.yield();
      }
    });
    const auto consumer = parts.scheduler.spawn("consumer", [&] {
      while (taken < 20) {
        const auto seen = parts.waiter.observe(&made);
        bool empty = false;
        {
          const std::lock_guard lock(mutex);
          empty = made == taken;
          if (!empty) ++taken;
        }
        if (empty) parts.waiter.wait(&made, seen, kNever);
      }
    });
    parts.scheduler.join(producer);
    parts.scheduler.join(consumer);
    EXPECT_EQ(taken, 20);
  }
}

TEST(SimScheduler, DeadlockSaysWhoWaitsForWhat) {
  Parts parts(1);
  int nothing = 0;
  const auto task = parts.scheduler.spawn("philosopher",
                                          [&] { parts.waiter.wait(&nothing, parts.waiter.observe(&nothing), kNever); });
  try {
    parts.scheduler.join(task);
    FAIL() << "no deadlock was found";
  } catch (const SimDeadlock& deadlock) {
    EXPECT_NE(std::string(deadlock.what()).find("philosopher: waits to be woken"), std::string::npos);
    EXPECT_NE(std::string(deadlock.what()).find("test: joins philosopher"), std::string::npos);
  }
}

TEST(SimScheduler, KilledGroupUnwindsAndRunsItsDestructors) {
  Parts parts(1);
  const auto group = parts.scheduler.new_group();
  int alive = 0;
  struct Counted {
    int& n;
    explicit Counted(int& count) : n(count) { ++n; }
    ~Counted() { --n; }
  };
  for (int i = 0; i < 3; ++i) {
    parts.scheduler.spawn(
        "worker",
        [&] {
          const Counted counted(alive);
          parts.clock.sleep_until(kNever);
        },
        group);
  }
  parts.scheduler.sleep_for(1ms);
  EXPECT_EQ(alive, 3);
  parts.scheduler.kill(group);
  EXPECT_EQ(alive, 0);
}

TEST(SimScheduler, PausedGroupStandsStillWhileTimeGoesOn) {
  Parts parts(1);
  const auto group = parts.scheduler.new_group();
  int ticks = 0;
  parts.scheduler.spawn(
      "ticker",
      [&] {
        for (;;) {
          parts.scheduler.sleep_for(1s);
          ++ticks;
        }
      },
      group);
  parts.scheduler.sleep_for(10500ms);
  EXPECT_EQ(ticks, 10);
  parts.scheduler.pause(group);
  parts.scheduler.sleep_for(10s);
  EXPECT_EQ(ticks, 10);
  parts.scheduler.resume(group);
  parts.scheduler.sleep_for(1ms);
  EXPECT_EQ(ticks, 11);
}

TEST(SimScheduler, ExceptionOfATaskFailsTheTest) {
  Parts parts(1);
  const auto task = parts.scheduler.spawn("broken", [] { throw std::runtime_error("no good"); });
  EXPECT_THROW(parts.scheduler.join(task), std::runtime_error);
}

TEST(SimClock, WithoutASchedulerSleepingIsJumping) {
  SimClock clock;
  const MonoTime start = clock.now();
  const WallTime wall = clock.wall();
  clock.sleep_until(start + 5s);
  clock.advance(1s);
  clock.sleep_until(start);
  EXPECT_EQ(clock.now(), start + 6s);
  EXPECT_EQ(clock.wall().ns, wall.ns + 6'000'000'000);
}

}  // namespace
}  // namespace conclave::sim
