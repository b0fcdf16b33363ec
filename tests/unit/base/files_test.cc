#include "base/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/sim_files.h"

namespace conclave {
namespace {

// A folder of its own on the real disk, gone afterwards.
class SystemFilesTest : public testing::Test {
 protected:
  SystemFilesTest() {
    std::string pattern = testing::TempDir() + "conclave_files_XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~SystemFilesTest() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string in(const std::string& name) const { return folder_ + "/" + name; }

  SystemFiles files_;
  std::string folder_;
};

TEST_F(SystemFilesTest, ReadsBackWhatWasWrittenAtItsOffset) {
  auto file = std::move(*files_.open(in("a"), OpenMode::kCreateNew));
  ASSERT_TRUE(file->write_at(10, view_of("hello")));
  ASSERT_TRUE(file->sync());
  EXPECT_EQ(*file->size(), 15u);
  Bytes out(20, 0xff);
  EXPECT_EQ(*file->read_at(8, out), 7u);
  EXPECT_EQ(string_of(ByteView(out).first(7)), std::string("\0\0hello", 7));
  ASSERT_TRUE(file->truncate(12));
  EXPECT_EQ(*file->size(), 12u);
  EXPECT_EQ(*file->read_at(12, out), 0u);
}

TEST_F(SystemFilesTest, AllocatedAndPunchedRangesReadAsZeros) {
  auto file = std::move(*files_.open(in("a"), OpenMode::kCreate));
  ASSERT_TRUE(file->allocate(0, 16384));
  EXPECT_EQ(*file->size(), 16384u);
  ASSERT_TRUE(file->write_at(0, Bytes(16384, 7)));
  ASSERT_TRUE(file->punch(4096, 8192));
  EXPECT_EQ(*file->size(), 16384u);
  Bytes out(16384);
  EXPECT_EQ(*file->read_at(0, out), 16384u);
  EXPECT_EQ(std::count(out.begin(), out.end(), 0), 8192);
}

TEST_F(SystemFilesTest, OpenModesSayWhatMustBeThere) {
  EXPECT_EQ(files_.open(in("a"), OpenMode::kRead).error().code, Errc::kNotFound);
  EXPECT_EQ(files_.open(in("a"), OpenMode::kReadWrite).error().code, Errc::kNotFound);
  EXPECT_TRUE(files_.open(in("a"), OpenMode::kCreateNew));
  EXPECT_EQ(files_.open(in("a"), OpenMode::kCreateNew).error().code, Errc::kExists);
  EXPECT_TRUE(files_.open(in("a"), OpenMode::kCreate));
  EXPECT_EQ(files_.open(folder_, OpenMode::kReadWrite).error().code, Errc::kIsDirectory);
}

TEST_F(SystemFilesTest, ErrorsNameThePathAndTheReason) {
  const Error error = files_.open(in("none/a"), OpenMode::kCreate).error();
  EXPECT_EQ(error.message, "open " + in("none/a") + ": No such file or directory");
  auto file = std::move(*files_.open("/dev/full", OpenMode::kReadWrite));
  const Status full = file->write_at(0, view_of("x"));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Errc::kNoSpace);
  EXPECT_EQ(full.error().message, "write /dev/full: No space left on device");
}

TEST_F(SystemFilesTest, OnlyTheOwnerMayReadWhatIsMade) {
  ASSERT_TRUE(files_.make_folders(in("x/y/z/")));
  ASSERT_TRUE(files_.write_all(in("x/y/z/key"), "secret"));
  struct stat found {};
  ASSERT_EQ(stat(in("x/y").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0700u);
  ASSERT_EQ(stat(in("x/y/z/key").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
}

TEST_F(SystemFilesTest, MakingFoldersAgainIsFineAndThroughAFileIsNot) {
  ASSERT_TRUE(files_.make_folders(in("a/b")));
  EXPECT_TRUE(files_.make_folders(in("a/b")));
  ASSERT_TRUE(files_.write_all(in("file"), ""));
  EXPECT_EQ(files_.make_folders(in("file")).error().code, Errc::kNotDirectory);
  EXPECT_EQ(files_.make_folders(in("file/b")).error().code, Errc::kNotDirectory);
}

TEST_F(SystemFilesTest, ListsSortedAndRemovesAndRenames) {
  for (const char* name : {"c", "a", "b"}) ASSERT_TRUE(files_.write_all(in(name), name));
  ASSERT_TRUE(files_.rename(in("a"), in("z")));
  ASSERT_TRUE(files_.remove(in("b")));
  ASSERT_TRUE(files_.sync_folder(folder_));
  EXPECT_EQ(*files_.list(folder_), (std::vector<std::string>{"c", "z"}));
  EXPECT_FALSE(*files_.exists(in("a")));
  EXPECT_TRUE(*files_.exists(in("z")));
  EXPECT_EQ(files_.remove(in("b")).error().code, Errc::kNotFound);
  EXPECT_EQ(files_.list(in("none")).error().code, Errc::kNotFound);
}

TEST_F(SystemFilesTest, LockIsHeldByOneAndEndsWithItsFile) {
  auto held = std::move(*files_.lock_exclusively(in("lock")));
  EXPECT_EQ(files_.lock_exclusively(in("lock")).error().code, Errc::kBusy);
  held.reset();
  EXPECT_TRUE(files_.lock_exclusively(in("lock")));
}

TEST_F(SystemFilesTest, SpaceIsPlausible) {
  const DiskSpace space = *files_.space(folder_);
  EXPECT_GT(space.total_bytes, 0u);
  EXPECT_LE(space.free_bytes, space.total_bytes);
}

TEST(Files, FolderOfAPath) {
  EXPECT_EQ(folder_of("a/b/c"), "a/b");
  EXPECT_EQ(folder_of("c"), ".");
  EXPECT_EQ(folder_of("/c"), "/");
  EXPECT_EQ(folder_of("/"), "/");
}

TEST(Files, ReadAllRefusesMoreThanAsked) {
  sim::SimFiles files;
  ASSERT_TRUE(files.write_all("/a", "12345"));
  EXPECT_EQ(*files.read_all("/a", 5), "12345");
  EXPECT_EQ(files.read_all("/a", 4).error().code, Errc::kMessageTooBig);
  EXPECT_EQ(files.read_all("/b", 4).error().code, Errc::kNotFound);
}

TEST(Files, WriteAllSurvivesPowerLossOnceItReturned) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    sim::SimFiles files(seed);
    ASSERT_TRUE(files.write_all("/a", "old"));
    ASSERT_TRUE(files.write_all("/a", "new"));
    files.crash();
    EXPECT_EQ(*files.read_all("/a", 100), "new");
  }
}

TEST(Files, WriteAllCutShortLeavesTheOldOrTheNewAndIsRepeatable) {
  const std::string old_content(5000, 'o');
  const std::string new_content(3000, 'n');
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    for (std::uint64_t nth = 1; nth <= 2; ++nth) {
      sim::SimFiles files(seed);
      ASSERT_TRUE(files.write_all("/a", old_content));
      files.cut_power_at_sync(nth);
      EXPECT_FALSE(files.write_all("/a", new_content));
      files.crash();
      const std::string content = *files.read_all("/a", 10000);
      EXPECT_TRUE(content == old_content || content == new_content) << seed;
      ASSERT_TRUE(files.write_all("/a", new_content));
      EXPECT_EQ(*files.read_all("/a", 10000), new_content);
    }
  }
}

TEST(Files, WriteAllOnAFullDiskKeepsTheOldAndLeavesNothing) {
  sim::SimFiles files;
  ASSERT_TRUE(files.write_all("/a", "old"));
  files.set_capacity(4096);
  EXPECT_EQ(files.write_all("/a", "new").error().code, Errc::kNoSpace);
  EXPECT_EQ(*files.read_all("/a", 100), "old");
  EXPECT_EQ(*files.list("/"), std::vector<std::string>{"a"});
}

}  // namespace
}  // namespace conclave
