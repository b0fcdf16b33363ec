// flock and fcntl locks of programs on mounts of a simulated cluster.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>

#include "tests/cluster/fs_world.h"

namespace conclave::sim {
namespace {

using Type = client::LockRequest::Type;

template <class T>
T must(Result<T> result) {
  EXPECT_TRUE(result) << result.error().message;
  return std::move(result).value();
}

struct FsLocks : testing::Test {
  FsWorld world{1, {.mounts = 2, .term = 60s}};
  InodeId inode{};
  std::array<std::uint64_t, 2> handles{};   // of each mount, on the file "f"

  FsLocks() {
    world.on_mount(0, [&](SimMount& mount) {
      handles[0] = must(mount.create("f", O_RDWR));
      ASSERT_TRUE(mount.sync_directory(""));
    });
    world.on_mount(1, [&](SimMount& mount) {
      handles[1] = must(mount.open("f", O_RDWR));
      inode = InodeId{must(mount.stat("f")).inode()};
    });
  }
  [[nodiscard]] client::LockRequest request(int mount, Type type, bool wait, std::uint64_t owner = 7) const {
    client::LockRequest out;
    out.inode = inode;
    out.handle = handles[static_cast<std::size_t>(mount)];
    out.owner = owner;
    out.type = type;
    out.end = 0x7fffffffffffffff;
    out.wait = wait;
    return out;
  }
  Status lock(int mount, Type type, bool wait = false) {
    Status out;
    world.on_mount(mount, [&](SimMount& on) { out = on.lock(request(mount, type, wait)); });
    return out;
  }
  bool is_locked_elsewhere(int mount) {
    const Status tried = lock(mount, Type::kExclusive);
    if (!tried) return tried.error().code == Errc::kWouldBlock;
    EXPECT_TRUE(lock(mount, Type::kUnlock));
    return false;
  }
};

TEST_F(FsLocks, AWaitForALockOutlivesTheLockServer) {
  ASSERT_TRUE(lock(0, Type::kExclusive));
  bool granted = false;
  const auto waiter = world.mount(1).spawn("waiter", [&] {
    EXPECT_TRUE(world.mount(1).lock(request(1, Type::kExclusive, true)));
    granted = true;
  });
  world.sim.scheduler.sleep_for(1s);
  EXPECT_FALSE(granted);
  FsWorld::crash(world.lock, 1s);
  world.sim.scheduler.sleep_for(5s);
  EXPECT_FALSE(granted);
  EXPECT_TRUE(lock(0, Type::kUnlock));
  world.sim.scheduler.join(waiter);
  EXPECT_TRUE(granted);
  EXPECT_TRUE(is_locked_elsewhere(0));
}

TEST_F(FsLocks, ALockIsTheFirstCallAfterTheLockServerRestarted) {
  FsWorld::crash(world.lock, 1s);
  world.settle();
  EXPECT_TRUE(lock(0, Type::kExclusive));
  EXPECT_TRUE(is_locked_elsewhere(1));
}

TEST_F(FsLocks, ALockThatIsAskedForWhileTheLockServerIsAwayIsGrantedWhenItIsBack) {
  world.lock.kill();
  Status locked = Errc::kUnknown;
  const auto program = world.mount(0).spawn("program", [&] { locked = world.mount(0).lock(request(0, Type::kShared, false)); });
  world.sim.scheduler.sleep_for(15s);
  world.lock.restart();
  world.sim.scheduler.join(program);
  EXPECT_TRUE(locked);
}

// A child has inherited the descriptor that its parent closed: its own close takes nothing of the parent's.
TEST_F(FsLocks, ACloseInAChildDropsNoLockThatItsParentTookElsewhere) {
  constexpr std::uint64_t kParent = 7;
  world.on_mount(0, [&](SimMount& mount) {
    ASSERT_TRUE(mount.lock(request(0, Type::kExclusive, false, kParent)));
    ASSERT_TRUE(mount.lock(request(0, Type::kUnlock, false, kParent)));
    ASSERT_TRUE(mount.client().descriptors().flush(handles[0], kParent));
    const std::uint64_t inherited = std::exchange(handles[0], must(mount.open("f", O_RDWR)));
    ASSERT_TRUE(mount.lock(request(0, Type::kExclusive, false, kParent)));
    mount.close(inherited);
  });
  EXPECT_TRUE(is_locked_elsewhere(1));
  world.on_mount(0, [&](SimMount& mount) { EXPECT_TRUE(mount.client().descriptors().flush(handles[0], kParent)); });
  EXPECT_FALSE(is_locked_elsewhere(1));
}

TEST_F(FsLocks, ALockWhoseOwnerClosedWhileTheLockServerWasAwayIsGivenUpLater) {
  ASSERT_TRUE(lock(0, Type::kExclusive));
  world.sim.network.cut_one_way(world.mount(0).name(), world.lock.name());
  world.on_mount(0, [&](SimMount& mount) {
    EXPECT_TRUE(mount.client().descriptors().flush(handles[0], 7));   // close(2)
  });
  world.sim.network.heal();
  world.sim.scheduler.sleep_for(2s);
  EXPECT_FALSE(is_locked_elsewhere(1));
}

}  // namespace
}  // namespace conclave::sim
