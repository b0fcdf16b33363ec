// The lock server is restarted, or a mount is cut off from it, while programs lock, write and wait: leases, locks and
// bytes outlive it, no lock is held twice, and who lost one is told before anything else succeeds.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "lockserver/session_table.h"
#include "tests/cluster/fs_programs.h"

namespace conclave::sim {
namespace {

using Type = client::LockRequest::Type;

// Programs that lock one file exclusively, write, sync and unlock; each with a descriptor of its own.
class LockPrograms {
 public:
  struct Mix {
    int steps = 25;
    Duration pause = 200ms;
    bool may_lose = false;   // sessions are lost; else every call must succeed
  };
  LockPrograms(FsWorld& world, Mix mix) : world_(world), mix_(mix) {
    world.on_mount(0, [&](SimMount& mount) {
      mount.close(*mount.create("locked", O_RDWR));
      EXPECT_TRUE(mount.sync_directory(""));
    });
  }
  void start(int mount) {
    ++running_;
    programs_.push_back(std::make_unique<Program>());
    Program& program = *programs_.back();
    program.mount = mount;
    program.number = programs_.size();
    program.flock = programs_.size() % 3 == 0;
    world_.mount(mount).spawn("locker", [this, &program] {
      for (int step = 0; step < mix_.steps && !testing::Test::HasFailure(); ++step) run(program);
      if (program.handle) world_.mount(program.mount).close(*program.handle);
      --running_;
    });
  }
  [[nodiscard]] bool running() const { return running_ != 0; }
  void finish() {
    for (int i = 0; i < 6000 && running_ != 0; ++i) world_.sim.scheduler.sleep_for(100ms);
    EXPECT_EQ(running_, 0) << "programs hang\n" << world_.sim.scheduler.last_events();
  }
  int lost = 0;

 private:
  struct Program {
    int mount = 0;
    std::uint64_t number = 0;
    bool flock = false;
    std::optional<std::uint64_t> handle;
    InodeId inode{};
    bool holds = false;
    bool must_fail = false;   // somebody else got the lock meanwhile
  };
  using Lock = client::LockRequest;

  Lock request(const Program& program, Type type) const {
    Lock out;
    out.inode = program.inode;
    out.handle = *program.handle;
    out.owner = program.number;
    out.flock = program.flock;
    out.type = type;
    out.end = 0x7fffffffffffffff;
    out.wait = type != Type::kUnlock;
    return out;
  }
  // False: the descriptor is of no use any more.
  bool fine(Program& program, const char* call, const Status& status) {
    if (status) return true;
    EXPECT_TRUE(mix_.may_lose) << "mount " << program.mount << ": " << call << ": " << status.error().message;
    lost += status.error().code == Errc::kIo;
    program.holds = program.must_fail = false;
    world_.mount(program.mount).close(*std::exchange(program.handle, std::nullopt));
    world_.sim.scheduler.sleep_for(50ms);
    return false;
  }
  void pause() {
    world_.sim.scheduler.sleep_for(Duration(static_cast<std::int64_t>(world_.sim.random.below(static_cast<std::uint64_t>(mix_.pause.count())))));
  }
  void now_holds(Program& program) {
    for (const auto& other : programs_) {
      if (other.get() == &program || !other->holds || other->flock != program.flock) continue;
      EXPECT_TRUE(mix_.may_lose) << "two programs hold the lock";
      other->must_fail = true;
      other->holds = false;
    }
    program.holds = true;
  }
  void run(Program& program) {
    SimMount& mount = world_.mount(program.mount);
    if (!program.handle) {
      const auto opened = mount.open("locked", O_RDWR);
      if (!opened) return world_.sim.scheduler.sleep_for(200ms);
      program.handle = *opened;
      program.inode = InodeId{mount.stat("locked")->inode()};
    }
    if (!fine(program, "lock", mount.lock(request(program, Type::kExclusive)))) return;
    now_holds(program);
    for (int i = 0; i < 3; ++i) {
      pause();
      const bool must_fail = program.must_fail;
      const bool sync = world_.sim.random.below(2) == 0;
      const Status done = sync ? mount.fsync(*program.handle) : Status(write(mount, program));
      EXPECT_FALSE(must_fail && done) << "mount " << program.mount << ": its lock was given to another, and nothing told it";
      if (!fine(program, sync ? "fsync" : "write", done)) return;
    }
    program.holds = false;
    fine(program, "unlock", mount.lock(request(program, Type::kUnlock)));
  }
  static Status write(SimMount& mount, const Program& program) {
    const auto written = mount.write(*program.handle, 8 * program.number, view_of("12345678"));
    return written ? Status() : Status(written.error());
  }

  FsWorld& world_;
  const Mix mix_;
  int running_ = 0;
  std::vector<std::unique_ptr<Program>> programs_;
};

void sleep_up_to(FsWorld& world, Duration most) {
  world.sim.scheduler.sleep_for(Duration(static_cast<std::int64_t>(world.sim.random.below(static_cast<std::uint64_t>(most.count())))));
}

TEST(FsReclaim, ARestartOfTheLockServerCostsNoLockAndNoError) {
  for_seeds(4, [](std::uint64_t seed) {
    FsWorld world(seed, {.mounts = 2});
    LockPrograms programs(world, {});
    for (const int mount : {0, 1, 0, 1, 0, 1}) programs.start(mount);
    while (programs.running() && !testing::Test::HasFailure()) {
      sleep_up_to(world, 4s);
      FsWorld::crash(world.lock, 10ms);
      if (world.sim.random.below(3) == 0) {   // once more, before all have come back
        sleep_up_to(world, 400ms);
        FsWorld::crash(world.lock, 10ms);
      }
      if (world.sim.clock.now() > MonoTime{} + 20min) break;
    }
    programs.finish();
  });
}

TEST(FsReclaim, WhatWasNotSentSurvivesARestartOfTheLockServer) {
  for_seeds(4, [](std::uint64_t seed) {
    FsWorld world(seed, {.mounts = 2, .file_servers = 3});
    FsPrograms programs(world, {.steps = 80, .pause = 100ms});
    programs.make_files();
    for (const int mount : {0, 0, 1}) programs.start(mount);
    while (programs.running() && !testing::Test::HasFailure()) {
      sleep_up_to(world, 3s);
      FsWorld::crash(world.lock, 10ms);
    }
    programs.finish();
    for (const int mount : {0, 1}) programs.read_all(mount);
  });
}

TEST(FsReclaim, NoLockIsHeldTwiceAndWhoLostOneIsToldBeforeAnythingElseSucceeds) {
  for_seeds(4, [](std::uint64_t seed) {
    FsWorld world(seed, {.mounts = 3, .term = 5s});
    LockPrograms programs(world, {.steps = 20, .pause = 2s, .may_lose = true});
    for (const int mount : {0, 1, 2, 0, 1, 2, 0, 1, 2}) programs.start(mount);
    for (int i = 0; i < 5 && programs.running(); ++i) {
      sleep_up_to(world, 6s);
      const std::string mount = world.mount(static_cast<int>(world.sim.random.below(3))).name();
      const bool crash = world.sim.random.below(2) == 0;
      if (world.sim.random.below(3) == 0) {
        world.sim.network.cut_one_way(mount, world.lock.name());
      } else {
        world.sim.network.partition({mount}, {world.lock.name()});
      }
      if (crash) FsWorld::crash(world.lock, 500ms);
      sleep_up_to(world, 15s);
      world.sim.network.heal();
    }
    programs.finish();
  });
}

TEST(FsReclaim, AnswersOfTheLockServerThatAreLostForLongAreNoErrorOfALock) {
  for_seeds(4, [](std::uint64_t seed) {
    FsWorld world(seed, {.mounts = 2, .term = 60s});
    LockPrograms programs(world, {});
    for (const int mount : {0, 1, 0, 1, 0, 1}) programs.start(mount);
    while (programs.running() && !testing::Test::HasFailure()) {
      sleep_up_to(world, 4s);
      const std::string mount = world.mount(static_cast<int>(world.sim.random.below(2))).name();
      world.sim.network.cut_one_way(world.lock.name(), mount);
      world.sim.scheduler.sleep_for(9s);   // the calls that are cut off now end 10 s after they began
      sleep_up_to(world, 6s);
      world.sim.network.heal();
    }
    programs.finish();
  });
}

struct FsReclaimOnce : testing::Test {
  FsWorld world{1, {.mounts = 2, .term = 30s}};
  std::uint64_t handle = 0;
  InodeId inode{};

  FsReclaimOnce() {
    world.on_mount(0, [&](SimMount& mount) {
      handle = *mount.create("f", O_RDWR);
      EXPECT_TRUE(mount.sync_directory(""));
      inode = InodeId{mount.stat("f")->inode()};
    });
  }
  client::LockRequest request(std::uint64_t at, Type type, bool wait) const {
    client::LockRequest out;
    out.inode = inode;
    out.handle = at;
    out.owner = at + 100;
    out.type = type;
    out.end = 0x7fffffffffffffff;
    out.wait = wait;
    return out;
  }
};

TEST_F(FsReclaimOnce, WithAllMountsThereTheLockServerGrantsAgainWithinTwoSecondsOfItsStart) {
  world.on_mount(0, [&](SimMount& mount) { ASSERT_TRUE(mount.write(handle, 0, view_of("before"))); });
  world.lock.kill();
  world.sim.scheduler.sleep_for(300ms);
  world.lock.restart();
  const MonoTime begin = world.sim.clock.now();
  world.on_mount(1, [&](SimMount& mount) {   // what needs a new lease, and the other's lease back
    const auto other = mount.open("f", O_RDWR);
    ASSERT_TRUE(other);
    EXPECT_EQ(*mount.read(*other, 0, 100), "before");
    ASSERT_TRUE(mount.write(*other, 0, view_of("after ")));
    EXPECT_TRUE(mount.lock(request(*other, Type::kExclusive, false)));
  });
  EXPECT_LT(world.sim.clock.now() - begin, 2s);
  world.on_mount(0, [&](SimMount& mount) { EXPECT_TRUE(mount.fsync(handle)); });
}

TEST_F(FsReclaimOnce, WhoWaitsForALockKeepsItsPlace) {
  std::vector<int> order;
  world.on_mount(0, [&](SimMount& mount) { ASSERT_TRUE(mount.lock(request(handle, Type::kExclusive, false))); });
  std::vector<SimScheduler::TaskId> waiters;
  for (int i = 0; i < 6; ++i) {
    SimMount& mount = world.mount(i % 2);
    waiters.push_back(mount.spawn("waiter", [&, i] {
      const auto own = mount.open("f", O_RDWR);
      EXPECT_TRUE(mount.lock(request(*own, Type::kExclusive, true)));
      order.push_back(i);
      EXPECT_TRUE(mount.lock(request(*own, Type::kUnlock, false)));
    }));
    world.sim.scheduler.sleep_for(500ms);
  }
  FsWorld::crash(world.lock, 200ms);
  world.sim.scheduler.sleep_for(5s);
  EXPECT_TRUE(order.empty());
  world.on_mount(0, [&](SimMount& mount) { ASSERT_TRUE(mount.lock(request(handle, Type::kUnlock, false))); });
  for (const auto waiter : waiters) world.sim.scheduler.join(waiter);
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4, 5}));
}

TEST_F(FsReclaimOnce, ALockServerThatIsFrozenForLongerThanATermCostsNobodyASession) {
  std::uint64_t written = 0;
  world.on_mount(0, [&](SimMount& mount) {
    ASSERT_TRUE(mount.lock(request(handle, Type::kExclusive, false)));
    ASSERT_TRUE(mount.write(handle, 0, view_of("kept")));
    written = *mount.create("written", O_RDWR);
    ASSERT_TRUE(mount.write(written, 0, view_of("unsent")));
  });
  world.lock.pause();
  world.sim.scheduler.sleep_for(50s);
  world.lock.resume();
  world.sim.scheduler.sleep_for(2s);
  world.on_mount(0, [&](SimMount& mount) {
    EXPECT_TRUE(mount.write(handle, 4, view_of("!")));
    EXPECT_TRUE(mount.fsync(handle));
    EXPECT_TRUE(mount.fsync(written));
  });
  world.on_mount(1, [&](SimMount& mount) {
    const auto other = mount.open("f", O_RDWR);
    EXPECT_EQ(mount.lock(request(*other, Type::kExclusive, false)).error().code, Errc::kWouldBlock);
  });
}

TEST_F(FsReclaimOnce, APageOfAMappingIsNotWrittenInAnotherSessionThanItIsOf) {
  const std::string page(4096, 'm'), newer(4096, 'n');
  std::uint64_t era = 0;
  world.on_mount(0, [&](SimMount& mount) {
    ASSERT_TRUE(mount.write(handle, 0, view_of(std::string(4096, 'o'))));
    ASSERT_TRUE(mount.fsync(handle));
    era = mount.client().leases().page_era(inode);
    EXPECT_TRUE(mount.write_page(handle, era, 0, view_of(page)));
    EXPECT_TRUE(mount.fsync(handle));
  });
  world.sim.network.partition({world.mount(0).name()}, {world.lock.name()});
  std::optional<Status> written;
  const auto waits = world.mount(0).spawn("kernel", [&] {   // once the session's end is near, the kernel's pages go
    world.sim.scheduler.sleep_for(35s);
    written = world.mount(0).write_page(handle, era, 0, view_of(page));
  });
  world.sim.scheduler.sleep_for(45s);
  world.on_mount(1, [&](SimMount& mount) {
    const auto other = mount.open("f", O_RDWR);
    EXPECT_TRUE(mount.write(*other, 0, view_of(newer)));
    EXPECT_TRUE(mount.fsync(*other));
  });
  world.sim.network.heal();
  world.sim.scheduler.join(waits);
  EXPECT_EQ(written->error().code, Errc::kIo);
  world.on_mount(1, [&](SimMount& mount) { EXPECT_TRUE(*mount.read(*mount.open("f", O_RDONLY), 0, 4096) == newer); });
  world.on_mount(0, [&](SimMount& mount) {
    EXPECT_EQ(mount.fsync(handle).error().code, Errc::kIo) << "the program hears of it";
    EXPECT_TRUE(mount.write_page(handle, mount.client().leases().page_era(inode), 0, view_of(page)));
    EXPECT_TRUE(mount.fsync(handle));
  });
}

TEST_F(FsReclaimOnce, WhoLosesItsSessionReadsNothingOldThroughTheDescriptorThatWrote) {
  std::uint64_t reader = 0;
  world.on_mount(0, [&](SimMount& mount) {
    ASSERT_TRUE(mount.write(handle, 0, view_of("old")));
    ASSERT_TRUE(mount.fsync(handle));
    ASSERT_TRUE(mount.write(handle, 0, view_of("new")));
    reader = *mount.open("f", O_RDONLY);
  });
  world.sim.network.partition({world.mount(0).name()}, {world.lock.name(), world.files[0]->name(), world.files[1]->name()});
  world.sim.scheduler.sleep_for(45s);
  world.sim.network.heal();
  world.sim.scheduler.sleep_for(5s);
  world.on_mount(0, [&](SimMount& mount) {
    EXPECT_EQ(*mount.read(reader, 0, 3), "old") << "another descriptor: nobody told it of anything newer";
    EXPECT_EQ(mount.read(handle, 0, 3).error().code, Errc::kIo);
    EXPECT_EQ(mount.read(handle, 0, 3).error().code, Errc::kIo);
    EXPECT_EQ(mount.fsync(handle).error().code, Errc::kIo);
    EXPECT_EQ(*mount.read(handle, 0, 3), "old");
  });
}

// What L did, and could not tell: a program that was interrupted meanwhile has no lock, and keeps none from others.
TEST_F(FsReclaimOnce, WhoIsInterruptedWhileTheLockServersAnswersAreLostHasNoLock) {
  for (const bool wait : {false, true}) {
    world.sim.network.cut_one_way(world.lock.name(), world.mount(0).name());
    world.on_mount(0, [&](SimMount& mount) {
      const Status locked = mount.lock(request(handle, Type::kExclusive, wait), world.sim.clock.now() + 12s);
      EXPECT_EQ(locked.error().code, Errc::kInterrupted);
    });
    world.sim.network.heal();
    world.sim.scheduler.sleep_for(5s);
    world.on_mount(1, [&](SimMount& mount) {
      const auto other = mount.open("f", O_RDWR);
      EXPECT_TRUE(mount.lock(request(*other, Type::kExclusive, false)));
      EXPECT_TRUE(mount.lock(request(*other, Type::kUnlock, false)));
      mount.close(*other);
    });
    world.on_mount(0, [&](SimMount& mount) {
      EXPECT_TRUE(mount.lock(request(handle, Type::kExclusive, true)));
      EXPECT_TRUE(mount.lock(request(handle, Type::kUnlock, false)));
    });
  }
}

// What was interrupted is freed at L later, whatever came of it there, and with it what its owner had in that range before.
TEST_F(FsReclaimOnce, AnInterruptedUpgradeWhoseAnswerIsLostLosesTheLockThatWasThereAndSaysSo) {
  std::uint64_t untouched = 0;
  world.on_mount(0, [&](SimMount& mount) {
    untouched = *mount.open("f", O_RDWR);
    ASSERT_TRUE(mount.write(handle, 0, view_of("v")));
    EXPECT_TRUE(mount.lock(request(handle, Type::kShared, false)));
  });
  world.sim.network.cut_one_way(world.lock.name(), world.mount(0).name());
  world.on_mount(0, [&](SimMount& mount) {
    const Status locked = mount.lock(request(handle, Type::kExclusive, true), world.sim.clock.now() + 12s);
    EXPECT_EQ(locked.error().code, Errc::kInterrupted);
  });
  world.sim.network.heal();
  world.sim.scheduler.sleep_for(5s);
  world.on_mount(0, [&](SimMount& mount) {
    EXPECT_EQ(mount.read(handle, 0, 1).error().code, Errc::kIo) << "its shared lock is gone";
    EXPECT_EQ(*mount.read(untouched, 0, 1), "v");
  });
  world.on_mount(1, [&](SimMount& mount) {
    const auto other = mount.open("f", O_RDWR);
    EXPECT_TRUE(mount.lock(request(*other, Type::kExclusive, false)));
  });
}

// Each keeps the number of its call until L has answered: there must be numbers left for who frees them.
TEST_F(FsReclaimOnce, MoreInterruptedLocksThanCallsMayBeInFlightAreAllFreed) {
  constexpr std::uint64_t kOwners = kSlotsPerSession + 10;
  world.sim.network.cut_one_way(world.lock.name(), world.mount(0).name());
  std::vector<SimScheduler::TaskId> programs;
  for (std::uint64_t owner = 1; owner <= kOwners; ++owner) {
    programs.push_back(world.mount(0).spawn("program", [&, owner] {
      client::LockRequest byte = request(handle, Type::kExclusive, false);
      byte.owner = owner;
      byte.start = byte.end = owner;
      EXPECT_EQ(world.mount(0).lock(byte, world.sim.clock.now() + 12s).error().code, Errc::kInterrupted);
    }));
  }
  for (const auto program : programs) world.sim.scheduler.join(program);
  world.sim.network.heal();
  world.sim.scheduler.sleep_for(20s);
  for (const int which : {1, 0}) {
    world.on_mount(which, [&](SimMount& mount) {
      const auto other = mount.open("f", O_RDWR);
      EXPECT_TRUE(mount.lock(request(*other, Type::kExclusive, false)));
      EXPECT_TRUE(mount.lock(request(*other, Type::kUnlock, false)));
    });
  }
}

TEST_F(FsReclaimOnce, AWaitWhoseEndIsNotAnsweredIsEndedLater) {
  std::uint64_t other = 0;
  world.on_mount(1, [&](SimMount& mount) {
    other = *mount.open("f", O_RDWR);
    EXPECT_TRUE(mount.lock(request(other, Type::kExclusive, false)));
  });
  const auto waiter = world.mount(0).spawn("waiter", [&] {
    const Status locked = world.mount(0).lock(request(handle, Type::kExclusive, true), world.sim.clock.now() + 5s);
    EXPECT_EQ(locked.error().code, Errc::kInterrupted);
  });
  world.sim.scheduler.sleep_for(4s);
  world.sim.network.partition({world.mount(0).name()}, {world.lock.name()});
  world.sim.scheduler.join(waiter);
  world.sim.network.heal();
  world.sim.scheduler.sleep_for(5s);
  world.on_mount(1, [&](SimMount& mount) {
    EXPECT_TRUE(mount.lock(request(other, Type::kUnlock, false)));
    EXPECT_TRUE(mount.lock(request(other, Type::kExclusive, false))) << "nobody waits for it any more";
  });
}

TEST_F(FsReclaimOnce, AMountThatDoesNotComeBackIsWaitedForAndNoLonger) {
  world.on_mount(0, [&](SimMount& mount) { ASSERT_TRUE(mount.lock(request(handle, Type::kExclusive, false))); });
  world.mount(0).kill();
  FsWorld::crash(world.lock, 200ms);
  const MonoTime begin = world.sim.clock.now();
  world.on_mount(1, [&](SimMount& mount) {
    const auto other = mount.open("f", O_RDWR);
    ASSERT_TRUE(other);
    EXPECT_TRUE(mount.lock(request(*other, Type::kExclusive, false)));
  });
  const lock::SessionTerm term{30s};
  EXPECT_GT(world.sim.clock.now() - begin, term.term);
  EXPECT_LT(world.sim.clock.now() - begin, term.at_server() + 5s);
  world.mount(0).restart();
}

TEST_F(FsReclaimOnce, ADescriptorWhoseLockIsLostFailsUntilItIsClosed) {
  std::uint64_t unlocked = 0, reopened = 0;
  world.on_mount(0, [&](SimMount& mount) {
    unlocked = *mount.open("f", O_RDWR);
    ASSERT_TRUE(mount.write(handle, 0, view_of("v")));   // of an empty file the kernel reads nothing here
    ASSERT_TRUE(mount.fsync(handle));
    ASSERT_TRUE(mount.lock(request(handle, Type::kExclusive, false)));
  });
  world.sim.network.partition({world.mount(0).name()}, {world.lock.name()});
  world.sim.scheduler.sleep_for(45s);
  world.sim.network.heal();
  world.sim.scheduler.sleep_for(5s);
  world.on_mount(0, [&](SimMount& mount) {
    EXPECT_EQ(mount.write(handle, 0, view_of("x")).error().code, Errc::kIo);
    EXPECT_EQ(mount.read(handle, 0, 1).error().code, Errc::kIo);
    EXPECT_EQ(mount.fsync(handle).error().code, Errc::kIo);
    EXPECT_EQ(mount.truncate(handle, 0).error().code, Errc::kIo) << "SQLite that rolls back would cut what others wrote";
    EXPECT_EQ(mount.allocate(handle, {.range = {0, 8192}}).error().code, Errc::kIo);
    EXPECT_EQ(mount.lock(request(handle, Type::kExclusive, false)).error().code, Errc::kIo);
    EXPECT_TRUE(mount.lock(request(handle, Type::kUnlock, false)));
    EXPECT_EQ(mount.write(handle, 0, view_of("x")).error().code, Errc::kIo) << "it stays so";
    EXPECT_TRUE(mount.write(unlocked, 0, view_of("y"))) << "no lock was taken through it";
    mount.close(handle);
    reopened = *mount.open("f", O_RDWR);
    EXPECT_TRUE(mount.lock(request(reopened, Type::kExclusive, false)));
    EXPECT_TRUE(mount.write(reopened, 0, view_of("z")));
    EXPECT_TRUE(mount.fsync(reopened));
  });
}

TEST_F(FsReclaimOnce, AFileThatIsRemovedAndStillOpenOutlivesARestartOfTheLockServer) {
  world.on_mount(0, [&](SimMount& mount) {
    ASSERT_TRUE(mount.write(handle, 0, view_of("still here")));
    ASSERT_TRUE(mount.fsync(handle));
  });
  world.on_mount(1, [&](SimMount& mount) { ASSERT_TRUE(mount.unlink("f")); });
  world.sim.scheduler.sleep_for(1s);
  FsWorld::crash(world.lock, 200ms);
  world.sim.scheduler.sleep_for(40s);   // D frees what nobody uses
  world.on_mount(0, [&](SimMount& mount) { EXPECT_EQ(*mount.read(handle, 0, 100), "still here"); });
}

}  // namespace
}  // namespace conclave::sim
