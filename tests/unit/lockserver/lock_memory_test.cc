#include "lockserver/lock_memory.h"

#include <gtest/gtest.h>

#include "tests/support/sim_files.h"
#include "tests/support/sim_random.h"

namespace conclave::lock {
namespace {

struct LockMemoryTest : testing::Test {
  sim::SimFiles files{1};
  sim::SimRandom random{1};
  LockMemoryTest() { EXPECT_TRUE(files.make_folders("data")); }

  LockMemory begin() {
    auto begun = LockMemory::begin(files, random, "data");
    EXPECT_TRUE(begun);
    return std::move(begun).value();
  }
  static SessionTable::Session session(std::uint64_t id, std::uint32_t epoch) {
    SessionTable::Session out;
    out.id = SessionId{id};
    out.holder = 7;
    out.nonce = 8;
    out.peer = "host laptop";
    out.label = "laptop:/mnt";
    out.fence = id == 2 ? 99 : 0;
    out.brief = id == 3;
    out.epoch = epoch;
    return out;
  }
};

TEST_F(LockMemoryTest, EachRunHasItsEpochAndItsKey) {
  const auto first = begin();
  const auto second = begin();
  EXPECT_EQ(first.epoch(), 1);
  EXPECT_EQ(second.epoch(), 2);
  EXPECT_FALSE(first.keys().front().bytes == second.keys().front().bytes);
  EXPECT_EQ(second.keys().size(), 1) << "no session can show anything older";
}

TEST_F(LockMemoryTest, TheNextRunKnowsTheSessionsAndTheirKeys) {
  auto first = begin();
  ASSERT_TRUE(first.save({session(1, 1), session(2, 1), session(3, 1)}));
  const auto second = begin();
  ASSERT_EQ(second.sessions().size(), 3);
  EXPECT_EQ(second.sessions()[0].label, "laptop:/mnt");
  EXPECT_EQ(second.sessions()[0].nonce, 8);
  EXPECT_EQ(second.sessions()[1].fence, 99);
  EXPECT_TRUE(second.sessions()[2].brief);
  ASSERT_EQ(second.keys().size(), 2);
  EXPECT_EQ(second.keys()[1].epoch, 1);
  EXPECT_TRUE(second.keys()[1].bytes == first.keys()[0].bytes);
}

TEST_F(LockMemoryTest, AKeyIsKeptAsLongAsASessionMayShowIt) {
  auto first = begin();
  ASSERT_TRUE(first.save({session(1, 1)}));
  EXPECT_EQ(begin().keys().size(), 2);
  EXPECT_EQ(begin().keys().size(), 3) << "the session has not come back yet";
  auto last = begin();
  ASSERT_TRUE(last.save({session(1, last.epoch())}));
  EXPECT_EQ(last.keys().size(), 1);
  ASSERT_TRUE(last.save({session(1, 1)}));
  for (int i = 0; i < 20; ++i) EXPECT_LE(begin().keys().size(), LockMemory::kMostKeys);
}

TEST_F(LockMemoryTest, AnEpochIsNeverBegunTwiceWhateverThePowerDoes) {
  std::uint32_t last = 0;
  for (std::uint64_t cut = 1; cut <= 40; ++cut) {
    files.cut_power_at_sync(1 + cut % 4);
    auto begun = LockMemory::begin(files, random, "data");
    if (begun) {
      EXPECT_GT(begun->epoch(), last);
      last = begun->epoch();
    }
    files.crash();
  }
  EXPECT_GT(last, 5);
}

TEST_F(LockMemoryTest, SessionsThatWereSavedSurviveThePower) {
  for (std::uint64_t cut = 1; cut <= 4; ++cut) {
    auto run = begin();
    ASSERT_TRUE(run.save({session(1, 1)}));
    files.cut_power_at_sync(cut);
    const bool saved = run.save({session(1, 1), session(4, 1)}).has_value();
    files.crash();
    const std::size_t count = begin().sessions().size();
    EXPECT_TRUE(saved ? count == 2 : count == 1 || count == 2) << cut;
  }
}

TEST_F(LockMemoryTest, RefusesADamagedFileAndLeavesItAlone) {
  auto run = begin();
  ASSERT_TRUE(run.save({session(1, 1)}));
  const std::string good = *files.read_all("data/memory", 10000);
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const bool cut : {false, true}) {
      std::string bad = cut ? good.substr(0, i) : good;
      if (!cut) bad[i] = static_cast<char>(bad[i] ^ 0x40);
      ASSERT_TRUE(files.write_all("data/memory", bad));
      const auto begun = LockMemory::begin(files, random, "data");
      ASSERT_FALSE(begun) << i;
      EXPECT_EQ(begun.error().code, Errc::kCorrupt);
      EXPECT_EQ(*files.read_all("data/memory", 10000), bad);
    }
  }
}

}  // namespace
}  // namespace conclave::lock
