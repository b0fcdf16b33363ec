// A directory server whose database somebody changed: what it says of secrets is not believed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/sqlite.h"
#include "tests/cluster/fs_world.h"

namespace conclave::sim {
namespace {

constexpr auto kWriteNew = O_WRONLY | O_CREAT;

struct Lying : testing::Test {
  FsWorld world{1, {}};

  void SetUp() override {
    world.settle();
    world.on_mount(0, [](SimMount& mount) {
      ASSERT_TRUE(mount.make_directory("secrets/prod"));
      ASSERT_TRUE(mount.make_directory("plain"));
      ASSERT_TRUE(mount.sync_directory(""));
    });
  }
  // D says otherwise from now on, to a mount that has seen nothing yet.
  void change(const std::string& sql) {
    world.mount(0).kill();
    world.dir.kill();
    {
      const SqliteVfs vfs(world.dir.disk());
      auto database = Database::open(vfs, "data/dir.db", Database::Access::kReadWrite);
      ASSERT_TRUE(database) << database.error().message;
      ASSERT_TRUE((*database)->exec(sql));
    }
    world.dir.restart();
    world.mount(0).restart();
    world.settle();
  }
  static std::string named(const std::string& name) {
    return "(SELECT inode FROM names WHERE name = CAST('" + name + "' AS BLOB))";
  }
  template <class Value>
  static std::optional<Errc> code_of(const Result<Value>& result) {
    return result ? std::nullopt : std::optional(result.error().code);
  }
};

TEST_F(Lying, SecretsThatAreCalledPlainAreNotWrittenInTheClear) {
  change("UPDATE nodes SET class = 0 WHERE class = 1");
  world.on_mount(0, [](SimMount& mount) {
    EXPECT_EQ(code_of(mount.stat("secrets")), Errc::kCorrupt);
    EXPECT_EQ(code_of(mount.create("secrets/prod/db", kWriteNew)), Errc::kCorrupt);
    EXPECT_EQ(code_of(mount.create("plain/f", kWriteNew)), std::nullopt);
  });
}

TEST_F(Lying, AFolderOfSecretsThatIsCalledALinkIsNotFollowed) {
  change("UPDATE nodes SET mode = (mode & 4095) | " + std::to_string(S_IFLNK) + " WHERE inode IN " + named("prod"));
  world.on_mount(0, [](SimMount& mount) {
    EXPECT_EQ(code_of(mount.stat("secrets")), std::nullopt);
    EXPECT_EQ(code_of(mount.stat("secrets/prod")), Errc::kCorrupt);
  });
}

TEST_F(Lying, APlainFolderThatIsCalledSecretIsNone) {
  change("UPDATE nodes SET class = 1 WHERE inode IN " + named("plain"));
  world.on_mount(0, [](SimMount& mount) { EXPECT_EQ(code_of(mount.stat("plain")), Errc::kCorrupt); });
}

}  // namespace
}  // namespace conclave::sim
