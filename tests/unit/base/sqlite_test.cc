#include "base/sqlite.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/sqlite_page.h"
#include "tests/support/crash_points.h"
#include "tests/support/sim_files.h"
#include "tests/support/simulation.h"

namespace conclave {
namespace {

using sim::SimFiles;
using Access = Database::Access;

constexpr const char* kPath = "/d.db";
constexpr const char* kWal = "/d.db-wal";

// A database with one table that counts: row i has i as its value and a name.
struct Opened {
  explicit Opened(Files& files) : vfs(files) {}
  SqliteVfs vfs;
  std::unique_ptr<Database> database;
};

Result<std::unique_ptr<Opened>> open_table(Files& files) {
  auto opened = std::make_unique<Opened>(files);
  opened->database = TRY(Database::open(opened->vfs, kPath, Access::kReadWrite));
  TRY(opened->database->exec("CREATE TABLE IF NOT EXISTS t (i INTEGER PRIMARY KEY, name BLOB UNIQUE) STRICT"));
  return opened;
}

Status insert(Database& database, std::int64_t i, bool synced) {
  auto statement = TRY(database.prepare("INSERT INTO t VALUES (?, ?)"));
  const std::string name = "name " + std::to_string(i) + std::string(300, 'x');
  return database.transaction(synced, [&] { return statement.bind(i, view_of(name)).run(); });
}

Result<std::int64_t> count(Database& database) {
  auto statement = TRY(database.prepare("SELECT count(*), max(i), sum(length(name)) FROM t"));
  TRY(statement.step());
  return statement.i64(0);
}

std::unique_ptr<Opened> must_open(Files& files) {
  auto opened = open_table(files);
  EXPECT_TRUE(opened) << opened.error().message;
  return opened ? std::move(*opened) : nullptr;
}

TEST(Sqlite, StoresAndReturnsEveryKindOfValue) {
  SimFiles files;
  SqliteVfs vfs(files);
  auto database = std::move(*Database::open(vfs, kPath, Access::kReadWrite));
  ASSERT_TRUE(database->exec("CREATE TABLE v (a, b, c, d, e, f)"));
  const std::uint64_t big = 0xfedcba9876543210;
  auto insert = std::move(*database->prepare("INSERT INTO v VALUES (?, ?, ?, ?, ?, ?)"));
  ASSERT_TRUE(insert.bind(big, "text", view_of("bl\0b"), std::nullopt, ByteView(), std::string_view()).run());
  auto select = std::move(*database->prepare("SELECT * FROM v"));
  ASSERT_TRUE(*select.step());
  EXPECT_EQ(select.u64(0), big);
  EXPECT_EQ(select.text(1), "text");
  EXPECT_EQ(text_of(select.blob(2)), "bl");
  EXPECT_TRUE(select.is_null(3));
  EXPECT_FALSE(select.is_null(4));
  EXPECT_TRUE(select.blob(4).empty());
  EXPECT_FALSE(select.is_null(5));
  EXPECT_FALSE(*select.step());
}

TEST(Sqlite, TakenUniqueKeyIsExistsAndAnotherConstraintIsInvalid) {
  SimFiles files;
  auto opened = must_open(files);
  ASSERT_TRUE(insert(*opened->database, 1, false));
  EXPECT_EQ(insert(*opened->database, 1, false).error().code, Errc::kExists);
  ASSERT_TRUE(opened->database->exec("CREATE TABLE n (a NOT NULL)"));
  EXPECT_EQ(opened->database->exec("INSERT INTO n VALUES (NULL)").error().code, Errc::kInvalid);
  EXPECT_EQ(*count(*opened->database), 1);
}

TEST(Sqlite, FailedBodyRollsBack) {
  SimFiles files;
  auto opened = must_open(files);
  const Status status = opened->database->transaction(false, [&]() -> Status {
    TRY(opened->database->exec("INSERT INTO t VALUES (1, x'00')"));
    return Error(Errc::kQuota, "enough");
  });
  EXPECT_EQ(status.error().code, Errc::kQuota);
  EXPECT_EQ(*count(*opened->database), 0);
}

TEST(Sqlite, OnlyASyncedTransactionSyncs) {
  SimFiles files;
  auto opened = must_open(files);
  ASSERT_TRUE(insert(*opened->database, 1, true));
  const std::uint64_t before = files.all_syncs();
  for (int i = 2; i < 50; ++i) ASSERT_TRUE(insert(*opened->database, i, false));
  EXPECT_EQ(files.all_syncs(), before);
  ASSERT_TRUE(insert(*opened->database, 50, true));
  EXPECT_EQ(files.all_syncs(), before + 1);
  ASSERT_TRUE(insert(*opened->database, 51, false));
  EXPECT_EQ(files.all_syncs(), before + 1);
}

TEST(Sqlite, TransactionThatWroteNothingSyncsNothing) {
  SimFiles files;
  auto opened = must_open(files);
  ASSERT_TRUE(insert(*opened->database, 1, false));
  const std::uint64_t before = files.all_syncs();
  ASSERT_TRUE(opened->database->transaction(true, [] { return Status(); }));
  EXPECT_EQ(files.all_syncs(), before);
}

TEST(Sqlite, ReaderSeesTheLastCommitWhileOneWrites) {
  SimFiles files;
  auto opened = must_open(files);
  ASSERT_TRUE(insert(*opened->database, 1, false));
  auto reader = std::move(*Database::open(opened->vfs, kPath, Access::kReadOnly));
  ASSERT_TRUE(opened->database->transaction(false, [&]() -> Status {
    TRY(opened->database->exec("INSERT INTO t VALUES (2, x'02')"));
    EXPECT_EQ(*count(*reader), 1);
    EXPECT_EQ(*count(*opened->database), 2);
    return {};
  }));
  EXPECT_EQ(*count(*reader), 2);
}

TEST(Sqlite, SnapshotOutlivesCommitsAndCheckpoints) {
  SimFiles files;
  auto opened = must_open(files);
  ASSERT_TRUE(insert(*opened->database, 1, false));
  auto reader = std::move(*Database::open(opened->vfs, kPath, Access::kReadOnly));
  auto ticker = std::move(*Database::open(opened->vfs, kPath, Access::kReadWrite));
  ASSERT_TRUE(reader->exec("BEGIN"));
  EXPECT_EQ(*count(*reader), 1);
  for (int i = 2; i < 200; ++i) {
    ASSERT_TRUE(insert(*opened->database, i, false));
    if (i % 20 == 0) {
      ASSERT_TRUE(ticker->checkpoint());
    }
  }
  EXPECT_EQ(*count(*reader), 1);
  ASSERT_TRUE(reader->exec("COMMIT"));
  EXPECT_EQ(*count(*reader), 199);
}

TEST(Sqlite, SecondWriterIsBusyAndReaderMayNotWrite) {
  SimFiles files;
  auto opened = must_open(files);
  auto second = std::move(*Database::open(opened->vfs, kPath, Access::kReadWrite));
  auto reader = std::move(*Database::open(opened->vfs, kPath, Access::kReadOnly));
  ASSERT_TRUE(opened->database->transaction(false, [&]() -> Status {
    EXPECT_EQ(insert(*second, 7, false).error().code, Errc::kBusy);
    return {};
  }));
  EXPECT_TRUE(insert(*second, 7, false));
  EXPECT_EQ(insert(*reader, 8, false).error().code, Errc::kReadOnly);
}

TEST(Sqlite, AnotherProcessIsRefusedUntilTheOwnerIsGone) {
  SimFiles files;
  auto owner = must_open(files);
  SqliteVfs another(files);
  auto refused = Database::open(another, kPath, Access::kReadOnly);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kBusy);
  EXPECT_NE(refused.error().message.find("another process"), std::string::npos);
  owner.reset();
  EXPECT_TRUE(Database::open(another, kPath, Access::kReadOnly));
}

TEST(Sqlite, MissingDatabaseIsNotMadeByAReader) {
  SimFiles files;
  SqliteVfs vfs(files);
  auto opened = Database::open(vfs, kPath, Access::kReadOnly);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::kNotFound);
  EXPECT_FALSE(*files.exists(kPath));
}

TEST(Sqlite, FullDiskIsNoSpaceAndNothingIsLost) {
  SimFiles files;
  auto opened = must_open(files);
  ASSERT_TRUE(insert(*opened->database, 1, true));
  const DiskSpace space = *files.space("/");
  files.set_capacity(space.total_bytes - space.free_bytes + 40'000);
  Status status;
  std::int64_t last = 1;
  while (status && last < 1000) {
    status = insert(*opened->database, last + 1, false);
    if (status) ++last;
  }
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Errc::kNoSpace);
  EXPECT_EQ(*count(*opened->database), last);
  files.set_capacity(1 << 30);
  EXPECT_TRUE(insert(*opened->database, last + 1, true));
}

TEST(Sqlite, AfterAFailedSyncNoneSucceeds) {
  SimFiles files;
  auto opened = must_open(files);
  ASSERT_TRUE(insert(*opened->database, 1, true));
  files.fail(SimFiles::Call::kSync, 1, Errc::kIo);
  EXPECT_EQ(insert(*opened->database, 2, true).error().code, Errc::kIo);
  EXPECT_EQ(insert(*opened->database, 2, true).error().code, Errc::kIo);
  EXPECT_EQ(*count(*opened->database), 1);
}

// Every page of the closed database: one flipped bit of it, and no answer may be a wrong one.
TEST(Sqlite, FlippedBitInTheDatabaseIsFound) {
  SimFiles files;
  {
    auto opened = must_open(files);
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(insert(*opened->database, i, false));
  }
  ASSERT_FALSE(*files.exists(kWal));
  const std::uint64_t size = *(*files.open(kPath, OpenMode::kRead))->size();
  ASSERT_GT(size, 10 * kSqlitePageBytes);
  sim::SimRandom random(1);
  for (std::uint64_t page = 0; page < size / kSqlitePageBytes; ++page) {
    const std::uint64_t bit = (page * kSqlitePageBytes + random.below(kSqlitePageBytes)) * 8 + random.below(8);
    files.flip_bit(kPath, bit);
    auto opened = open_table(files);
    const auto scan = [&]() -> Status {
      TRY(count(*(*opened)->database));
      auto check = TRY((*opened)->database->prepare("PRAGMA integrity_check"));
      TRY(check.step());
      return check.text(0) == "ok" ? Status() : Status(Error(Errc::kCorrupt, "integrity_check"));
    };
    const Status found = opened ? scan() : Status(opened.error());
    EXPECT_FALSE(found) << "page " << page << ", bit " << bit;
    if (!found) {
      EXPECT_EQ(found.error().code, Errc::kCorrupt) << found.error().message;
    }
    opened = Errc::kInternal;
    files.flip_bit(kPath, bit);
  }
  EXPECT_EQ(*count(*must_open(files)->database), 100);
}

TEST(Sqlite, FlippedBitInTheWalIsFoundAtTheRead) {
  SimFiles files;
  auto opened = must_open(files);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(insert(*opened->database, i, false));
  auto reader = std::move(*Database::open(opened->vfs, kPath, Access::kReadOnly));
  const std::uint64_t size = *(*files.open(kWal, OpenMode::kRead))->size();
  for (std::uint64_t frame = 32; frame < size; frame += 4096 + 24) files.flip_bit(kWal, (frame + 24 + 2000) * 8);
  const auto found = count(*reader);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Errc::kCorrupt) << found.error().message;
  const Status moved = opened->database->checkpoint();  // nor does it reach the database file
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().code, Errc::kCorrupt);
}

TEST(Sqlite, PageFromAnotherPlaceDoesNotFit) {
  Bytes page(kSqlitePageBytes, 7);
  seal_sqlite_page(8192, page);
  EXPECT_TRUE(sqlite_page_fits(8192, page));
  EXPECT_FALSE(sqlite_page_fits(4096, page));
  EXPECT_FALSE(sqlite_page_fits(8192, ByteView(page).first(512)));
}

TEST(Sqlite, KilledProcessLosesNoCommit) {
  SimFiles files;
  auto opened = must_open(files);
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(insert(*opened->database, i, false));
  files.halt();
  opened.reset();
  files.kill_process();
  EXPECT_EQ(*count(*must_open(files)->database), 30);
}

// Pages leave the cache within the transaction, and SQLite writes some WAL frames twice.
TEST(Sqlite, TransactionLargerThanTheCacheIsWholeAfterAKill) {
  SimFiles files;
  auto opened = must_open(files);
  ASSERT_TRUE(opened->database->exec("PRAGMA cache_size = 8"));
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(opened->database->checkpoint());
    ASSERT_TRUE(opened->database->transaction(round == 1, [&]() -> Status {
      auto insert_row = TRY(opened->database->prepare("INSERT OR REPLACE INTO t VALUES (?, ?)"));
      for (int i = 0; i < 600; ++i) {
        const int key = i * 7 % 300;
        const std::string name = std::to_string(round * 1000 + key) + std::string(500, 'y');
        TRY(insert_row.bind(key, view_of(name)).run());
      }
      return {};
    }));
  }
  files.halt();
  opened.reset();
  files.kill_process();
  opened = must_open(files);
  auto select = std::move(*opened->database->prepare("SELECT i, name FROM t ORDER BY i"));
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(*select.step());
    EXPECT_EQ(select.text(1).substr(0, 5), std::to_string(2000 + i) + "y");
  }
  EXPECT_FALSE(*select.step());
}

struct Promised {
  std::int64_t synced = 0;  // the last commit that was said to survive
  std::int64_t begun = 0;   // the last one begun
};

// Commits 1 to 40, every third synced, checkpoints between.
Promised commit_and_checkpoint(SimFiles& files) {
  Promised promised;
  auto opened = open_table(files);
  if (!opened) return promised;
  for (std::int64_t i = 1; i <= 40; ++i) {
    promised.begun = i;
    const bool synced = i % 3 == 0;
    if (!insert(*(*opened)->database, i, synced)) break;
    if (synced) promised.synced = i;
    if (i % 7 == 0 && !(*opened)->database->checkpoint()) break;
  }
  return promised;
}

TEST(Sqlite, PowerLossAtEverySyncKeepsWhatWasSyncedAndNoHoles) {
  sim::crash_at_every_sync(commit_and_checkpoint, [](SimFiles& files, const Promised& promised) {
    auto opened = must_open(files);
    ASSERT_TRUE(opened);
    const auto rows = count(*opened->database);
    ASSERT_TRUE(rows) << rows.error().message;
    EXPECT_GE(*rows, promised.synced);
    EXPECT_LE(*rows, promised.begun);
    auto highest = std::move(*opened->database->prepare("SELECT coalesce(max(i), 0) FROM t"));
    ASSERT_TRUE(highest.step());
    EXPECT_EQ(highest.i64(0), *rows);  // no commit is there without all before it
  });
}

// A server's threads: one commits, one moves the WAL, one reads, and the process ends anywhere between.
TEST(Sqlite, ProcessEndedAnywhereKeepsWhatItAnswered) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    sim::Simulation simulation(seed);
    std::int64_t answered = 0, answered_synced = 0;
    SimFiles disk(seed);
    auto opened = must_open(disk);
    auto ticker = std::move(*Database::open(opened->vfs, kPath, Access::kReadWrite));
    auto reader = std::move(*Database::open(opened->vfs, kPath, Access::kReadOnly));
    sim::SimNode node(simulation.network, "d", {}, &disk);
    node.spawn("writer", [&] {
      for (std::int64_t i = 1; insert(*opened->database, i, i % 2 == 0); ++i) {
        answered = i;
        if (i % 2 == 0) answered_synced = i;
        if (i % 5 == 0) simulation.scheduler.sleep_for(std::chrono::milliseconds(1));
      }
    });
    node.spawn("ticker", [&] {
      while (ticker->checkpoint()) simulation.scheduler.sleep_for(std::chrono::milliseconds(2));
    });
    node.spawn("reader", [&] {
      for (auto rows = count(*reader); rows; rows = count(*reader)) {
        EXPECT_GE(*rows, answered);
        simulation.scheduler.sleep_for(std::chrono::milliseconds(1));
      }
    });
    simulation.scheduler.sleep_for(std::chrono::milliseconds(1 + simulation.random.below(30)));
    for (std::uint64_t i = simulation.random.below(8); i > 0; --i) simulation.scheduler.yield();
    const bool power_lost = simulation.random.chance(0.5);
    power_lost ? node.power_loss() : node.kill();
    ticker.reset();
    reader.reset();
    opened.reset();
    opened = must_open(disk);
    EXPECT_GT(answered, 1);
    EXPECT_GE(*count(*opened->database), power_lost ? answered_synced : answered);
  }
}

TEST(Sqlite, WorksOnARealDiskToo) {
  const std::string folder = testing::TempDir() + "conclave_sqlite_test";
  SystemFiles files;
  ASSERT_TRUE(files.make_folders(folder));
  {
    SqliteVfs vfs(files);
    auto database = std::move(*Database::open(vfs, folder + "/d.db", Access::kReadWrite));
    ASSERT_TRUE(database->exec("CREATE TABLE t (i INTEGER PRIMARY KEY, name BLOB)"));
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(insert(*database, i, i % 5 == 0));
    auto second = std::move(*Database::open(vfs, folder + "/d.db", Access::kReadOnly));
    EXPECT_EQ(*count(*second), 20);
    SqliteVfs other(files);
    EXPECT_EQ(Database::open(other, folder + "/d.db", Access::kReadOnly).error().code, Errc::kBusy);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace conclave
