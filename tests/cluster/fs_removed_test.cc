// Files that are removed while a program has them open: there until the last close, on any mount, and gone then.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "tests/cluster/fs_world.h"

namespace conclave::sim {
namespace {

struct FsRemoved : testing::Test {
  FsWorld world{1, {.mounts = 2}};
  std::uint64_t handle = 0;   // on mount 0
  std::uint64_t inode = 0;

  FsRemoved() {
    world.on_mount(0, [&](SimMount& mount) {
      const auto made = mount.create("f", O_RDWR);
      ASSERT_TRUE(made) << made.error().message;
      handle = *made;
      ASSERT_TRUE(mount.write(handle, 0, view_of("content")));
      ASSERT_TRUE(mount.fsync(handle));
      inode = mount.stat("f")->inode();
    });
  }
  void remove() {
    world.on_mount(1, [&](SimMount& mount) { EXPECT_TRUE(mount.unlink("f")); });
  }
  void write_elsewhere() {
    world.on_mount(1, [&](SimMount& mount) {
      const auto other = mount.open("f", O_WRONLY);
      ASSERT_TRUE(other) << other.error().message;
      EXPECT_TRUE(mount.write(*other, 0, view_of("CONTENT")));
      mount.close(*other);
    });
  }
  void expect_read(const std::string& text) {
    world.on_mount(0, [&](SimMount& mount) {
      const auto read = mount.read(handle, 0, 100);
      ASSERT_TRUE(read) << name_of(read.error().code) << ": " << read.error().message;
      EXPECT_EQ(*read, text);
    });
  }
  // D has it no more.
  bool is_freed() {
    world.mount(1).client().names().forget(InodeId{inode}, 1000);   // as the kernel does there
    world.sim.scheduler.sleep_for(10s);
    bool freed = false;
    world.on_mount(1, [&](SimMount& mount) {
      dir::v1::GetAttrRequest request;
      request.add_inodes(inode);
      const auto answer = mount.client().servers().dir()->get_attr(request);
      ASSERT_TRUE(answer) << answer.error().message;
      freed = answer->entries_size() == 0;
    });
    return freed;
  }
  void close() {
    world.on_mount(0, [&](SimMount& mount) { mount.close(handle); });
  }
};

TEST_F(FsRemoved, IsThereUntilItsLastClose) {
  remove();
  EXPECT_FALSE(is_freed());
  expect_read("content");
  close();
  EXPECT_TRUE(is_freed());
}

TEST_F(FsRemoved, IsFreedAlthoughItWasNotTouchedSinceItsLeaseWentBackAsOpen) {
  write_elsewhere();
  close();
  remove();
  EXPECT_TRUE(is_freed());
}

TEST_F(FsRemoved, IsFreedWhenTheLockServerWasAwayAtItsLastClose) {
  remove();
  world.sim.network.partition({"mount0"}, {world.lock.name()});
  close();
  world.sim.scheduler.sleep_for(2s);
  world.sim.network.heal();
  EXPECT_TRUE(is_freed());
}

TEST_F(FsRemoved, OutlivesARestartOfTheLockServer) {
  remove();
  FsWorld::crash(world.lock, 1s);
  world.settle();
  world.sim.scheduler.sleep_for(60s);
  EXPECT_FALSE(is_freed());
  expect_read("content");
  close();
  EXPECT_TRUE(is_freed());
}

TEST_F(FsRemoved, IsKnownToBeOpenAlthoughItWasNotTouchedSinceTheLockServerRestarted) {
  FsWorld::crash(world.lock, 1s);
  world.settle();
  world.sim.scheduler.sleep_for(60s);
  remove();
  EXPECT_FALSE(is_freed());
  expect_read("content");
  close();
  EXPECT_TRUE(is_freed());
}

}  // namespace
}  // namespace conclave::sim
