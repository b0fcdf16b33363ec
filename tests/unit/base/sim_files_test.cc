// The simulated disk itself: what it keeps, and what it may lose.
#include <gtest/gtest.h>

#include "tests/support/sim_files.h"

namespace conclave::sim {
namespace {

std::string content_of(SimFiles& files, const std::string& path) {
  auto content = files.read_all(path, 1 << 20);
  return content ? *content : "(" + std::string(name_of(content.error().code)) + ")";
}

Status write(SimFiles& files, const std::string& path, const std::string& text, bool synced) {
  auto file = TRY(files.open(path, OpenMode::kCreate));
  TRY(file->write_at(0, view_of(text)));
  if (synced) TRY(file->sync());
  return {};
}

TEST(SimFiles, SyncedContentAndNameSurviveEveryCrash) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    SimFiles files(seed);
    ASSERT_TRUE(write(files, "/a", "kept", true));
    ASSERT_TRUE(files.sync_folder("/"));
    files.crash();
    EXPECT_EQ(content_of(files, "/a"), "kept") << seed;
  }
}

TEST(SimFiles, UnsyncedContentIsLostForSomeSeedAndKeptForAnother) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SimFiles files(seed);
    ASSERT_TRUE(write(files, "/a", "old", true));
    ASSERT_TRUE(files.sync_folder("/"));
    ASSERT_TRUE(write(files, "/a", "new", false));
    EXPECT_EQ(content_of(files, "/a"), "new");
    files.crash();
    seen.insert(content_of(files, "/a"));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"old", "new"}));
}

TEST(SimFiles, UnsyncedNameIsLostForSomeSeedAndKeptForAnother) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SimFiles files(seed);
    ASSERT_TRUE(write(files, "/a", "x", true));
    files.crash();
    seen.insert(content_of(files, "/a"));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"x", "(NotFound)"}));
}

TEST(SimFiles, RenameIsSeenWholeOrNotAtAll) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SimFiles files(seed);
    ASSERT_TRUE(write(files, "/a", "old", true));
    ASSERT_TRUE(write(files, "/a.new", "new", true));
    ASSERT_TRUE(files.sync_folder("/"));
    ASSERT_TRUE(files.rename("/a.new", "/a"));
    files.crash();
    seen.insert(content_of(files, "/a") + content_of(files, "/a.new"));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"oldnew", "new(NotFound)"}));
}

TEST(SimFiles, UnsyncedWriteTearsAtSectors) {
  bool torn = false;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SimFiles files(seed);
    ASSERT_TRUE(write(files, "/a", std::string(2048, 'o'), true));
    ASSERT_TRUE(files.sync_folder("/"));
    ASSERT_TRUE(write(files, "/a", std::string(2048, 'n'), false));
    files.crash();
    const std::string content = content_of(files, "/a");
    ASSERT_EQ(content.size(), 2048u);
    for (std::size_t sector = 0; sector < 4; ++sector) {
      const std::string_view bytes = std::string_view(content).substr(sector * 512, 512);
      EXPECT_TRUE(bytes == std::string(512, 'o') || bytes == std::string(512, 'n'));
    }
    torn |= content.find('o') != std::string::npos && content.find('n') != std::string::npos;
  }
  EXPECT_TRUE(torn);
}

TEST(SimFiles, KilledProcessLosesItsFilesAndLocksButNothingWritten) {
  SimFiles files;
  auto lock = files.lock_exclusively("/lock");
  ASSERT_TRUE(lock);
  EXPECT_EQ(files.lock_exclusively("/lock").error().code, Errc::kBusy);
  auto file = files.open("/a", OpenMode::kCreate);
  ASSERT_TRUE((*file)->write_at(0, view_of("abc")));
  files.kill_process();
  EXPECT_EQ((*file)->write_at(0, view_of("xyz")).error().code, Errc::kIo);
  EXPECT_EQ(content_of(files, "/a"), "abc");
  EXPECT_TRUE(files.lock_exclusively("/lock"));
}

TEST(SimFiles, PowerGoesOffAtTheNamedSyncAndComesBackWithACrash) {
  SimFiles files;
  files.cut_power_at_sync(2);
  ASSERT_TRUE(write(files, "/a", "one", true));
  ASSERT_TRUE(files.has_power());
  EXPECT_EQ(files.sync_folder("/").error().code, Errc::kIo);
  EXPECT_FALSE(files.has_power());
  EXPECT_EQ(files.open("/a", OpenMode::kRead).error().code, Errc::kIo);
  files.crash();
  EXPECT_TRUE(write(files, "/a", "two", true));
}

TEST(SimFiles, FullDiskRefusesWritesAndPunchingMakesRoom) {
  SimFiles files;
  files.set_capacity(8192);
  auto file = files.open("/a", OpenMode::kCreate);
  ASSERT_TRUE((*file)->allocate(0, 8192));
  EXPECT_EQ((*file)->write_at(8192, view_of("x")).error().code, Errc::kNoSpace);
  ASSERT_TRUE((*file)->write_at(0, view_of("in reserved space")));
  ASSERT_TRUE((*file)->punch(4096, 4096));
  EXPECT_TRUE((*file)->write_at(12288, view_of("x")));
}

TEST(SimFiles, NthCallFailsAsAsked) {
  SimFiles files;
  auto file = files.open("/a", OpenMode::kCreate);
  files.fail(SimFiles::Call::kSync, 2, Errc::kIo);
  EXPECT_TRUE((*file)->sync());
  EXPECT_EQ((*file)->sync().error().code, Errc::kIo);
  EXPECT_TRUE((*file)->sync());
  EXPECT_EQ(files.count(SimFiles::Call::kSync), 3u);
  EXPECT_EQ(files.syncs_of("/a"), 2u);
}

TEST(SimFiles, SameSeedLosesTheSame) {
  const auto run = [](std::uint64_t seed) {
    SimFiles files(seed);
    for (int i = 0; i < 20; ++i) {
      EXPECT_TRUE(write(files, "/" + std::to_string(i % 7), std::string(3000, static_cast<char>('a' + i)), i % 3 == 0));
    }
    files.crash();
    std::string all;
    const auto names = files.list("/");
    for (const std::string& name : *names) all += name + content_of(files, "/" + name);
    return all;
  };
  EXPECT_EQ(run(7), run(7));
  EXPECT_NE(run(7), run(8));
}

}  // namespace
}  // namespace conclave::sim
