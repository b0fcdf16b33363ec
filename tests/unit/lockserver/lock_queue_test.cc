#include "lockserver/lock_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>

#include "tests/support/sim_random.h"

namespace conclave::lock {
namespace {

constexpr InodeId kInode{5};
constexpr LockOwner kA{SessionId{1}, 10}, kB{SessionId{2}, 10}, kC{SessionId{2}, 11};
constexpr std::uint64_t kEnd = kWholeFile.end;
using enum LockType;

struct LockQueueTest : testing::Test {
  LockQueue queue{1000};
  std::vector<LockAnswered> answers;
  std::uint64_t next_wait = 1;

  LockWant want(LockOwner owner, LockType type, LockRange range, InodeId inode = kInode) {
    return {inode, LockKind::kPosix, owner, type, range, 77, 0};
  }
  LockWant flock(LockOwner owner, LockType type) {
    return {kInode, LockKind::kFlock, owner, type, {}, 77, 0};
  }
  Result<bool> set(const LockWant& want) {
    answers.clear();
    auto result = queue.set(want, answers);
    queue.check();
    return result;
  }
  Result<bool> wait(LockWant want) {
    want.wait = next_wait++;
    return set(want);
  }
  void give(const LockWant& want) { EXPECT_TRUE(*set(want)); }
  void queue_up(const LockWant& want) { EXPECT_FALSE(*wait(want)); }
  Errc error(const LockWant& want) {
    const auto result = set(want);
    EXPECT_FALSE(result);
    return result ? Errc::kInternal : result.error().code;
  }
};

TEST_F(LockQueueTest, ReadersShareWritersDoNot) {
  EXPECT_TRUE(*set(want(kA, kShared, {0, 9})));
  EXPECT_TRUE(*set(want(kB, kShared, {5, 20})));
  EXPECT_EQ(error(want(kB, kExclusive, {9, 9})), Errc::kWouldBlock);
  EXPECT_TRUE(*set(want(kB, kExclusive, {10, 20})));
}

TEST_F(LockQueueTest, FlockAndPosixDoNotSeeEachOther) {
  EXPECT_TRUE(*set(flock(kA, kExclusive)));
  EXPECT_TRUE(*set(want(kB, kExclusive, kWholeFile)));
  EXPECT_EQ(error(flock(kB, kShared)), Errc::kWouldBlock);
}

TEST_F(LockQueueTest, WaitersAreServedInTheOrderTheyCame) {
  ASSERT_TRUE(*set(want(kA, kExclusive, {0, 9})));
  EXPECT_FALSE(*wait(want(kB, kExclusive, {0, 9})));
  EXPECT_FALSE(*wait(want(kC, kExclusive, {0, 9})));
  give(want(kA, kUnlock, {0, 9}));
  EXPECT_EQ(answers, (std::vector<LockAnswered>{{kB.session, 1, std::nullopt}}));
  give(want(kB, kUnlock, kWholeFile));
  EXPECT_EQ(answers, (std::vector<LockAnswered>{{kC.session, 2, std::nullopt}}));
}

TEST_F(LockQueueTest, AllWaitersThatFitAreServedAtOnce) {
  ASSERT_TRUE(*set(want(kA, kExclusive, kWholeFile)));
  EXPECT_FALSE(*wait(want(kB, kShared, {0, 9})));
  EXPECT_FALSE(*wait(want(kC, kShared, {5, 30})));
  give(want(kA, kUnlock, kWholeFile));
  EXPECT_EQ(answers.size(), 2);
}

TEST_F(LockQueueTest, ARetriedWaitIsQueuedOnce) {
  ASSERT_TRUE(*set(want(kA, kExclusive, kWholeFile)));
  LockWant waiting = want(kB, kShared, kWholeFile);
  waiting.wait = 9;
  EXPECT_FALSE(*set(waiting));
  EXPECT_FALSE(*set(waiting));
  EXPECT_EQ(queue.waiting(), 1);
}

TEST_F(LockQueueTest, ACancelledWaitIsNotAnswered) {
  ASSERT_TRUE(*set(want(kA, kExclusive, kWholeFile)));
  queue_up(want(kB, kShared, kWholeFile));
  EXPECT_FALSE(queue.cancel(kB.session, 99));
  EXPECT_FALSE(queue.cancel(kA.session, 1));  // another session's number
  EXPECT_TRUE(queue.cancel(kB.session, 1));
  give(want(kA, kUnlock, kWholeFile));
  EXPECT_TRUE(answers.empty());
  EXPECT_FALSE(queue.cancel(kB.session, 1));
}

TEST_F(LockQueueTest, UnlockingTheMiddleSplits) {
  give(want(kA, kExclusive, {0, 99}));
  give(want(kA, kUnlock, {40, 59}));
  EXPECT_TRUE(*set(want(kB, kExclusive, {40, 59})));
  EXPECT_EQ(error(want(kB, kShared, {39, 39})), Errc::kWouldBlock);
  EXPECT_EQ(error(want(kB, kShared, {60, 60})), Errc::kWouldBlock);
}

TEST_F(LockQueueTest, DowngradingAPartLetsReadersIn) {
  give(want(kA, kExclusive, {0, 99}));
  queue_up(want(kB, kShared, {10, 20}));
  give(want(kA, kShared, {0, 50}));
  EXPECT_EQ(answers.size(), 1);
  EXPECT_EQ(error(want(kB, kShared, {51, 51})), Errc::kWouldBlock);
}

TEST_F(LockQueueTest, AConversionOfFlockLetsTheOldLockGoFirst) {
  give(flock(kA, kShared));
  give(flock(kB, kShared));
  EXPECT_EQ(error(flock(kA, kExclusive)), Errc::kWouldBlock);
  EXPECT_TRUE(*set(flock(kB, kExclusive))) << "A's shared lock is lost by its failed conversion";
}

TEST_F(LockQueueTest, TwoConversionsOfFlockDoNotWaitForEachOther) {
  give(flock(kA, kShared));
  give(flock(kB, kShared));
  EXPECT_FALSE(*wait(flock(kA, kExclusive)));
  EXPECT_FALSE(*wait(flock(kB, kExclusive)));
  EXPECT_EQ(answers, (std::vector<LockAnswered>{{kA.session, 1, std::nullopt}}));
}

TEST_F(LockQueueTest, ACycleOfTwoIsADeadlock) {
  give(want(kA, kExclusive, {0, 0}));
  give(want(kB, kExclusive, {1, 1}));
  EXPECT_FALSE(*wait(want(kA, kShared, {1, 1})));
  EXPECT_EQ(wait(want(kB, kShared, {0, 0})).error().code, Errc::kDeadlock);
}

TEST_F(LockQueueTest, ACycleOfThreeOverTwoFilesIsADeadlock) {
  give(want(kA, kExclusive, {0, 0}));
  give(want(kB, kExclusive, {1, 1}));
  give(want(kC, kExclusive, kWholeFile, InodeId{6}));
  EXPECT_FALSE(*wait(want(kA, kExclusive, {1, 1})));
  EXPECT_FALSE(*wait(want(kB, kExclusive, {0, 9}, InodeId{6})));
  EXPECT_EQ(wait(want(kC, kExclusive, {0, 0})).error().code, Errc::kDeadlock);
}

TEST_F(LockQueueTest, TwoReadersThatBothUpgradeAreADeadlock) {
  give(want(kA, kShared, {0, 9}));
  give(want(kB, kShared, {0, 9}));
  EXPECT_FALSE(*wait(want(kA, kExclusive, {0, 9})));
  EXPECT_EQ(wait(want(kB, kExclusive, {0, 9})).error().code, Errc::kDeadlock);
}

TEST_F(LockQueueTest, AChainWithoutACycleIsNone) {
  give(want(kA, kExclusive, {0, 0}));
  give(want(kB, kExclusive, {1, 1}));
  EXPECT_FALSE(*wait(want(kB, kExclusive, {0, 0})));
  EXPECT_FALSE(*wait(want(kC, kExclusive, {1, 1})));
  EXPECT_FALSE(*wait(want(kC, kExclusive, {0, 1})));
}

TEST_F(LockQueueTest, FlockIsNotWatchedForDeadlock) {
  LockWant other = flock(kB, kExclusive);
  other.inode = InodeId{6};
  give(flock(kA, kExclusive));
  give(other);
  other.owner = kA;
  EXPECT_FALSE(*wait(other));
  EXPECT_FALSE(*wait(flock(kB, kExclusive)));
}

TEST_F(LockQueueTest, TestTellsTheFirstLockInTheWay) {
  give(want(kA, kShared, {10, 19}));
  give(want(kA, kExclusive, {30, 39}));
  const auto first = queue.test(want(kB, kExclusive, kWholeFile));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->range, (LockRange{10, 19}));
  EXPECT_EQ(first->pid, 77);
  EXPECT_EQ(queue.test(want(kB, kShared, kWholeFile))->range, (LockRange{30, 39}));
  EXPECT_FALSE(queue.test(want(kA, kExclusive, kWholeFile)));
  EXPECT_FALSE(queue.test(want(kB, kExclusive, {0, 9})));
}

TEST_F(LockQueueTest, TheEndOfASessionFreesItsLocksAndWaits) {
  give(want(kB, kExclusive, {0, 9}));
  queue_up(want(kA, kExclusive, {0, 9}));
  queue_up(want(kC, kExclusive, {0, 9}));
  answers.clear();
  queue.drop(kB.session, answers);  // C's too
  queue.check();
  EXPECT_EQ(answers, (std::vector<LockAnswered>{{kA.session, 1, std::nullopt}}));
  EXPECT_EQ(queue.waiting(), 0);
  EXPECT_EQ(queue.load_of(kB.session), 0);
}

TEST_F(LockQueueTest, ASessionHasSoManyLocksAndNoMore) {
  LockQueue small{4};
  for (std::uint64_t i = 0; i < 4; ++i) EXPECT_TRUE(*small.set(want(kA, kShared, {i * 10, i * 10}), answers));
  EXPECT_EQ(small.set(want(kA, kShared, {90, 90}), answers).error().code, Errc::kNoLocks);
  EXPECT_TRUE(*small.set(want(kA, kUnlock, {0, 0}), answers));
  EXPECT_TRUE(*small.set(want(kA, kShared, {90, 90}), answers));
}

// Every byte by itself: who holds it and how.
struct ByteModel {
  static constexpr std::uint64_t kBytes = 24;
  std::array<std::map<LockOwner, LockType>, kBytes> bytes;

  [[nodiscard]] bool conflicts(const LockWant& want) const {
    for (std::uint64_t at = want.range.start; at <= want.range.end && want.type != kUnlock; ++at) {
      for (const auto& [owner, type] : bytes[at]) {
        if (owner != want.owner && (type == kExclusive || want.type == kExclusive)) return true;
      }
    }
    return false;
  }
  void set(const LockWant& want) {
    for (std::uint64_t at = want.range.start; at <= want.range.end; ++at) {
      bytes[at].erase(want.owner);
      if (want.type != kUnlock) bytes[at][want.owner] = want.type;
    }
  }
};

TEST(LockQueueRandomly, AgreesWithAModelOfSingleBytes) {
  const std::array owners{kA, kB, kC, LockOwner{SessionId{3}, 1}};
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    sim::SimRandom random(seed);
    LockQueue queue(10000);
    ByteModel model;
    std::map<std::uint64_t, LockWant> waiting;  // by number, which rises: in the order they came
    for (std::uint64_t step = 1; step <= 400; ++step) {
      LockWant want{kInode, LockKind::kPosix, owners[random.below(owners.size())],
                    static_cast<LockType>(random.below(3)), {}, 1, 0};
      const bool blocked = std::ranges::any_of(waiting, [&](const auto& w) { return w.second.owner == want.owner; });
      if (blocked) {  // a waiting process does nothing, but may be interrupted
        if (!random.chance(0.1)) continue;
        const auto one = std::ranges::find_if(waiting, [&](const auto& w) { return w.second.owner == want.owner; });
        EXPECT_TRUE(queue.cancel(want.owner.session, one->first));
        waiting.erase(one);
        continue;
      }
      want.range.start = random.below(ByteModel::kBytes);
      want.range.end = want.range.start + random.below(ByteModel::kBytes - want.range.start);
      if (random.chance(0.5)) want.wait = step;
      std::vector<LockAnswered> answers;
      const auto result = queue.set(want, answers);
      queue.check();
      const bool conflict = model.conflicts(want);
      if (!conflict) {
        ASSERT_TRUE(result && *result);
        model.set(want);
      } else if (want.wait == 0) {
        ASSERT_EQ(result.error().code, Errc::kWouldBlock);
      } else if (result) {
        ASSERT_FALSE(*result);
        waiting.emplace(want.wait, want);
      } else {
        ASSERT_EQ(result.error().code, Errc::kDeadlock);
      }
      for (const auto& answer : answers) {
        const auto served = waiting.find(answer.wait);
        ASSERT_NE(served, waiting.end());
        for (auto earlier = waiting.begin(); earlier != served; ++earlier) {
          ASSERT_TRUE(model.conflicts(earlier->second)) << "overtaken by a waiter that came later";
        }
        ASSERT_FALSE(model.conflicts(served->second)) << "two holders that do not fit";
        model.set(served->second);
        waiting.erase(served);
      }
      for (const auto& [number, waiter] : waiting) ASSERT_TRUE(model.conflicts(waiter)) << "a wake-up was lost";
      for (std::uint64_t at = 0; at < ByteModel::kBytes; ++at) {
        for (const LockOwner& owner : owners) {
          const LockWant probe{kInode, LockKind::kPosix, owner, kExclusive, {at, at}, 1, 0};
          ASSERT_EQ(queue.test(probe).has_value(), model.conflicts(probe));
        }
      }
      ASSERT_TRUE(waiting.size() < owners.size()) << "everybody waits: a deadlock was not seen";
    }
  }
}

}  // namespace
}  // namespace conclave::lock
