#include "client/session/held_locks.h"

#include <gtest/gtest.h>

namespace conclave::client {
namespace {

using lock::LockType;
constexpr InodeId kInode{5};
constexpr std::uint64_t kEnd = 0x7fffffffffffffff;

struct HeldLocksTest : testing::Test {
  HeldLocks locks;

  static HeldLocks::Request request(LockType type, std::uint64_t start = 0, std::uint64_t end = kEnd, std::uint64_t wait = 0) {
    HeldLocks::Request out;
    out.inode = kInode;
    out.owner = 1;
    out.handle = 40;
    out.type = type;
    out.range = {start, end};
    out.wait = wait;
    return out;
  }
  void hold(LockType type, std::uint64_t start = 0, std::uint64_t end = kEnd) {
    EXPECT_TRUE(locks.granted(locks.sending(request(type, start, end)), "proof"));
  }
  // "X 0-9, S 20-29": what would be claimed.
  std::string claimed() {
    std::string out;
    for (const auto& claim : locks.claims()) {
      out += std::string(out.empty() ? "" : ", ") + (claim.wire.wait() != 0 ? "waits " : "") +
             (claim.wire.type() == lock::v1::EXCLUSIVE_LOCK ? "X " : "S ") + std::to_string(claim.wire.range().start()) + "-" +
             (claim.wire.range().end() == kEnd ? "" : std::to_string(claim.wire.range().end()));
      EXPECT_EQ(claim.wire.proof(), "proof");
    }
    return out;
  }
};

TEST_F(HeldLocksTest, WhatWasGrantedIsClaimed) {
  hold(LockType::kExclusive, 0, 9);
  hold(LockType::kShared, 20, 29);
  EXPECT_EQ(claimed(), "X 0-9, S 20-29");
}

TEST_F(HeldLocksTest, AnUnlockCountsFromWhenItIsSent) {
  hold(LockType::kExclusive, 0, 29);
  const auto number = locks.sending(request(LockType::kUnlock, 10, 19));
  EXPECT_EQ(claimed(), "X 0-9, X 20-29");
  locks.refused(number, true);
  EXPECT_EQ(claimed(), "X 0-9, X 20-29");
}

TEST_F(HeldLocksTest, ALockCountsFromWhenItIsAnswered) {
  const auto number = locks.sending(request(LockType::kExclusive));
  EXPECT_EQ(claimed(), "");
  EXPECT_FALSE(locks.granted(number, "proof")) << "by a lock server that is gone";
  EXPECT_EQ(claimed(), "");
}

TEST_F(HeldLocksTest, WhatIsToBeSharedIsSharedMeanwhile) {
  hold(LockType::kExclusive, 0, 29);
  const auto number = locks.sending(request(LockType::kShared, 10, 19));
  EXPECT_EQ(claimed(), "X 0-9, S 10-19, X 20-29");
  locks.refused(number, false);
  EXPECT_EQ(claimed(), "X 0-29");
  locks.refused(locks.sending(request(LockType::kShared, 10, 19)), true);
  EXPECT_EQ(claimed(), "X 0-9, S 10-19, X 20-29");
}

TEST_F(HeldLocksTest, WhatIsToBeExclusiveIsSharedMeanwhile) {
  hold(LockType::kShared);
  locks.sending(request(LockType::kExclusive));
  EXPECT_EQ(claimed(), "S 0-");
}

TEST_F(HeldLocksTest, AConversionOfFlockGivesUpTheOldLock) {
  auto shared = request(LockType::kShared);
  shared.flock = true;
  ASSERT_TRUE(locks.granted(locks.sending(shared), "proof"));
  auto exclusive = shared;
  exclusive.type = LockType::kExclusive;
  locks.sending(exclusive);
  EXPECT_EQ(claimed(), "");
}

TEST_F(HeldLocksTest, AWaitIsClaimedWithItsPlaceAndItsEventOfBeforeIsVoid) {
  const auto asked = request(LockType::kExclusive, 0, kEnd, 7);
  const auto number = locks.sending(asked);
  ASSERT_TRUE(locks.queued(number, asked, 3, "proof"));
  const auto before = locks.era();
  EXPECT_EQ(claimed(), "waits X 0-");
  EXPECT_FALSE(locks.answered(7, true, before));
  EXPECT_TRUE(locks.answered(7, true, locks.era()));
  EXPECT_EQ(claimed(), "X 0-");
}

TEST_F(HeldLocksTest, AnEventMayOvertakeTheAnswerThatItsRequestIsQueued) {
  const auto asked = request(LockType::kExclusive, 0, kEnd, 7);
  const auto number = locks.sending(asked);
  ASSERT_TRUE(locks.answered(7, true, locks.era()));
  ASSERT_TRUE(locks.queued(number, asked, 3, "proof"));
  EXPECT_EQ(claimed(), "X 0-");
}

TEST_F(HeldLocksTest, ACancelledWaitIsNotClaimed) {
  const auto asked = request(LockType::kExclusive, 0, kEnd, 7);
  ASSERT_TRUE(locks.queued(locks.sending(asked), asked, 3, "proof"));
  locks.cancelled(7);
  EXPECT_EQ(claimed(), "");
}

TEST_F(HeldLocksTest, TheDescriptorsOfLostLocksAreTold) {
  hold(LockType::kExclusive, 0, 9);
  const auto claims = locks.claims();
  ASSERT_EQ(claims.size(), 1);
  lock::v1::ReclaimResponse::Lock refused;
  refused.set_errc("WouldBlock");
  EXPECT_EQ(locks.reclaimed(claims[0], refused), std::vector<std::uint64_t>{40});
  EXPECT_EQ(claimed(), "");
  hold(LockType::kExclusive, 0, 9);
  EXPECT_EQ(locks.lose_all(), std::vector<std::uint64_t>{40});
  EXPECT_EQ(locks.lose_all(), std::vector<std::uint64_t>{});
}

}  // namespace
}  // namespace conclave::client
