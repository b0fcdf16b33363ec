// Sensor logs of a simulated cluster: each record once, whole and in order, while feeders die, messages get lost and file
// servers restart.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/cluster/log_feeders.h"

namespace conclave::sim {
namespace {

// Two sources; the second has a second feeder, as after a failover to one that was not dead.
struct Feeding {
  FsWorld world;
  LogSource load{"sensors/load", 120}, disk{"sensors/disk", 120};
  std::vector<std::unique_ptr<LogFeeder>> feeders;

  explicit Feeding(std::uint64_t seed) : world(seed, {.mounts = 1, .file_servers = 3}) {
    for (LogSource* source : {&load, &disk, &disk}) {
      feeders.push_back(std::make_unique<LogFeeder>(world, *source, "feeder" + std::to_string(feeders.size())));
      feeders.back()->start();
    }
  }
  LogFeeder& any() { return *feeders[world.sim.random.below(feeders.size())]; }
  [[nodiscard]] bool done() const {
    return std::ranges::all_of(feeders, [](const auto& feeder) { return feeder->done(); });
  }
  void pause(std::uint64_t most_ms) { world.sim.scheduler.sleep_for(std::chrono::milliseconds(world.sim.random.below(most_ms))); }
  void kill_one() {
    LogFeeder& feeder = any();
    if (feeder.done()) return;
    feeder.kill();
    pause(500);
    feeder.start();
  }
  void finish() {
    const MonoTime limit = world.sim.clock.now() + 10min;
    while (!done() && world.sim.clock.now() < limit) world.sim.scheduler.sleep_for(100ms);
    EXPECT_TRUE(done()) << "a feeder hangs\n" << world.sim.scheduler.last_events();
    world.sim.network.faults = {};
    world.sim.scheduler.sleep_for(5s);
    world.settle();
    for (const LogSource* source : {&load, &disk}) check_log(world, 0, *source);
  }
};

TEST(LogCluster, FeedersThatDieAndStartAgainLoseNothingAndRepeatNothing) {
  for_seeds(4, [](std::uint64_t seed) {
    Feeding feeding(seed);
    for (int i = 0; i < 12 && !feeding.done(); ++i) {
      feeding.pause(400);
      feeding.kill_one();
    }
    feeding.finish();
  });
}

TEST(LogCluster, ARecordIsThereOnceAlthoughMessagesGetLostAndComeTwice) {
  for_seeds(4, [](std::uint64_t seed) {
    Feeding feeding(seed);
    feeding.world.sim.network.faults = SimFaults::lossy();
    for (int i = 0; i < 6; ++i) {
      feeding.pause(3000);
      feeding.kill_one();
    }
    feeding.finish();
  });
}

TEST(LogCluster, FileServersThatAreKilledLoseNoRecord) {
  for_seeds(4, [](std::uint64_t seed) {
    Feeding feeding(seed);
    for (int i = 0; i < 4 && !feeding.done(); ++i) {
      feeding.pause(1000);
      SimServer& server = *feeding.world.files[feeding.world.sim.random.below(feeding.world.files.size())];
      FsWorld::crash(server, std::chrono::milliseconds(feeding.world.sim.random.below(6000)));
      feeding.kill_one();
    }
    feeding.finish();
  });
}

// The chunk is full, sealed, and the directory server has placed the next, in which nobody has said yet where the cursor
// stands.
TEST(LogCluster, AFeederThatDiesAtTheBorderOfTwoChunksLosesNoRecord) {
  FsWorld world(1, {.mounts = 1});
  LogSource source{"sensors/big", 90, kMaxIoBytes - 1000};
  source.least_bytes = source.most_bytes * 9 / 10;
  LogFeeder feeder(world, source, "feeder");
  feeder.start();
  feeder.kill_at("/conclave.file.v1.FileService/Start");
  while (feeder.alive() && !feeder.done()) world.sim.scheduler.sleep_for(10ms);
  ASSERT_FALSE(feeder.done());
  feeder.start();
  while (!feeder.done() && !testing::Test::HasFailure()) world.sim.scheduler.sleep_for(100ms);
  check_log(world, 0, source);
}

}  // namespace
}  // namespace conclave::sim
