#include "vault/policy.h"

#include <gtest/gtest.h>

#include "tests/unit/vault/cast.h"

namespace conclave::vault {
namespace {

template <class Change>
Errc checked(const Cast& cast, const Change& change) {
  Policy policy = cast.policy();
  change(policy);
  policy.signatures.clear();
  sign_policy(policy, cast.device("ada"));
  return code_of(check_policy(policy, cast.chain()));
}

TEST(Policy, RoundTripsAndNoFlippedByteIsAccepted) {
  Cast cast;
  const RosterChain chain = cast.chain();
  const Bytes bytes = encode(cast.policy());
  EXPECT_EQ(encode(*parse_policy(bytes)), bytes);
  EXPECT_TRUE(check_policy(*parse_policy(bytes), chain));
  EXPECT_EQ(lengths_accepted(bytes, parse_policy), 0u);
  EXPECT_EQ(flips_accepted(bytes,
                           [&](ByteView flipped) {
                             const auto policy = parse_policy(flipped);
                             return policy && check_policy(*policy, chain);
                           }),
            0u);
}

TEST(Policy, ImpossibleOnesAreRefused) {
  Cast cast;
  EXPECT_EQ(checked(cast, [](Policy&) {}), kDone);
  EXPECT_EQ(checked(cast, [](Policy& p) { p.groups.clear(); }), Errc::kInvalid);
  EXPECT_EQ(checked(cast, [](Policy& p) { p.groups[0].m = 0; }), Errc::kInvalid);
  EXPECT_EQ(checked(cast, [](Policy& p) { p.groups[0].m = 4; }), Errc::kInvalid);
  EXPECT_EQ(checked(cast, [](Policy& p) { p.groups[0].approvers = {"bob", "carol", "ada"}; }), Errc::kInvalid);
  EXPECT_EQ(checked(cast, [](Policy& p) { p.groups[0].approvers = {"bob", "carol", "mallory"}; }), Errc::kInvalid);
  EXPECT_EQ(checked(cast, [](Policy& p) { p.veto = 0; }), Errc::kInvalid);
  EXPECT_EQ(checked(cast, [](Policy& p) { p.most_openings = 0; }), Errc::kInvalid);
  EXPECT_EQ(checked(cast, [](Policy& p) { p.request_lifetime = {}; }), Errc::kInvalid);
  EXPECT_EQ(checked(cast, [](Policy& p) { p.longest_grant = {}; }), Errc::kInvalid);
  EXPECT_EQ(checked(cast, [](Policy& p) { p.longest_grant = kMaxLifetime + std::chrono::seconds(1); }), Errc::kInvalid);
  EXPECT_EQ(checked(cast, [](Policy& p) { p.shortest_reason = 1001; }), Errc::kInvalid);
  EXPECT_EQ(checked(cast, [](Policy& p) { p.version = 2; }), Errc::kInvalid);
  EXPECT_EQ(checked(cast, [](Policy& p) { p.cluster[0] ^= 1; }), Errc::kKeyRejected);
  EXPECT_EQ(checked(cast, [](Policy& p) { p.roster_version = 2; }), Errc::kStale);
}

TEST(Policy, NobodyIsInTwoGroups) {
  Cast cast;
  EXPECT_EQ(checked(cast, [](Policy& p) { p.groups.push_back({"security", 1, {"alice"}}); }), kDone);
  EXPECT_EQ(checked(cast, [](Policy& p) { p.groups.push_back({"security", 1, {"alice", "bob"}}); }), Errc::kInvalid);
}

TEST(Policy, OnlyAdminsSign) {
  Cast cast;
  Policy policy = cast.policy();
  policy.signatures.clear();
  EXPECT_EQ(code_of(check_policy(policy, cast.chain())), Errc::kAccess);
  sign_policy(policy, cast.device("bob"));
  EXPECT_EQ(code_of(check_policy(policy, cast.chain())), Errc::kAccess);
}

TEST(Policy, ASuccessorContinuesItsOwnDirectorys) {
  Cast cast;
  const RosterChain chain = cast.chain();
  const Policy first = cast.policy();
  const auto next = [&](const auto& change) {
    Policy policy = cast.policy(3);
    policy.version = 2;
    policy.previous = first.hash();
    change(policy);
    policy.signatures.clear();
    sign_policy(policy, cast.device("ada"));
    return code_of(check_next(first, policy, chain));
  };
  EXPECT_EQ(next([](Policy&) {}), kDone);
  EXPECT_EQ(next([](Policy& p) { p.directory = InodeId{78}; }), Errc::kInvalid);
  EXPECT_EQ(next([](Policy& p) { p.version = 3; }), Errc::kStale);
  EXPECT_EQ(next([](Policy& p) { p.previous[0] ^= 1; }), Errc::kStale);
  EXPECT_EQ(next([](Policy& p) { p.issued.ns -= 1; }), Errc::kInvalid);
}

// An admin who left still has a key that signed under version 1.
TEST(Policy, ANewOneIsSignedUnderTheNewestRoster) {
  Cast cast;
  const RosterChain newer = cast.chain_with([](RosterVersion&) {});
  EXPECT_EQ(code_of(check_put(cast.policy(), nullptr, cast.chain(), kNow)), kDone);
  EXPECT_EQ(code_of(check_put(cast.policy(), nullptr, newer, kNow)), Errc::kStale);
  EXPECT_EQ(code_of(check_policy(cast.policy(), newer)), kDone);  // what was put before stays good
  const Policy first = cast.policy();
  EXPECT_EQ(code_of(check_put(first, &first, cast.chain(), kNow)), Errc::kStale);
}

TEST(Policy, KnowsEachApproversPlace) {
  Cast cast;
  const Policy policy = cast.policy();
  EXPECT_EQ(policy.place_of("bob").x, 1);
  EXPECT_EQ(policy.place_of("dave").x, 3);
  EXPECT_EQ(policy.place_of("alice").group, nullptr);
  EXPECT_EQ(quorum_text(policy), "2 of bob, carol, dave");
}

}  // namespace
}  // namespace conclave::vault
