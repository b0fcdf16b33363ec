#include "client/session/parking.h"

#include <gtest/gtest.h>

#include <memory>

#include "tests/support/simulation.h"

namespace conclave::client {
namespace {

struct ParkingTest : testing::Test {
  SystemWaiter waiter;
  Parking parking{waiter};
  std::vector<int> ran;

  std::function<void()> note(int what) {
    return [this, what] { ran.push_back(what); };
  }
  void run_ready() {
    while (parking.run_one()) {
    }
  }
};

TEST_F(ParkingTest, WhatIsParkedRunsOnceWhenItsKeyIsDelivered) {
  const ParkKey key = parking.expect();
  parking.park(key, note(1));
  run_ready();
  EXPECT_TRUE(ran.empty());
  parking.deliver(key);
  parking.deliver(key);
  run_ready();
  EXPECT_EQ(ran, std::vector{1});
}

TEST_F(ParkingTest, DeliveryBeforeParkingIsRemembered) {
  const ParkKey key = parking.expect();
  parking.deliver(key);
  parking.park(key, note(1));
  run_ready();
  EXPECT_EQ(ran, std::vector{1});
}

TEST_F(ParkingTest, SeveralRunInTheOrderTheyParked) {
  const ParkKey key = parking.expect();
  const ParkKey other = parking.expect();
  parking.park(key, note(1));
  parking.park(other, note(9));
  parking.park(key, note(2));
  parking.deliver(key);
  run_ready();
  EXPECT_EQ(ran, (std::vector{1, 2}));
  EXPECT_EQ(parking.parked(), 1);
}

TEST_F(ParkingTest, OneThatIsTakenBackDoesNotRun) {
  const ParkKey key = parking.expect();
  const auto first = parking.park(key, note(1));
  parking.park(key, note(2));
  EXPECT_TRUE(parking.take_back(first));
  EXPECT_FALSE(parking.take_back(first));
  parking.deliver(key);
  run_ready();
  EXPECT_EQ(ran, std::vector{2});
}

TEST_F(ParkingTest, WhatWasDeliveredCannotBeTakenBack) {
  const ParkKey key = parking.expect();
  const auto handle = parking.park(key, note(1));
  parking.deliver(key);
  EXPECT_FALSE(parking.take_back(handle));
  run_ready();
  EXPECT_EQ(ran, std::vector{1});
}

TEST_F(ParkingTest, DroppedClosuresAreDestroyedAndMayParkAgainWhileTheyAre) {
  struct Answer {
    explicit Answer(Parking& p) : parking(p) {}
    ~Answer() { parked = parking.parked(); }  // as an adapter's closure, it calls back
    Parking& parking;
    std::size_t parked = 99;
  };
  const ParkKey key = parking.expect();
  const ParkKey delivered = parking.expect();
  parking.park(key, [answer = std::make_shared<Answer>(parking)] {});
  parking.park(delivered, [answer = std::make_shared<Answer>(parking)] {});
  parking.deliver(delivered);
  EXPECT_EQ(parking.drop_all(), 2);
  EXPECT_EQ(parking.parked(), 0);
  parking.park(key, note(1));  // its key is still expected
  run_ready();
  EXPECT_TRUE(ran.empty());
  parking.deliver(key);
  run_ready();
  EXPECT_EQ(ran, std::vector{1});
}

TEST(ParkingWorkers, LoseNothingBetweenManyThatParkAndDeliver) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    sim::Simulation sim(seed);
    Parking parking(sim.waiter);
    int ran = 0;
    std::vector<sim::SimScheduler::TaskId> workers, others;
    for (int i = 0; i < 2; ++i) workers.push_back(sim.scheduler.spawn("worker", [&] { parking.run(); }));
    for (int i = 0; i < 30; ++i) {
      const ParkKey key = parking.expect();
      others.push_back(sim.scheduler.spawn("parks", [&, key] {
        sim.scheduler.yield();
        parking.park(key, [&] { ++ran; });
      }));
      others.push_back(sim.scheduler.spawn("delivers", [&, key] {
        sim.scheduler.yield();
        parking.deliver(key);
      }));
    }
    for (const auto task : others) sim.scheduler.join(task);
    sim.scheduler.sleep_for(std::chrono::seconds(1));
    EXPECT_EQ(ran, 30);
    parking.stop();
    for (const auto task : workers) sim.scheduler.join(task);
  }
}

}  // namespace
}  // namespace conclave::client
