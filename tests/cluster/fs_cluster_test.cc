// Programs on mounts of a whole simulated cluster, while servers crash and messages get lost: everything that they
// read is what one machine could have answered.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/cluster/fs_programs.h"

namespace conclave::sim {
namespace {

TEST(FsCluster, WhatAMountWritesItAndAnotherReads) {
  FsWorld world(1, {.mounts = 2});
  const Bytes bytes = FileHistory::content(77, 200'000);
  world.on_mount(0, [&](SimMount& mount) {
    const auto handle = mount.create("a", O_RDWR);
    ASSERT_TRUE(handle) << handle.error().message;
    ASSERT_TRUE(mount.write(*handle, 0, bytes));
    EXPECT_EQ(*mount.read(*handle, 0, 300'000), string_of(bytes));
    EXPECT_TRUE(mount.fsync(*handle));
    mount.close(*handle);
  });
  world.on_mount(1, [&](SimMount& mount) {
    EXPECT_EQ(mount.stat("a")->size_bytes(), bytes.size());
    const auto handle = mount.open("a", O_RDONLY);
    ASSERT_TRUE(handle) << handle.error().message;
    EXPECT_EQ(*mount.read(*handle, 0, 300'000), string_of(bytes));
    mount.close(*handle);
  });
}

TEST(FsCluster, OneMountReadsWhatItWrote) {
  for_seeds(4, [](std::uint64_t seed) {
    FsWorld world(seed, {.mounts = 1});
    FsPrograms programs(world, {.steps = 150});
    programs.make_files();
    programs.start(0);
    programs.finish();
    programs.read_all(0);
  });
}

TEST(FsCluster, EachOfTwoMountsReadsWhatTheOtherWrote) {
  for_seeds(4, [](std::uint64_t seed) {
    FsWorld world(seed, {.mounts = 2, .file_servers = 3});
    FsPrograms programs(world, {.steps = 80});
    programs.make_files();
    for (const int mount : {0, 0, 1, 1}) programs.start(mount);
    programs.finish();
    for (const int mount : {0, 1}) programs.read_all(mount);
  });
}

// The newer lease reaches a file server before a read or a commit that was sent under the older one: neither fails, and
// no byte is said to be lost.
TEST(FsCluster, AReadIsAnsweredAlthoughAnotherProgramOfItsMountBeginsToWrite) {
  for_seeds(3, [](std::uint64_t seed) {
    FsWorld world(seed, {.mounts = 2});
    FsPrograms programs(world, {.steps = 150, .pause = 2ms, .paths = {"f0"}, .two_chunks = false, .cuts = false});
    programs.make_files();
    for (const int mount : {0, 0, 0, 1}) programs.start(mount);
    programs.finish();
  });
}

// A recall comes between the bytes and the commit: what the fsync sends under the lease that goes is not taken, and that is
// no loss.
TEST(FsCluster, AnFsyncFailsForNobodyBecauseOthersReadAndWrite) {
  for_seeds(4, [](std::uint64_t seed) {
    FsWorld world(seed, {.mounts = 2});
    FsPrograms programs(world, {.steps = 60, .pause = 2ms, .paths = {"f0"}, .two_chunks = false, .sync_writes = true});
    programs.make_files();
    for (const int mount : {0, 0, 1, 1}) programs.start(mount);
    programs.finish();
    programs.read_all(0);
  });
}

TEST(FsCluster, ReadsSeeTheLastWriteAlthoughMessagesGetLost) {
  for_seeds(4, [](std::uint64_t seed) {
    FsWorld world(seed, {.mounts = 2, .file_servers = 3});
    FsPrograms programs(world, {.steps = 50, .may_fail = true});
    programs.make_files();
    world.sim.network.faults.drop_request = 0.01;
    world.sim.network.faults.drop_reply = 0.01;
    world.sim.network.faults.duplicate = 0.02;
    for (const int mount : {0, 0, 1}) programs.start(mount);
    programs.finish();
    world.sim.network.faults = {};
    world.settle();
    for (const int mount : {0, 1}) programs.read_all(mount);
  });
}

// What crashes, and how: kill -9, or with the power.
void crash_while_programs_run(std::uint64_t seed, const std::function<SimServer&(FsWorld&)>& which, bool power) {
  FsWorld world(seed, {.mounts = 2, .file_servers = 3});
  FsPrograms programs(world, {.steps = 60, .pause = 200ms, .may_fail = true});
  programs.make_files();
  for (const int mount : {0, 0, 1}) programs.start(mount);
  for (int i = 0; i < 3 && programs.running(); ++i) {
    world.sim.scheduler.sleep_for(Duration(static_cast<std::int64_t>(world.sim.random.below(3'000'000'000))));
    const auto away = Duration(static_cast<std::int64_t>(world.sim.random.below(6'000'000'000)));
    SimServer& server = which(world);
    power ? world.lose_power(server, away) : FsWorld::crash(server, away);
  }
  programs.finish();
  world.settle();
  world.sim.scheduler.sleep_for(5s);
  for (const int mount : {0, 1}) programs.read_all(mount);
}

SimServer& any_file_server(FsWorld& world) { return *world.files[world.sim.random.below(world.files.size())]; }

TEST(FsCluster, AFileServerThatIsKilledLosesNothing) {
  for_seeds(4, [](std::uint64_t seed) { crash_while_programs_run(seed, any_file_server, false); });
}

TEST(FsCluster, NothingThatTwoMountsSyncIsLostWhenFileServersAreKilled) {
  for_seeds(2, [](std::uint64_t seed) {
    FsWorld world(seed, {.mounts = 2, .file_servers = 2});
    FsPrograms programs(world, {.steps = 60, .pause = 100ms, .paths = {"f0"}, .two_chunks = false, .may_fail = true,
                                .sync_writes = true});
    programs.make_files();
    for (const int mount : {0, 0, 1, 1}) programs.start(mount);
    while (programs.running()) {
      const auto up = Duration(static_cast<std::int64_t>(world.sim.random.below(1'500'000'000)));
      world.sim.scheduler.sleep_for(up);
      FsWorld::crash(any_file_server(world), Duration(static_cast<std::int64_t>(world.sim.random.below(300'000'000))));
    }
    programs.finish();
    world.settle();
    for (const int mount : {0, 1}) programs.read_all(mount);
  });
}

// The commit of what was sent waits for its file server; meanwhile another mount wants to write. Once the server is back
// the commit finds that it was restarted: those bytes are to be sent again, under this lease and not after it.
TEST(FsCluster, ALeaseIsNotGivenBackBeforeWhatARestartMadeDirtyIsSent) {
  for_seeds(4, [](std::uint64_t seed) {
    FsWorld world(seed, {.mounts = 2, .file_servers = 2});
    FsPrograms programs(world, {.paths = {"f0"}, .two_chunks = false});
    programs.make_files();
    const auto write = [&](SimMount& mount, int number, std::uint64_t at) {
      const auto handle = mount.open("f0", O_RDWR);
      ASSERT_TRUE(handle) << handle.error().message;
      const auto op = world.history("f0").begin(number, FileHistory::Kind::kWrite, {at, at + 4000});
      ASSERT_TRUE(mount.write(*handle, at, FileHistory::content(op, 4000)));
      world.history("f0").acknowledge(op);
      mount.close(*handle);
    };
    world.on_mount(0, [&](SimMount& mount) { write(mount, 0, 0); });
    world.sim.scheduler.sleep_for(Duration(5s) + Duration(world.sim.random.below(1'000'000'000)));  // sent, not committed
    for (auto& server : world.files) {
      server->kill();
      server->forget_run();
    }
    const auto other = world.mount(1).spawn("program", [&] {
      world.sim.scheduler.sleep_for(Duration(1s) + Duration(world.sim.random.below(1'000'000'000)));
      write(world.mount(1), 1, 2000);
    });
    world.sim.scheduler.sleep_for(2500ms);
    for (auto& server : world.files) server->restart();
    world.sim.scheduler.join(other);
    for (const int mount : {0, 1}) programs.read_all(mount);
  });
}

TEST(FsCluster, AFileServerWithoutPowerLosesNothingThatWasSynced) {
  for_seeds(4, [](std::uint64_t seed) { crash_while_programs_run(seed, any_file_server, true); });
}

TEST(FsCluster, ADirectoryServerThatIsKilledLosesNothing) {
  const auto dir = [](FsWorld& world) -> SimServer& { return world.dir; };
  for_seeds(4, [&](std::uint64_t seed) { crash_while_programs_run(seed, dir, false); });
}

TEST(FsCluster, ADirectoryServerWithoutPowerLosesNothingThatWasSynced) {
  const auto dir = [](FsWorld& world) -> SimServer& { return world.dir; };
  for_seeds(4, [&](std::uint64_t seed) { crash_while_programs_run(seed, dir, true); });
}

TEST(FsCluster, WhatWasCutDoesNotComeBackUnderANewEndThoughTheDirectoryServerForgotTheCut) {
  FsWorld world(1, {.mounts = 2});
  const std::uint64_t end = kChunkBytes + 50'000;
  std::uint64_t handle = 0;
  world.on_mount(0, [&](SimMount& mount) {
    handle = *mount.create("f", O_RDWR);
    for (const std::uint64_t at : {std::uint64_t{0}, end}) ASSERT_TRUE(mount.write(handle, at, Bytes(100'000, 'x')));
    ASSERT_TRUE(mount.fsync(handle));
    ASSERT_TRUE(mount.truncate("f", 10));
  });
  world.lose_power(world.dir, 200ms);
  world.on_mount(0, [&](SimMount& mount) {
    ASSERT_TRUE(mount.write(handle, 50'000, view_of("y")));
    ASSERT_TRUE(mount.fsync(handle));
  });
  world.on_mount(1, [&](SimMount& mount) {
    EXPECT_EQ(mount.stat("f")->size_bytes(), 50'001u);
    ASSERT_TRUE(mount.truncate("f", end + 100'000));
    const auto other = *mount.open("f", O_RDONLY);
    EXPECT_EQ(*mount.read(other, 0, 11), std::string("xxxxxxxxxx\0", 11));
    EXPECT_EQ(*mount.read(other, 49'999, 3), std::string("\0y\0", 3));
    EXPECT_EQ(*mount.read(other, 99'000, 5), std::string(5, '\0'));
    EXPECT_EQ(*mount.read(other, end + 1000, 5), std::string(5, '\0'));
    mount.close(other);
  });
}

TEST(FsCluster, ALockServerThatIsKilledLosesNothingThatWasSent) {
  const auto lock = [](FsWorld& world) -> SimServer& { return world.lock; };
  for_seeds(4, [&](std::uint64_t seed) { crash_while_programs_run(seed, lock, false); });
}

TEST(FsCluster, WhatAFullFileServerRefusesIsNotToldAfterTheLeaseWentBack) {
  FsWorld world(1, {.mounts = 2});
  std::uint64_t writer = 0;
  world.on_mount(0, [&](SimMount& mount) {
    writer = *mount.create("f", O_RDWR);
    for (auto& server : world.files) server->disk().set_capacity(1);
    const Bytes piece = FileHistory::content(1, 4096);
    for (std::uint64_t unit = 0; unit < 8; ++unit) ASSERT_TRUE(mount.write(writer, unit * kMaxIoBytes, piece));
  });
  world.on_mount(1, [&](SimMount& mount) {
    const auto other = mount.open("f", O_RDWR | O_TRUNC);
    ASSERT_TRUE(other) << other.error().message;
    EXPECT_EQ(mount.stat("f")->size_bytes(), 0u);
    mount.close(*other);
  });
  world.on_mount(0, [&](SimMount& mount) {
    world.sim.scheduler.sleep_for(10s);  // whatever was left would be told by now
    EXPECT_FALSE(mount.fsync(writer));
    mount.close(writer);
  });
  for (const int number : {0, 1}) {
    world.on_mount(number, [&](SimMount& mount) { EXPECT_EQ(mount.stat("f")->size_bytes(), 0u) << number; });
  }
}

TEST(FsCluster, ACopyFromBehindTheEndCopiesNothing) {
  FsWorld world(1, {.mounts = 1});
  world.on_mount(0, [](SimMount& mount) {
    const auto from = mount.create("from", O_RDWR);
    const auto to = mount.create("to", O_RDWR);
    ASSERT_TRUE(mount.write(*from, 0, FileHistory::content(1, 20'000)));
    const auto copy = [&](std::uint64_t offset) {
      return mount.run([&] { return mount.client().descriptors().copy({}, {*from, offset, *to, 0, 100'000}); });
    };
    EXPECT_EQ(*copy(0), 20'000);
    const auto nothing = copy(30'000);   // as far as this kernel knew, there was more
    ASSERT_TRUE(nothing) << name_of(nothing.error().code);
    EXPECT_EQ(*nothing, 0);
  });
}

TEST(FsCluster, WhatIsLostWithASessionIsToldOnceAsEio) {
  FsWorld world(1, {.mounts = 1});
  world.on_mount(0, [&](SimMount& mount) {
    const auto handle = mount.create("f", O_RDWR);
    world.sim.network.partition({mount.name()}, {world.lock.name(), world.dir.name(), world.files[0]->name(), world.files[1]->name()});
    ASSERT_TRUE(mount.write(*handle, 0, view_of("not durable")));
    world.sim.scheduler.sleep_for(30s);
    world.sim.network.heal();
    world.sim.scheduler.sleep_for(10s);
    const Status told = mount.fsync(*handle);
    ASSERT_FALSE(told);
    EXPECT_EQ(told.error().code, Errc::kIo) << name_of(told.error().code);
    EXPECT_TRUE(mount.fsync(*handle));
    mount.close(*handle);
  });
}

TEST(FsCluster, ARestartOfTheLockServerLosesNothing) {
  FsWorld world(1, {.mounts = 1});
  world.on_mount(0, [&](SimMount& mount) {
    const auto handle = mount.create("f", O_RDWR);
    ASSERT_TRUE(mount.write(*handle, 0, view_of("not durable")));
    world.lock.kill();
    world.lock.restart();
    world.sim.scheduler.sleep_for(30s);
    EXPECT_TRUE(mount.fsync(*handle));
    EXPECT_EQ(*mount.read(*handle, 0, 100), "not durable");
    mount.close(*handle);
  });
}

// The kernel believes that what it creates is new, and checks no permission.
TEST(FsCluster, ACreateThatMeetsTheFileOfSomebodyElseOpensNothing) {
  FsWorld world(1, {.mounts = 2});
  const client::NewNode node{"f", S_IFREG | 0600, 0, 0, {}};
  const auto create = [&](SimMount& mount, std::uint32_t uid, int flags) {
    client::InodePtr made;
    return mount.run([&]() -> Result<std::uint64_t> {
      return TRY(mount.client().descriptors().create(client::Caller{uid, uid, 1}, kRootInode, node, flags | O_CREAT, made)).open.handle;
    });
  };
  world.on_mount(0, [&](SimMount& mount) {
    const auto handle = create(mount, 1000, O_RDWR);
    ASSERT_TRUE(handle) << handle.error().message;
    ASSERT_TRUE(mount.write(*handle, 0, view_of("private")));
    mount.close(*handle);
  });
  world.on_mount(1, [&](SimMount& mount) {
    for (const int flags : {O_RDONLY, O_RDWR, O_WRONLY | O_TRUNC}) {
      const auto refused = create(mount, 1001, flags);
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code, Errc::kStale) << "so that the kernel looks it up again, and checks";
    }
    EXPECT_EQ(mount.stat("f")->size_bytes(), 7);
    const auto handle = create(mount, 1000, O_RDWR);   // its owner: nothing is left to check
    ASSERT_TRUE(handle) << handle.error().message;
    mount.close(*handle);
  });
}

}  // namespace
}  // namespace conclave::sim
