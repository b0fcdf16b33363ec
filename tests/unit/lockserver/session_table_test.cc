#include "lockserver/session_table.h"

#include <gtest/gtest.h>

namespace conclave::lock {
namespace {

constexpr MonoTime kStart{std::chrono::seconds(1000)};
constexpr std::uint64_t kFirstFence = std::uint64_t{3} << 32;

struct SessionTableTest : testing::Test {
  SessionTerm term{std::chrono::seconds(30)};
  SessionTable table{term, 3, kFirstFence};

  SessionId open(std::uint64_t id, std::uint64_t holder = 7, MonoTime now = kStart) {
    SessionTable::Session wanted;
    wanted.id = SessionId{id};
    wanted.holder = holder;
    wanted.nonce = id * 100;
    return table.open(wanted, now)->id;
  }
};

TEST_F(SessionTableTest, TheClientStopsTrustingItsLeaseBeforeTheServerGivesItAway) {
  EXPECT_EQ(term.slack(), std::chrono::milliseconds(800));
  EXPECT_EQ(term.at_client(), std::chrono::milliseconds(29200));
  EXPECT_EQ(term.at_server(), std::chrono::milliseconds(30800));
}

TEST_F(SessionTableTest, ARetriedOpenGivesTheSameSession) {
  SessionTable::Session wanted;
  wanted.id = SessionId{1};
  wanted.holder = 7;
  wanted.nonce = 42;
  ASSERT_EQ(table.open(wanted, kStart)->id, SessionId{1});
  wanted.id = SessionId{2};
  EXPECT_EQ(table.open(wanted, kStart)->id, SessionId{1});
  wanted.holder = 8;  // the same nonce of another certificate
  EXPECT_EQ(table.open(wanted, kStart)->id, SessionId{2});
}

TEST_F(SessionTableTest, OnlyItsOwnCertificateUsesASession) {
  open(1, 7);
  EXPECT_TRUE(table.find(SessionId{1}, 7));
  EXPECT_EQ(table.find(SessionId{1}, 8).error().code, Errc::kAccess);
  EXPECT_EQ(table.find(SessionId{2}, 7).error().code, Errc::kStale);
}

TEST_F(SessionTableTest, ThereIsALimit) {
  for (std::uint64_t id = 1; id <= 3; ++id) open(id);
  SessionTable::Session wanted;
  wanted.id = SessionId{4};
  EXPECT_EQ(table.open(wanted, kStart).error().code, Errc::kOverloaded);
  table.close(SessionId{2});
  EXPECT_TRUE(table.open(wanted, kStart));
}

TEST_F(SessionTableTest, OneClientCannotHaveThemAll) {
  SessionTable large{term, 2 * kMaxSessionsPerClient, kFirstFence};
  SessionTable::Session wanted;
  wanted.peer = "user mallory";
  for (std::uint64_t id = 1; id <= kMaxSessionsPerClient; ++id) {
    wanted.id = SessionId{id};
    wanted.holder = wanted.nonce = id;   // a certificate of its own for each
    ASSERT_TRUE(large.open(wanted, kStart));
  }
  wanted.id = SessionId{kMaxSessionsPerClient + 1};
  wanted.holder = wanted.nonce = kMaxSessionsPerClient + 1;
  EXPECT_EQ(large.open(wanted, kStart).error().code, Errc::kOverloaded);
  wanted.peer = "user alice";
  EXPECT_TRUE(large.open(wanted, kStart));
}

TEST_F(SessionTableTest, RenewingMovesTheEnd) {
  open(1);
  EXPECT_EQ(table.next_expiry(), kStart + term.at_server());
  ASSERT_TRUE(table.renew(SessionId{1}, 7, "laptop:/mnt", kStart + std::chrono::seconds(10)));
  EXPECT_EQ(table.next_expiry(), kStart + std::chrono::seconds(10) + term.at_server());
  EXPECT_TRUE(table.fence_expired(kStart + term.at_server()).empty());
  EXPECT_EQ(table.all().at(SessionId{1}).label, "laptop:/mnt");
}

TEST_F(SessionTableTest, RenewAfterExpiryIsRefused) {
  open(1);
  EXPECT_EQ(table.renew(SessionId{1}, 7, "", kStart + term.at_server()).error().code, Errc::kFenced);
}

TEST_F(SessionTableTest, ASilentSessionIsFencedAndKnownUntilThatIsAcknowledged) {
  open(1);
  open(2, 7, kStart + std::chrono::seconds(5));
  const MonoTime later = kStart + term.at_server();
  EXPECT_EQ(table.fence_expired(later), std::vector{SessionId{1}});
  EXPECT_TRUE(table.fence_expired(later).empty());  // once
  EXPECT_EQ(table.newest_fence(), kFirstFence + 1);
  EXPECT_EQ(table.find(SessionId{1}, 7).error().code, Errc::kFenced);
  EXPECT_EQ(table.fenced(), std::vector{SessionId{1}});
  EXPECT_EQ(table.live(), std::vector{SessionId{2}});

  EXPECT_TRUE(table.acknowledge(kFirstFence).empty());
  EXPECT_EQ(table.acknowledge(kFirstFence + 1), std::vector{SessionId{1}});
  EXPECT_EQ(table.find(SessionId{1}, 7).error().code, Errc::kStale);
  EXPECT_TRUE(table.fenced().empty());
}

TEST_F(SessionTableTest, AFencedSessionIsNotRevivedByARetriedOpen) {
  open(1);
  table.fence(SessionId{1});
  SessionTable::Session wanted;
  wanted.id = SessionId{2};
  wanted.holder = 7;
  wanted.nonce = 100;
  EXPECT_EQ(table.open(wanted, kStart)->id, SessionId{2});
}

}  // namespace
}  // namespace conclave::lock
