#include "lockserver/lease_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "tests/support/sim_random.h"

namespace conclave::lock {
namespace {

using enum LeaseMode;
constexpr MonoTime kNow{std::chrono::seconds(1000)};
constexpr InodeId kInode{5};
constexpr SessionId kA{1}, kB{2}, kC{3};

struct LeaseTableTest : testing::Test {
  LeaseTable table{100, std::chrono::seconds(10)};
  LeaseEffects effects;

  std::uint64_t hold(SessionId session, LeaseMode mode) {
    const auto granted = table.acquire(session, kInode, mode, kNow, effects);
    EXPECT_TRUE(granted);
    return granted ? granted->seq : 0;
  }
  void wait(SessionId session, LeaseMode mode) {
    EXPECT_FALSE(table.acquire(session, kInode, mode, kNow, effects));
  }
  std::optional<GrantedLease> give_back(SessionId session, std::uint64_t seq, LeaseMode keep = kNone,
                                        bool open = false) {
    effects = {};
    auto kept = table.give_back(session, kInode, seq, keep, open, kNow, effects);
    table.check();
    return kept;
  }
};

TEST(LeaseModes, FitTogetherAsTheTableSays) {
  for (const LeaseMode a : {kRead, kWrite, kShared, kSharedRead, kDirRead, kDirWrite}) {
    for (const LeaseMode b : {kRead, kWrite, kShared, kSharedRead, kDirRead, kDirWrite}) {
      const bool both_append = (a == kShared || a == kSharedRead) && (b == kShared || b == kSharedRead);
      EXPECT_EQ(compatible(a, b), both_append || (a == b && a != kWrite && a != kDirWrite));
      EXPECT_EQ(covers(a, b), a == b || (a == kWrite && b == kRead) || (a == kShared && b == kSharedRead) ||
                                  (a == kDirWrite && b == kDirRead));
    }
  }
  EXPECT_EQ(keep_beside(kWrite, kRead), kRead);
  EXPECT_EQ(keep_beside(kDirWrite, kDirRead), kDirRead);
  EXPECT_EQ(keep_beside(kWrite, kWrite), kNone);
  EXPECT_EQ(keep_beside(kRead, kWrite), kNone);
  EXPECT_EQ(keep_beside(kShared, kRead), kNone);
}

TEST_F(LeaseTableTest, ManyRead) {
  EXPECT_EQ(hold(kA, kRead), 100);
  EXPECT_EQ(hold(kB, kRead), 101);
  EXPECT_EQ(table.held(), 2);
}

TEST_F(LeaseTableTest, ManyAppend) {
  hold(kA, kShared);
  hold(kB, kShared);
  wait(kC, kRead);
  EXPECT_EQ(effects.recalled.size(), 2);
}

TEST_F(LeaseTableTest, ARetryGetsTheSameGrant) {
  const auto seq = hold(kA, kWrite);
  EXPECT_EQ(hold(kA, kWrite), seq);
  EXPECT_EQ(table.acquire(kA, kInode, kRead, kNow, effects)->mode, kWrite);  // W serves
  EXPECT_EQ(table.held(), 1);
}

TEST_F(LeaseTableTest, AReaderRecallsAWriterToRead) {
  const auto seq = hold(kA, kWrite);
  wait(kB, kRead);
  ASSERT_EQ(effects.recalled, (std::vector<RecalledLease>{{kA, kInode, seq, kRead}}));
  const auto kept = give_back(kA, seq, kRead);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->mode, kRead);
  EXPECT_GT(kept->seq, seq);
  ASSERT_EQ(effects.granted.size(), 1);
  EXPECT_EQ(effects.granted[0].session, kB);
  EXPECT_EQ(effects.granted[0].mode, kRead);
}

TEST_F(LeaseTableTest, ARetriedReturnGetsTheSameRest) {
  const auto seq = hold(kA, kWrite);
  const auto kept = give_back(kA, seq, kRead);
  EXPECT_EQ(give_back(kA, seq, kRead), kept);
  EXPECT_TRUE(give_back(kA, kept->seq) == std::nullopt);
  EXPECT_FALSE(give_back(kA, seq, kRead));  // late: nothing is held any more
  EXPECT_EQ(table.held(), 0);
}

TEST_F(LeaseTableTest, AReturnMayNotKeepMoreThanItGives) {
  const auto seq = hold(kA, kRead);
  EXPECT_FALSE(give_back(kA, seq, kWrite));
  EXPECT_EQ(table.held(), 0);
}

TEST_F(LeaseTableTest, AReturnOfAnOlderGrantIsIgnored) {
  const auto old = hold(kA, kRead);
  const auto upgraded = hold(kA, kWrite);
  EXPECT_GT(upgraded, old);
  give_back(kA, old);
  EXPECT_EQ(table.held(), 1);
  wait(kB, kRead);
  EXPECT_EQ(effects.recalled[0].seq, upgraded);
}

TEST_F(LeaseTableTest, ReadBecomesWriteWhenTheOtherReaderHasGone) {
  hold(kA, kRead);
  const auto b = hold(kB, kRead);
  wait(kA, kWrite);
  ASSERT_EQ(effects.recalled, (std::vector<RecalledLease>{{kB, kInode, b, kNone}}));
  give_back(kB, b);
  ASSERT_EQ(effects.granted.size(), 1);
  EXPECT_EQ(effects.granted[0].session, kA);
  EXPECT_EQ(effects.granted[0].mode, kWrite);
}

TEST_F(LeaseTableTest, TwoReadersThatBothWantToWriteTakeTurns) {
  const auto a = hold(kA, kRead);
  const auto b = hold(kB, kRead);
  wait(kA, kWrite);
  wait(kB, kWrite);
  give_back(kB, b);
  ASSERT_EQ(effects.granted.size(), 1);
  const auto written = effects.granted[0];
  EXPECT_EQ(written.session, kA);
  EXPECT_GT(written.seq, a);
  ASSERT_EQ(effects.recalled, (std::vector<RecalledLease>{{kA, kInode, written.seq, kNone}}));
  give_back(kA, written.seq);
  ASSERT_EQ(effects.granted.size(), 1);
  EXPECT_EQ(effects.granted[0].session, kB);
}

TEST_F(LeaseTableTest, NobodyOvertakesAWaiter) {
  const auto a = hold(kA, kRead);
  wait(kB, kWrite);
  wait(kC, kRead);  // would fit beside A's, but B came first
  EXPECT_FALSE(table.acquire_if_free(kC, kInode, kRead));
  give_back(kA, a);
  ASSERT_EQ(effects.granted.size(), 1);
  EXPECT_EQ(effects.granted[0].session, kB);
  ASSERT_EQ(effects.recalled.size(), 1);
  EXPECT_EQ(effects.recalled[0].keep, kRead);
}

TEST_F(LeaseTableTest, ARecallToReadIsRepeatedAsARecallToNothingWhenAWriterComesFirst) {
  const auto a = hold(kA, kWrite);
  wait(kB, kRead);
  wait(kC, kWrite);
  effects = {};
  table.drop(kB, kNow, effects);
  EXPECT_EQ(effects.recalled, (std::vector<RecalledLease>{{kA, kInode, a, kNone}}));
}

TEST_F(LeaseTableTest, IfFreeNeitherWaitsNorRecalls) {
  hold(kA, kWrite);
  EXPECT_FALSE(table.acquire_if_free(kB, kInode, kRead));
  EXPECT_EQ(table.waiting(), 0);
  EXPECT_TRUE(table.acquire_if_free(kB, InodeId{6}, kRead));
}

TEST_F(LeaseTableTest, ARecallIsRepeatedUntilReturned) {
  const auto seq = hold(kA, kWrite);
  wait(kB, kWrite);
  EXPECT_TRUE(table.overdue(kNow + std::chrono::seconds(9)).empty());
  const MonoTime later = kNow + std::chrono::seconds(10);
  EXPECT_EQ(table.overdue(later), (std::vector<RecalledLease>{{kA, kInode, seq, kNone}}));
  EXPECT_TRUE(table.overdue(later).empty());
  give_back(kA, seq);
  EXPECT_TRUE(table.overdue(later + std::chrono::hours(1)).empty());
}

TEST_F(LeaseTableTest, WhatIsLeasedOrOpenIsInUse) {
  EXPECT_FALSE(table.in_use(kInode));
  const auto seq = hold(kA, kRead);
  EXPECT_TRUE(table.in_use(kInode));
  give_back(kA, seq, kNone, true);
  EXPECT_TRUE(table.in_use(kInode));
  table.note_closed(kA, kInode);
  EXPECT_FALSE(table.in_use(kInode));
}

TEST_F(LeaseTableTest, TheEndOfASessionClosesWhatItHadOpen) {
  give_back(kA, hold(kA, kRead), kNone, true);
  table.drop(kA, kNow, effects);
  EXPECT_FALSE(table.in_use(kInode));
}

// The rules again, as plainly as they can be said: no cleverness, one list of holders and one queue per inode.
struct Model {
  struct Hold {
    LeaseMode mode;
    std::uint64_t seq;
  };
  std::map<SessionId, Hold> holders;
  std::deque<std::pair<SessionId, LeaseMode>> queue;

  [[nodiscard]] bool fits(SessionId session, LeaseMode mode) const {
    for (const auto& [other, hold] : holders) {
      if (other != session && !compatible(hold.mode, mode)) return false;
    }
    return true;
  }
  void learn(const GrantedLease& granted) {
    ASSERT_TRUE(fits(granted.session, granted.mode)) << "two holders that do not fit";
    holders[granted.session] = {granted.mode, granted.seq};
  }
  // The first in line and everybody behind it who fits has been served.
  void serve(const LeaseEffects& effects) {
    for (const auto& granted : effects.granted) {
      while (!queue.empty() && holders.contains(queue.front().first) &&
             covers(holders[queue.front().first].mode, queue.front().second)) {
        queue.pop_front();
      }
      ASSERT_FALSE(queue.empty());
      ASSERT_EQ(queue.front(), std::pair(granted.session, granted.mode)) << "not first come, first served";
      queue.pop_front();
      learn(granted);
    }
    while (!queue.empty() && holders.contains(queue.front().first) &&
           covers(holders[queue.front().first].mode, queue.front().second)) {
      queue.pop_front();
    }
    const bool lost = !queue.empty() && fits(queue.front().first, queue.front().second);
    ASSERT_FALSE(lost) << "a wake-up was lost";
  }
};

TEST(LeaseTableRandomly, AgreesWithTheModel) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    sim::SimRandom random(seed);
    LeaseTable table(1, std::chrono::seconds(10));
    std::map<InodeId, Model> models;
    std::uint64_t last_seq = 0;
    const auto any_mode = [&] { return static_cast<LeaseMode>(1 + random.below(5)); };
    for (int step = 0; step < 300; ++step) {
      const SessionId session{1 + random.below(4)};
      const InodeId inode{1 + random.below(2)};
      Model& model = models[inode];
      LeaseEffects effects;
      if (random.chance(0.5)) {
        const LeaseMode mode = any_mode();
        const auto granted = table.acquire(session, inode, mode, kNow, effects);
        if (granted && (!model.holders.contains(session) || model.holders[session].seq != granted->seq)) {
          EXPECT_TRUE(model.queue.empty()) << "a waiter was overtaken";
          EXPECT_GT(granted->seq, last_seq);
          last_seq = granted->seq;
          model.learn(*granted);
        }
        if (!granted && std::ranges::find(model.queue, std::pair(session, mode)) == model.queue.end()) {
          model.queue.emplace_back(session, mode);
        }
        model.serve(effects);
      } else if (random.chance(0.95) && model.holders.contains(session)) {
        const auto held = model.holders[session];
        const LeaseMode keep = random.chance(0.3) ? keep_beside(held.mode, random.chance(0.5) ? kRead : kDirRead) : kNone;
        const auto kept = table.give_back(session, inode, held.seq, keep, false, kNow, effects);
        EXPECT_EQ(kept.has_value(), keep != kNone);
        model.holders.erase(session);
        if (kept) model.learn(*kept);
        model.serve(effects);
      } else if (random.chance(0.1)) {
        table.drop(session, kNow, effects);
        for (auto& [other, each] : models) {
          each.holders.erase(session);
          std::erase_if(each.queue, [&](const auto& waiter) { return waiter.first == session; });
          LeaseEffects here;
          std::ranges::copy_if(effects.granted, std::back_inserter(here.granted),
                               [&](const GrantedLease& granted) { return granted.inode == other; });
          each.serve(here);
        }
      }
      for (const auto& granted : effects.granted) last_seq = std::max(last_seq, granted.seq);
      table.check();
      ASSERT_FALSE(testing::Test::HasFailure());
    }
    LeaseEffects effects;
    for (std::uint64_t session = 1; session <= 4; ++session) table.drop(SessionId{session}, kNow, effects);
    EXPECT_EQ(table.held() + table.waiting(), 0);
    EXPECT_FALSE(table.in_use(InodeId{1}));
  }
}

}  // namespace
}  // namespace conclave::lock
