// How far a store says that its journal was found, after damage, restores and starts that nobody heard of; and slots
// of chunks whose headers are damaged.
#include <gtest/gtest.h>

#include "fileserver/chunk_store.h"
#include "tests/support/sim_clock.h"
#include "tests/support/sim_files.h"
#include "tests/support/sim_random.h"

namespace conclave::file {
namespace {

constexpr ChunkId kChunk{42};
const std::string kJournal = "/data/journal-0";

struct Fixture {
  Fixture() {
    options.journal.segment_bytes = 1u << 20;
    options.reserve_bytes = 0;
  }
  Status open() {
    store = nullptr;
    files.kill_process();
    auto opened = ChunkStore::open({files, clock, waiter, random, log}, "/data", options);
    if (!opened) return opened.error();
    store = std::move(opened).value();
    return {};
  }
  void write(std::uint64_t offset, const std::string& body) {
    ChunkOp op;
    op.chunk = kChunk;
    op.inode = InodeId{7};
    op.chainver = 1;
    op.members = {ServerId{1}};
    op.offset = offset;
    ASSERT_TRUE(store->apply(op, view_of(body), BodySums::of(offset, view_of(body))));
  }
  void write_synced(int count) {
    for (int i = 0; i < count; ++i) write(static_cast<std::uint64_t>(i) * 100, "some bytes");
    ASSERT_TRUE(store->sync(std::array{kChunk}));
  }

  sim::SimFiles files{1};
  sim::SimClock clock;
  SystemWaiter waiter;
  sim::SimRandom random{1};
  Log log{"test", static_cast<LogLevel>(4)};
  ChunkStore::Options options;
  std::unique_ptr<ChunkStore> store;
};

TEST(JournalMark, AStartFindsAllThatWasSynced) {
  Fixture at;
  ASSERT_TRUE(at.open());
  ASSERT_TRUE(at.store->heard());
  Lsn told = 0;
  for (int round = 0; round < 5; ++round) {
    at.write_synced(10);
    told = at.store->synced_to();
    at.write(5000, "not synced");
    at.store = nullptr;
    if (round % 2 == 0) at.files.crash();
    ASSERT_TRUE(at.open());
    EXPECT_GE(at.store->recovered_to(), told);
    ASSERT_TRUE(at.store->heard());
  }
}

TEST(JournalMark, ADamagedRecordEndsTheJournalAndIsTold) {
  for (const bool checkpointed : {false, true}) {
    Fixture at;
    ASSERT_TRUE(at.open());
    ASSERT_TRUE(at.store->heard());
    at.write_synced(20);
    if (checkpointed) {
      ASSERT_TRUE(at.store->checkpoint());
    }
    const Lsn told = at.store->synced_to();
    at.store = nullptr;
    at.files.flip_bit(kJournal, (4096 + 1500) * 8);
    ASSERT_TRUE(at.open());
    EXPECT_LT(at.store->recovered_to(), told);
  }
}

TEST(JournalMark, AFolderOfAnHourAgoSaysSo) {
  Fixture at;
  ASSERT_TRUE(at.open());
  ASSERT_TRUE(at.store->heard());
  at.write_synced(10);
  const auto hour_ago = at.files.backup();
  at.write_synced(10);
  const Lsn told = at.store->synced_to();
  at.store = nullptr;
  at.files.restore(*hour_ago);
  ASSERT_TRUE(at.open());
  EXPECT_LT(at.store->recovered_to(), told);
}

TEST(JournalMark, StartsThatNobodyHeardOfDoNotHideWhatIsMissing) {
  Fixture at;
  ASSERT_TRUE(at.open());
  ASSERT_TRUE(at.store->heard());
  at.write_synced(10);
  const auto hour_ago = at.files.backup();
  at.write_synced(4);
  const Lsn told = at.store->synced_to();
  at.store = nullptr;
  at.files.restore(*hour_ago);
  for (int start = 0; start < 20; ++start) ASSERT_TRUE(at.open());
  EXPECT_GT(at.store->synced_to(), told);
  EXPECT_LT(at.store->recovered_to(), told);
  ASSERT_TRUE(at.store->heard());
  const Lsn now = at.store->synced_to();
  ASSERT_TRUE(at.open());
  EXPECT_GE(at.store->recovered_to(), now);
}

// Recovery may take a slot that a crash tore for an old one; but no crash damages a header.
TEST(SlotHeader, ADamagedOneNeverBringsTheOlderSlotBack) {
  for (std::uint64_t byte = 0; byte < 40; ++byte) {
    for (const std::uint64_t slot : {std::uint64_t{0}, std::uint64_t{128u << 10}}) {
      Fixture at;
      ASSERT_TRUE(at.open());
      for (const char* body : {"first ", "second"}) {
        at.write(0, std::string(5000, *body) + body);
        ASSERT_TRUE(at.store->checkpoint());
      }
      at.write(6000, "in the journal only");   // recovery reads the slots
      ASSERT_TRUE(at.store->sync(std::array{kChunk}));
      at.store = nullptr;
      at.files.flip_bit(chunk_path("/data", kChunk), (slot + byte) * 8 + 2);
      ASSERT_TRUE(at.open());
      const auto found = at.store->read(kChunk, 5000, 6);
      EXPECT_TRUE(found ? found->bytes == "second" : found.error().code == Errc::kCorrupt) << byte << " of " << slot;
    }
  }
}

}  // namespace
}  // namespace conclave::file
