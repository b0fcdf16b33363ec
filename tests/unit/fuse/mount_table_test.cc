#include "fuse/mount_table.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace conclave::fuse_fs {
namespace {

constexpr std::string_view kTable =
    "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
    "31 22 0:28 / /mnt/a\\040b rw,nosuid shared:7 master:2 - fuse.conclave conclave:12ab rw,user_id=0\n"
    "32 31 0:29 / /mnt/a\\040b rw - tmpfs tmp\\134fs rw\n"
    "33 22 0:30 / /mnt/line\\012end rw - tmpfs none rw\n";

TEST(MountTable, ReadsPathTypeAndSource) {
  const auto mounts = parse_mountinfo(kTable);
  ASSERT_EQ(mounts.size(), 4u);
  EXPECT_EQ(mounts[0].path, "/");
  EXPECT_EQ(mounts[0].type, "ext4");
  EXPECT_EQ(mounts[0].source, "/dev/vda");
  EXPECT_EQ(mounts[1].path, "/mnt/a b");
  EXPECT_EQ(mounts[1].type, "fuse.conclave");
  EXPECT_EQ(mounts[1].device, "0:28");
  EXPECT_EQ(mounts[2].source, "tmp\\fs");
  EXPECT_EQ(mounts[3].path, "/mnt/line\nend");
}

// Anybody may mount a FUSE daemon of their own under any name; a login is not handed to it.
TEST(MountTable, TellsWhoseDaemonAMountIs) {
  const auto mounts = parse_mountinfo(
      "31 22 0:28 / /mnt/a rw - fuse.conclave conclave:12ab rw,user_id=0,group_id=0,allow_other\n"
      "32 22 0:29 / /tmp/b rw - fuse.conclave conclave:12ab rw,group_id=0,user_id=1000,user_id=x\n"
      "33 22 0:30 / /tmp/c rw - tmpfs conclave:12ab rw,user_idx=0\n"
      "34 22 0:31 / /tmp/d rw - fuse.conclave conclave:12ab\n");
  ASSERT_EQ(mounts.size(), 4u);
  EXPECT_EQ(mounts[0].owner, 0u);
  EXPECT_EQ(mounts[1].owner, 1000u);
  EXPECT_FALSE(mounts[2].owner);
  EXPECT_FALSE(mounts[3].owner);
}

TEST(MountTable, TheLastMountOfAPathIsOnTop) {
  const auto mounts = parse_mountinfo(kTable);
  EXPECT_EQ(mounted_at(mounts, "/mnt/a b")->type, "tmpfs");
  EXPECT_FALSE(mounted_at(mounts, "/mnt"));
  EXPECT_FALSE(mounted_at(mounts, "/mnt/a b/"));
}

TEST(MountTable, AnyTruncationIsReadWithoutHarm) {
  for (std::size_t size = 0; size < kTable.size(); ++size) {
    EXPECT_LE(parse_mountinfo(kTable.substr(0, size)).size(), 4u);
  }
}

TEST(MountTable, NamesAPlaceAsTheKernelDoes) {
  std::string made = (std::filesystem::temp_directory_path() / "mount-table-XXXXXX").string();
  ASSERT_NE(mkdtemp(made.data()), nullptr);
  const std::string folder = std::filesystem::canonical(made).string();
  std::filesystem::create_directory(folder + "/real");
  std::filesystem::create_directory_symlink("real", folder + "/link");
  std::filesystem::create_directory_symlink(folder + "/link", folder + "/again");
  std::filesystem::create_directory_symlink("loop", folder + "/loop");
  EXPECT_EQ(mount_point_of(folder + "/real/"), folder + "/real");
  EXPECT_EQ(mount_point_of(folder + "/again"), folder + "/real");
  EXPECT_EQ(mount_point_of(folder + "/again/new"), folder + "/real/new");
  EXPECT_EQ(mount_point_of(folder + "/none/./x/.."), folder + "/none");
  EXPECT_EQ(mount_point_of(folder + "/loop"), folder + "/loop");
  EXPECT_EQ(mount_point_of("/"), "/");
  std::filesystem::remove_all(folder);
}

TEST(MountTable, UsersOpenTheirMountsToOthersOnlyByALineOfItsOwn) {
  EXPECT_TRUE(users_may_allow_other("# the file\nmount_max = 9\nuser_allow_other\n"));
  EXPECT_TRUE(users_may_allow_other("user_allow_other"));
  EXPECT_FALSE(users_may_allow_other("#user_allow_other\n"));
  EXPECT_FALSE(users_may_allow_other("user_allow_other = no\n user_allow_other\n"));
  EXPECT_FALSE(users_may_allow_other(""));
}

TEST(MountTable, KnowsThisMachinesRoot) { EXPECT_TRUE(mounted_at(current_mounts(), "/")); }

}  // namespace
}  // namespace conclave::fuse_fs
