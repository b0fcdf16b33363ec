#include "client/secrets/secret_book.h"

#include <gtest/gtest.h>

#include "tests/support/simulation.h"

namespace conclave::client {
namespace {

using namespace std::chrono_literals;
using Stand = SecretBook::Stand;

class SecretBookTest : public testing::Test {
 protected:
  static SecretKey key_of(const std::string& person) { return {7, InodeId{20}, person}; }
  // An open that files, and a vault that approves.
  void approve(const SecretKey& key, std::uint64_t version = 1, bool chosen = false) {
    ASSERT_EQ(book.look(key, version, now, true).stand, Stand::kMine);
    FiledRequest filed;
    filed.secret.header.core.version = version;
    filed.request.grant = 600s;
    filed.request.openings = 2;
    filed.request.claims = vault::Claims{{}, "", 0, "", key.person};
    const Hash rd = filed.request.rd();
    book.filed(key, std::move(filed), nullptr, chosen);
    book.decided(rd, vault::v1::APPROVED, now);
  }
  GrantPtr claim(const SecretKey& key, const SecretBook::Found& found) {
    return book.granted(key, found.request, SecretBytes::copy_of(view_of("s3cret")), now);
  }

  sim::Simulation sim{1};
  Parking parking{sim.waiter};
  SecretBook book{parking};
  MonoTime now = sim.clock.now();
};

TEST_F(SecretBookTest, AnotherPersonOfTheSameUidStartsAnew) {
  approve(key_of("alice"));
  EXPECT_EQ(book.look(key_of("bob"), 1, now, false).stand, Stand::kMine);
  EXPECT_EQ(book.look(key_of("alice"), 1, now, false).stand, Stand::kClaim);
}

TEST_F(SecretBookTest, AChosenVersionIsThatOfTheOpensWhileItsRequestOrGrantLives) {
  const SecretKey key = key_of("alice");
  approve(key);
  EXPECT_EQ(book.chosen(key, now), std::nullopt);
  ASSERT_TRUE(claim(key, book.look(key, 1, now, true)));
  EXPECT_EQ(book.chosen(key, now), std::nullopt);
  approve(key, 2, true);
  EXPECT_EQ(book.chosen(key, now), 2u);
  ASSERT_TRUE(claim(key, book.look(key, 2, now, true)));
  EXPECT_EQ(book.chosen(key, now), 2u);
  EXPECT_EQ(book.chosen(key, now + 600s), std::nullopt);
  EXPECT_EQ(book.look(key, 2, now, true).stand, Stand::kGranted);   // the second of two openings
  EXPECT_EQ(book.chosen(key, now), std::nullopt);
}

TEST_F(SecretBookTest, WhoAsksForTheNewestHasChosenNoMore) {
  const SecretKey key = key_of("alice");
  approve(key, 2, true);
  ASSERT_TRUE(claim(key, book.look(key, 2, now, true)));
  approve(key, 3, false);
  EXPECT_EQ(book.chosen(key, now), std::nullopt);
  EXPECT_EQ(book.look(key, 3, now, true).stand, Stand::kClaim);
}

TEST_F(SecretBookTest, WhoLeavesTakesGrantsAndRequestsAlong) {
  approve(key_of("alice"));
  const auto found = book.look(key_of("alice"), 1, now, true);
  const GrantPtr grant = claim(key_of("alice"), found);
  ASSERT_TRUE(grant);
  EXPECT_EQ(book.grant_of(7, InodeId{20}, now), grant);
  approve({7, InodeId{21}, "alice"});
  approve({8, InodeId{21}, "carol"});

  const auto left = book.leave(7, "bob");
  EXPECT_EQ(left.grants, std::vector{grant});
  ASSERT_EQ(left.requests.size(), 1u);
  EXPECT_EQ(left.requests[0].first->request.claims->reason, "alice");
  EXPECT_FALSE(book.grant_of(7, InodeId{20}, now));
  EXPECT_EQ(book.list().size(), 1u);  // carol's
  const std::lock_guard lock(grant->mutex);
  EXPECT_EQ(grant->plaintext.size(), 0u);
}

TEST_F(SecretBookTest, AClaimThatReturnsAfterALogoutGivesNothing) {
  approve(key_of("alice"));
  const auto found = book.look(key_of("alice"), 1, now, true);
  ASSERT_EQ(found.stand, Stand::kClaim);
  book.leave(7, "");
  EXPECT_FALSE(claim(key_of("alice"), found));
  ASSERT_EQ(book.look(key_of("alice"), 1, now, true).stand, Stand::kMine);  // a new one, of the next login
  EXPECT_FALSE(claim(key_of("alice"), found));
}

TEST_F(SecretBookTest, WhoLogsInAgainKeepsTheRequest) {
  approve(key_of("alice"));
  EXPECT_TRUE(book.leave(7, "alice").requests.empty());
  EXPECT_EQ(book.look(key_of("alice"), 1, now, false).stand, Stand::kClaim);
}

TEST_F(SecretBookTest, WhoeverWaitsIsWokenByALogout) {
  ASSERT_EQ(book.look(key_of("alice"), 1, now, true).stand, Stand::kMine);
  const auto waiting = book.look(key_of("alice"), 1, now, true);
  ASSERT_EQ(waiting.stand, Stand::kWait);
  bool woken = false;
  parking.park(waiting.key, [&] { woken = true; });
  book.leave(7, "");
  while (parking.run_one()) {}
  EXPECT_TRUE(woken);
}

}  // namespace
}  // namespace conclave::client
