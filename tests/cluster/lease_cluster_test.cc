// Several mounts read and write registers through leases while messages get lost, mounts are cut off and the lock
// server restarts: every read sees the last write, as on one machine.
#include <gtest/gtest.h>

#include "tests/cluster/fs_world.h"
#include "tests/cluster/lease_world.h"

namespace conclave::sim {
namespace {

struct LeaseCluster {
  Simulation sim;
  Registers registers;
  History history;
  UseWatch watch;
  LockServer lock;
  DirStandIn dir;
  Mount::World world;
  std::vector<std::unique_ptr<Mount>> mounts;

  LeaseCluster(std::uint64_t seed, int count, Duration term = 30s)
      : sim(seed), lock(sim, term), dir(sim, lock.node.endpoint(1), registers),
        world{sim, dir, registers, history, watch} {
    for (int i = 0; i < count; ++i) mounts.push_back(std::make_unique<Mount>(world, i, lock.node.endpoint(1)));
  }

  // Programs on every mount, two each.
  std::vector<SimScheduler::TaskId> run_programs(int steps, std::uint64_t inodes, Duration pause) {
    std::vector<SimScheduler::TaskId> tasks;
    for (auto& mount : mounts) {
      // Goes on reading when the others wait for a server.
      tasks.push_back(mount->node().spawn("cache reader", [this, &mount = *mount, steps, inodes, pause] {
        for (int step = 0; step < 4 * steps; ++step) {
          mount.read_if_cached(InodeId{1 + sim.random.below(inodes)});
          sim.scheduler.sleep_for(pause / 4);
        }
      }));
      for (int i = 0; i < 2; ++i) {
        tasks.push_back(mount->node().spawn("program", [this, &mount = *mount, steps, inodes, pause] {
          for (int step = 0; step < steps; ++step) {
            const InodeId inode{1 + sim.random.below(inodes)};
            if (sim.random.chance(0.4)) {
              mount.write(inode);
            } else if (sim.random.chance(0.1)) {
              mount.flush(inode);
            } else if (sim.random.chance(0.05)) {
              mount.leases().release_soon(inode);
            } else {
              mount.read(inode);
            }
            sim.scheduler.sleep_for(Duration(sim.random.below(static_cast<std::uint64_t>(pause.count()))));
          }
        }));
      }
    }
    return tasks;
  }
  void finish(const std::vector<SimScheduler::TaskId>& tasks) {
    for (const auto task : tasks) sim.scheduler.join(task);
    history.check();
  }
};

TEST(LeaseCluster, EveryReadSeesTheLastWrite) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    LeaseCluster cluster(seed, 3);
    cluster.finish(cluster.run_programs(60, 3, 2ms));
    ASSERT_FALSE(testing::Test::HasFailure());
  }
}

TEST(LeaseCluster, EveryReadSeesTheLastWriteAlthoughMessagesGetLost) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    LeaseCluster cluster(seed, 3);
    cluster.sim.network.faults.drop_request = 0.05;
    cluster.sim.network.faults.drop_reply = 0.05;
    cluster.sim.network.faults.duplicate = 0.05;
    cluster.finish(cluster.run_programs(40, 3, 20ms));
    ASSERT_FALSE(testing::Test::HasFailure());
  }
}

TEST(LeaseCluster, AMountThatIsCutOffLosesItsLeasesAndNobodyReadsAnOldValue) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    LeaseCluster cluster(seed, 3, 5s);
    const auto tasks = cluster.run_programs(60, 3, 400ms);
    cluster.sim.scheduler.sleep_for(4s);
    cluster.sim.network.partition({"mount0"}, {"lock"});
    cluster.sim.scheduler.sleep_for(15s);
    cluster.sim.network.heal();
    cluster.finish(tasks);
    ASSERT_FALSE(testing::Test::HasFailure());
  }
}

// It hears of more recalls than it has workers, and L hears none of its answers.
TEST(LeaseCluster, AMountThatCanGiveNothingBackReadsNothingOldWhenItsLeasesAreOver) {
  for_seeds(6, [](std::uint64_t seed) {
    LeaseCluster cluster(seed, 3, 5s);
    const auto tasks = cluster.run_programs(100, 12, 200ms);
    cluster.sim.scheduler.sleep_for(5s);
    cluster.sim.network.cut_one_way("mount0", "lock");
    cluster.sim.scheduler.sleep_for(12s);
    cluster.sim.network.heal();
    cluster.finish(tasks);
  });
}

TEST(LeaseCluster, NothingOfASilentMountIsGrantedAwayWhileDIsGone) {
  LeaseCluster cluster(1, 2, 5s);
  const auto join = [&](int mount, const std::function<void(Mount&)>& body) {
    cluster.sim.scheduler.join(
        cluster.mounts[static_cast<std::size_t>(mount)]->node().spawn("program", [&, mount] {
          body(*cluster.mounts[static_cast<std::size_t>(mount)]);
        }));
  };
  join(0, [](Mount& mount) { mount.write(InodeId{1}); });
  cluster.dir.node().pause();
  cluster.mounts[0]->node().pause();
  bool written = false;
  const auto other = cluster.mounts[1]->node().spawn("program", [&] {
    cluster.mounts[1]->write(InodeId{1});
    written = true;
  });
  cluster.sim.scheduler.sleep_for(60s);
  EXPECT_FALSE(written);
  cluster.dir.node().resume();
  cluster.sim.scheduler.join(other);
  EXPECT_TRUE(written);
  // The frozen mount thaws: what it had not sent is lost and it knows; it reads what is there now.
  cluster.mounts[0]->node().resume();
  join(0, [](Mount& mount) { mount.read(InodeId{1}); });
  EXPECT_TRUE(cluster.history.writes[InodeId{1}][0].lost);
  cluster.history.check();
}

TEST(LeaseCluster, ARestartedLockServerGrantsNothingThatAnEarlierSessionMayHold) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    LeaseCluster cluster(seed, 3, 5s);
    const auto tasks = cluster.run_programs(50, 3, 400ms);
    cluster.sim.scheduler.sleep_for(5s);
    cluster.sim.network.partition({"mount0"}, {"lock"});   // it does not learn of the restart
    cluster.lock.restart();
    cluster.sim.scheduler.sleep_for(10s);
    cluster.sim.network.heal();
    cluster.finish(tasks);
    ASSERT_FALSE(testing::Test::HasFailure());
  }
}

TEST(LeaseCluster, TwoMountsThatFightForOneInodeBothGetOn) {
  LeaseCluster cluster(3, 2);
  const MonoTime begin = cluster.sim.clock.now();
  cluster.finish(cluster.run_programs(300, 1, 1us));
  EXPECT_LT(cluster.sim.clock.now() - begin, 30s);
}

TEST(LeaseCluster, UnmountingGivesEverythingBackAtOnce) {
  LeaseCluster cluster(1, 2);
  Mount& first = *cluster.mounts[0];
  Mount& second = *cluster.mounts[1];
  std::uint64_t read = 0;
  cluster.sim.scheduler.join(first.node().spawn("program", [&] {
    for (std::uint64_t inode = 1; inode <= 50; ++inode) first.write(InodeId{inode});
    EXPECT_TRUE(first.leases().return_all());
    first.leases().stop();
    first.session().stop();
    EXPECT_TRUE(first.session().close());
  }));
  EXPECT_EQ(first.leases().size(), 0);
  cluster.sim.scheduler.join(second.node().spawn("program", [&] {
    for (std::uint64_t inode = 1; inode <= 50; ++inode) read += second.read(InodeId{inode}) != 0 ? 1u : 0u;
  }));
  EXPECT_EQ(read, 50);
  cluster.history.check();
}

}  // namespace
}  // namespace conclave::sim
