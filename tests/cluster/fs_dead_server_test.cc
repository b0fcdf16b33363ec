// File servers that die for good, freeze, or are cut off from the directory server while programs run: nobody sees an
// error, nothing that was acknowledged is lost, and what took over is what everybody reads.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "tests/cluster/fs_programs.h"

namespace conclave::sim {
namespace {

constexpr Duration kKilledCosts = 500ms;   // a writer, where the connection closes (docs/reliability.md)
constexpr Duration kFrozenCosts = 5s;

Duration at_most(FsWorld& world, Duration most) {
  return Duration(static_cast<std::int64_t>(world.sim.random.below(static_cast<std::uint64_t>(most.count()))));
}

SimServer& any_file_server(FsWorld& world) { return *world.files[world.sim.random.below(world.files.size())]; }

// Programs that tolerate no error run on two mounts, while `fault` happens to a file server.
void nobody_sees(std::uint64_t seed, FsWorld::Shape shape, const std::function<void(FsWorld&, SimServer&)>& fault) {
  FsWorld world(seed, shape);
  FsPrograms programs(world, {.steps = 60, .pause = 200ms});
  programs.make_files();
  for (const int mount : {0, 0, 1}) programs.start(mount);
  world.sim.scheduler.sleep_for(at_most(world, 4s));
  fault(world, any_file_server(world));
  programs.finish();
  for (const int mount : {0, 1}) programs.read_all(mount);
}

TEST(FsDeadServer, OneThatIsKilledForGoodCostsNobodyAnError) {
  for_seeds(4, [](std::uint64_t seed) {
    nobody_sees(seed, {.mounts = 2, .file_servers = 3}, [](FsWorld&, SimServer& server) { server.kill(); });
  });
}

TEST(FsDeadServer, OneOfFourWithThreeCopiesIsKilledForGood) {
  for_seeds(3, [](std::uint64_t seed) {
    nobody_sees(seed, {.mounts = 2, .file_servers = 4, .replicas = 3},
                [](FsWorld&, SimServer& server) { server.kill(); });
  });
}

TEST(FsDeadServer, OneThatIsFrozenForTenSecondsCostsNobodyAnError) {
  for_seeds(4, [](std::uint64_t seed) {
    nobody_sees(seed, {.mounts = 2, .file_servers = 3, .drift = 0.1}, [](FsWorld& world, SimServer& server) {
      server.pause();
      world.sim.scheduler.sleep_for(10s);
      server.resume();
    });
  });
}

TEST(FsDeadServer, OneThatIsCutOffFromTheDirectoryServerCostsNobodyAnError) {
  for_seeds(4, [](std::uint64_t seed) {
    nobody_sees(seed, {.mounts = 2, .file_servers = 3, .drift = 0.1}, [](FsWorld& world, SimServer& server) {
      world.sim.network.partition({server.node().name()}, {world.dir.node().name()});
      world.sim.scheduler.sleep_for(at_most(world, 12s));
      world.sim.network.heal();
    });
  });
}

// Two copies of everything, the same, and nothing left to do; at most five simulated minutes.
void expect_healed(FsWorld& world) {
  std::uint64_t left = 1;
  for (int i = 0; i < 300 && (left = chunks_to_heal(world.dir)) != 0; ++i) world.sim.scheduler.sleep_for(1s);
  EXPECT_EQ(left, 0u) << "copies are missing";
  check_copies_are_equal(world.dir, world.files);
}

// Programs write while copies are made of what they write.
void heals(std::uint64_t seed, FsWorld::Shape shape, const std::function<void(FsWorld&, SimServer&)>& fault) {
  FsWorld world(seed, shape);
  FsPrograms programs(world, {.steps = 150, .pause = 200ms});
  programs.make_files();
  for (const int mount : {0, 0, 1}) programs.start(mount);
  world.sim.scheduler.sleep_for(at_most(world, 4s));
  fault(world, any_file_server(world));
  programs.finish();
  world.settle();
  world.sim.scheduler.sleep_for(5s);
  expect_healed(world);
  for (const int mount : {0, 1}) programs.read_all(mount);
}

TEST(FsDeadServer, CopiesAreMadeElsewhereWhileProgramsWrite) {
  for_seeds(3, [](std::uint64_t seed) {
    heals(seed, {.mounts = 2, .file_servers = 3}, [](FsWorld&, SimServer& server) { server.kill(); });
  });
}

TEST(FsDeadServer, OneThatComesBackCatchesUpWhileProgramsWrite) {
  for_seeds(3, [](std::uint64_t seed) {
    heals(seed, {.mounts = 2, .file_servers = 2}, [](FsWorld& world, SimServer& server) {
      FsWorld::crash(server, 3s + at_most(world, 10s));
    });
  });
}

TEST(FsDeadServer, TwoOfFourDieOneAfterTheOther) {
  for_seeds(3, [](std::uint64_t seed) {
    heals(seed, {.mounts = 2, .file_servers = 4, .replicas = 3}, [](FsWorld& world, SimServer& server) {
      server.kill();
      world.sim.scheduler.sleep_for(at_most(world, 15s));
      SimServer& other = any_file_server(world);
      if (other.node().alive()) FsWorld::crash(other, at_most(world, 10s));
      server.restart();
    });
  });
}

TEST(FsDeadServer, ADrainedServerHasNothingLeftAndNobodySeesAnError) {
  for_seeds(3, [](std::uint64_t seed) {
    std::string drained;
    heals(seed, {.mounts = 2, .file_servers = 3}, [&](FsWorld& world, SimServer& server) {
      for (std::size_t i = 0; i < world.files.size(); ++i) {
        if (world.files[i].get() == &server) drained = std::to_string(i + 1);
      }
      drain(world.dir, drained);
    });
  });
}

// The directory server is started again while copies are made: they are found again.
TEST(FsDeadServer, CopiesAreMadeAlthoughTheDirectoryServerIsStartedAgain) {
  for_seeds(3, [](std::uint64_t seed) {
    heals(seed, {.mounts = 2, .file_servers = 3}, [](FsWorld& world, SimServer& server) {
      server.kill();
      world.sim.scheduler.sleep_for(4s + at_most(world, 4s));
      FsWorld::crash(world.dir, at_most(world, 1s));
    });
  });
}

// They come and go, one after another.
// What a file server tells of itself when it registers grows with the inodes that were used there.
TEST(FsDeadServer, ThoseThatWereUsedForLongRegisterWithANewDirectoryServer) {
  FsWorld world(1, {.mounts = 1, .file_servers = 2});
  for (const auto& server : world.files) use_many_inodes(*server);
  FsWorld::crash(world.dir, 1s);
  world.on_mount(0, [&](SimMount& mount) {
    const auto handle = mount.create("file", O_RDWR);
    ASSERT_TRUE(handle) << handle.error().message;
    EXPECT_TRUE(mount.write(*handle, 0, view_of("x")));
    EXPECT_TRUE(mount.fsync(*handle));
  });
}

TEST(FsDeadServer, OneAfterAnotherIsKilledAndStartedAgain) {
  for_seeds(4, [](std::uint64_t seed) {
    nobody_sees(seed, {.mounts = 2, .file_servers = 3}, [](FsWorld& world, SimServer& first) {
      FsWorld::crash(first, at_most(world, 6s));
      world.sim.scheduler.sleep_for(at_most(world, 4s));
      FsWorld::crash(any_file_server(world), at_most(world, 6s));
    });
  });
}

TEST(FsDeadServer, AKilledMasterCostsAWriterHalfASecond) {
  FsWorld world(1, {.mounts = 1, .file_servers = 3});
  world.on_mount(0, [&](SimMount& mount) {
    for (std::uint64_t number = 1; number <= 8; ++number) {   // masters are drawn: some of them is this server's
      const auto handle = mount.create("f" + std::to_string(number), O_RDWR);
      ASSERT_TRUE(handle);
      ASSERT_TRUE(mount.write(*handle, 0, FileHistory::content(number, 4096)));
      ASSERT_TRUE(mount.fsync(*handle));
      mount.close(*handle);
    }
    world.files[0]->kill();
    for (std::uint64_t number = 1; number <= 8; ++number) {
      const auto handle = mount.open("f" + std::to_string(number), O_RDWR);
      ASSERT_TRUE(handle);
      const MonoTime asked = world.sim.clock.now();
      ASSERT_TRUE(mount.write(*handle, 4096, FileHistory::content(number, 4096)));
      const Status synced = mount.fsync(*handle);
      ASSERT_TRUE(synced) << synced.error().message;
      EXPECT_LE(world.sim.clock.now() - asked, kKilledCosts) << number;
      mount.close(*handle);
    }
  });
}

TEST(FsDeadServer, AFrozenFileServerCostsAWriterFiveSeconds) {
  FsWorld world(1, {.mounts = 1, .file_servers = 3});
  world.on_mount(0, [&](SimMount& mount) {
    std::vector<std::uint64_t> handles;
    for (std::uint64_t number = 1; number <= 8; ++number) {
      handles.push_back(*mount.create("f" + std::to_string(number), O_RDWR));
      ASSERT_TRUE(mount.write(handles.back(), 0, FileHistory::content(number, 4096)));
      ASSERT_TRUE(mount.fsync(handles.back()));
    }
    world.files[0]->pause();
    for (const std::uint64_t handle : handles) {
      const MonoTime asked = world.sim.clock.now();
      ASSERT_TRUE(mount.write(handle, 4096, FileHistory::content(handle, 4096)));
      const Status synced = mount.fsync(handle);
      ASSERT_TRUE(synced) << synced.error().message;
      EXPECT_LE(world.sim.clock.now() - asked, kFrozenCosts);
      mount.close(handle);
    }
    world.files[0]->resume();
  });
}

// The other copy is asked, once for all files.
TEST(FsDeadServer, AFrozenFileServerCostsReadersAFractionOfASecond) {
  FsWorld world(1, {.mounts = 2, .file_servers = 2});
  world.on_mount(0, [&](SimMount& mount) {
    for (std::uint64_t number = 1; number <= 8; ++number) {
      const auto handle = mount.create("f" + std::to_string(number), O_RDWR);
      ASSERT_TRUE(mount.write(*handle, 0, FileHistory::content(number, 4096)));
      ASSERT_TRUE(mount.fsync(*handle));
      mount.close(*handle);
    }
  });
  world.files[0]->pause();
  world.on_mount(1, [&](SimMount& mount) {
    const MonoTime asked = world.sim.clock.now();
    for (std::uint64_t number = 1; number <= 8; ++number) {
      const auto handle = mount.open("f" + std::to_string(number), O_RDONLY);
      EXPECT_EQ(*mount.read(*handle, 0, 8192), string_of(FileHistory::content(number, 4096)));
      mount.close(*handle);
    }
    EXPECT_LE(world.sim.clock.now() - asked, 1s);
  });
  world.files[0]->resume();
}

// A mount that asked D where a log's end lies before the server there was replaced asks that server still, which must not
// answer: another takes records now.
TEST(FsDeadServer, AReplacedServerTellsNobodyWhereALogEnds) {
  for_seeds(3, [](std::uint64_t seed) {
    FsWorld world(seed, {.mounts = 3, .file_servers = 2, .drift = 0.2});
    const std::string path = "sensors/log";
    std::uint64_t acknowledged = 0;
    const auto append = [&](SimMount& mount) {
      const auto handle = mount.open(path, O_WRONLY | O_APPEND);
      ASSERT_TRUE(handle) << handle.error().message;
      ASSERT_TRUE(mount.append(*handle, FileHistory::content(acknowledged, 104)));
      acknowledged += 104;
      mount.close(*handle);
    };
    world.on_mount(0, [&](SimMount& mount) {
      const auto made = mount.create(path, O_WRONLY | O_APPEND);
      ASSERT_TRUE(made) << made.error().message;
      mount.close(*made);
      append(mount);
    });
    bool over = false;
    const auto reader = world.mount(1).spawn("reader", [&] {
      SimMount& mount = world.mount(1);
      while (!over && !testing::Test::HasFailure()) {
        const std::uint64_t least = acknowledged;
        const auto attr = mount.stat(path);
        if (attr) {
          EXPECT_GE(attr->size_bytes(), least);
        }
        world.sim.scheduler.sleep_for(50ms);
      }
    });
    world.sim.scheduler.sleep_for(1s);
    world.sim.network.partition({world.files[world.sim.random.below(2)]->node().name()}, {world.dir.node().name()});
    for (int i = 0; i < 60; ++i) {
      // A mount without any knowledge of the log's places, as each new one is.
      world.mount(2).kill();
      world.mount(2).restart();
      world.settle();
      world.on_mount(2, append);
      world.sim.scheduler.sleep_for(100ms);
    }
    world.sim.network.heal();
    over = true;
    world.sim.scheduler.join(reader);
  });
}

}  // namespace
}  // namespace conclave::sim
