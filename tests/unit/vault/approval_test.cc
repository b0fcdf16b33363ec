#include "vault/approval.h"

#include <gtest/gtest.h>

#include "tests/unit/vault/cast.h"

namespace conclave::vault {
namespace {

Person& person_in(RosterVersion& roster, const std::string& name) {
  for (Person& person : roster.people) {
    if (person.name == name) return person;
  }
  CHECK(false);
}

TEST(Approval, Is238BytesWithItsShareAndNoFlippedByteIsAccepted) {
  Story story;
  const Case a_case = story.a_case();
  const RosterChain chain = story.chain();
  const Bytes bytes = encode(story.approval_of("bob"));
  EXPECT_EQ(bytes.size(), kApprovalBytes);
  EXPECT_EQ(encode(*parse_approval(bytes)), bytes);
  EXPECT_EQ(check_approval(*parse_approval(bytes), a_case, chain).value()->name, "bob");
  EXPECT_EQ(lengths_accepted(bytes, parse_approval), 1u);   // the vote without its share
  EXPECT_EQ(encode(*parse_approval(ByteView(bytes).first(kVoteBytes))), encode_vote(*parse_approval(bytes)));
  EXPECT_EQ(flips_accepted(bytes,
                           [&](ByteView flipped) {
                             const auto approval = parse_approval(flipped);
                             return approval && check_approval(*approval, a_case, chain);
                           }),
            0u);
}

TEST(Approval, OfAnotherRequestDoesNotCount) {
  Story story;
  const Approval approval = story.approval_of("bob");
  story.request = story.ask("alice");
  EXPECT_EQ(code_of(check_approval(approval, story.a_case(), story.chain())), Errc::kKeyRejected);
}

TEST(Approval, BySomebodyWithoutAShareIsRefused) {
  Story story;
  EXPECT_EQ(code_of(approve(story.a_case(), story.device("alice"), story.chain(), kNow, story.random)), Errc::kAccess);
  EXPECT_EQ(code_of(approve(story.a_case(), story.device("ada"), story.chain(), kNow, story.random)), Errc::kAccess);
}

TEST(Approval, OfOnesOwnRequestIsRefusedUnlessThePolicyAllowsIt) {
  Story story("s3cret", std::nullopt, "bob");
  const RosterChain chain = story.chain();
  EXPECT_EQ(code_of(approve(story.a_case(), story.device("bob"), chain, kNow, story.random)), Errc::kAccess);
  // A client that leaves the check out gains nothing: the others check too.
  Case lax = story.a_case();
  lax.policy.self_approval = true;
  const Approval approval = approve(lax, story.device("bob"), chain, kNow, story.random).value();
  EXPECT_EQ(code_of(check_approval(approval, story.a_case(), chain)), Errc::kAccess);
  EXPECT_EQ(code_of(check_approval(approval, lax, chain)), kDone);
}

TEST(Approval, ASecondTooLateIsTooLate) {
  Story story;
  const WallTime end = story.request.expires;
  EXPECT_EQ(code_of(approve(story.a_case(), story.device("bob"), story.chain(), end, story.random)), kDone);
  EXPECT_EQ(
      code_of(approve(story.a_case(), story.device("bob"), story.chain(), end + std::chrono::seconds(1), story.random)),
      Errc::kTimedOut);
  Case patient = story.a_case();
  patient.request.expires = end + kMinute;
  const Approval late =
      approve(patient, story.device("bob"), story.chain(), end + std::chrono::seconds(1), story.random).value();
  EXPECT_EQ(code_of(check_approval(late, story.a_case(), story.chain())), Errc::kTimedOut);
}

TEST(Approval, BySomebodyWhoWasRevokedSinceDoesNotCount) {
  Story story;
  const Approval approval = story.approval_of("bob");
  const auto in = [&](const auto& change) {
    const RosterChain chain = story.chain_with([&](RosterVersion& r) { change(person_in(r, "bob")); });
    return code_of(check_approval(approval, story.a_case(), chain));
  };
  EXPECT_EQ(in([](Person&) {}), kDone);
  EXPECT_EQ(in([](Person& p) { p.revoked = true; }), Errc::kKeyRevoked);
  EXPECT_EQ(in([](Person& p) { p.devices[0].revoked = true; }), Errc::kKeyRevoked);
  EXPECT_EQ(in([](Person& p) { p.roles = kRequester; }), Errc::kAccess);
  EXPECT_EQ(in([](Person& p) { p.expires = kNow; }), Errc::kKeyExpired);
  EXPECT_EQ(in([](Person& p) { p.devices.clear(); }), Errc::kKeyRejected);
}

TEST(Approval, CarriesItsApproversOwnShareOnly) {
  Story story;
  const Case a_case = story.a_case();
  const Approval bob = story.approval_of("bob");
  EXPECT_EQ(open_approval(bob, a_case, story.request_key)->x, 1);
  Approval swapped = bob;
  swapped.x = 2;
  EXPECT_EQ(code_of(open_approval(swapped, a_case, story.request_key)), Errc::kCorrupt);
  EXPECT_EQ(code_of(open_approval(bob, a_case, make_agreement_key(story.random))), Errc::kCorrupt);
}

TEST(Approval, ARequestKeyOfSmallOrderIsRefusedWithoutAborting) {
  Story story;
  Case a_case = story.a_case();
  a_case.request.key = {};
  EXPECT_EQ(code_of(approve(a_case, story.device("bob"), story.chain(), kNow, story.random)), Errc::kKeyRejected);
}

TEST(Denial, RoundTripsAndNoFlippedByteIsAccepted) {
  Story story;
  const Case a_case = story.a_case();
  const RosterChain chain = story.chain();
  const Bytes bytes = encode(story.denial_of("bob"));
  EXPECT_EQ(check_denial(*parse_denial(bytes), a_case, chain).value()->name, "bob");
  EXPECT_EQ(lengths_accepted(bytes, parse_denial), 0u);
  EXPECT_EQ(flips_accepted(bytes,
                           [&](ByteView flipped) {
                             const auto denial = parse_denial(flipped);
                             return denial && check_denial(*denial, a_case, chain);
                           }),
            0u);
}

TEST(Votes, CountPeopleAndNotDevices) {
  Cast cast;
  const Device second = make_device(cast.random);
  person_in(cast.roster, "bob").devices.push_back({second.public_half(), false});
  cast.roster.signatures.clear();
  sign_roster(cast.roster, cast.device("ada"));
  const Policy rules = cast.policy();
  const Login author = cast.login("alice");
  const SealedVersion sealed = cast.seal("s3cret", rules, author);
  const AgreementKey key = make_agreement_key(cast.random);
  const Request request =
      make_request(sealed.header, sealed.table, rules, author, key.public_key, {}, kNow, cast.random);
  const RosterChain chain = cast.chain();
  const Case a_case =
      open_case(encode(rules), encode(sealed.header), encode(sealed.table), encode(request), chain).value();
  const Approval one = approve(a_case, cast.device("bob"), chain, kNow, cast.random).value();
  const Approval two = approve(a_case, second, chain, kNow, cast.random).value();
  const Tally tally = count_votes(a_case, {one, two, one}, {}, chain);
  EXPECT_EQ(tally.decision, Decision::kPending);
  EXPECT_EQ(tally.approved, std::vector<std::string>{"bob"});
  EXPECT_EQ(tally.groups[0].have, 1u);
  EXPECT_EQ(tally.groups[0].need, 2u);
  const Bytes inner = seal_inner(a_case, sealed.inner, cast.random).value();
  EXPECT_EQ(code_of(open_released(a_case, {one, two}, inner, sealed.payload, key, chain)), Errc::kAccess);
}

TEST(Votes, DecideAsThePolicySays) {
  Story story;
  const Case a_case = story.a_case();
  const RosterChain chain = story.chain();
  const Approval bob = story.approval_of("bob");
  const Approval carol = story.approval_of("carol");
  const Denial dave = story.denial_of("dave");
  EXPECT_EQ(count_votes(a_case, {}, {}, chain).decision, Decision::kPending);
  EXPECT_EQ(count_votes(a_case, {bob}, {}, chain).decision, Decision::kPending);
  EXPECT_EQ(count_votes(a_case, {bob, carol}, {}, chain).decision, Decision::kApproved);
  EXPECT_EQ(count_votes(a_case, {bob}, {dave}, chain).decision, Decision::kDenied);  // a veto after m − 1
  EXPECT_EQ(count_votes(a_case, {bob, carol}, {dave}, chain).decision, Decision::kDenied);
}

TEST(Votes, SeveralDenialsCanBeAskedFor) {
  Cast cast;
  Policy rules = cast.policy();
  rules.veto = 2;
  rules.signatures.clear();
  sign_policy(rules, cast.device("ada"));
  Story story("s3cret", rules);
  const Case a_case = story.a_case();
  const RosterChain chain = story.chain();
  const Denial bob = story.denial_of("bob");
  EXPECT_EQ(count_votes(a_case, {}, {bob, bob}, chain).decision, Decision::kPending);
  EXPECT_EQ(count_votes(a_case, {}, {bob, story.denial_of("carol")}, chain).decision, Decision::kDenied);
  // Who denied does not count as approving as well.
  const Tally tally = count_votes(a_case, {story.approval_of("bob"), story.approval_of("carol")}, {bob}, chain);
  EXPECT_EQ(tally.decision, Decision::kPending);
  EXPECT_EQ(tally.groups[0].have, 1u);
}

TEST(Votes, BadOnesDoNotCount) {
  Story story;
  Approval bob = story.approval_of("bob");
  bob.signature[0] ^= 1;
  Denial dave = story.denial_of("dave");
  dave.signature[0] ^= 1;
  const Tally tally = count_votes(story.a_case(), {bob, story.approval_of("carol")}, {dave}, story.chain());
  EXPECT_EQ(tally.decision, Decision::kPending);
  EXPECT_EQ(tally.approved, std::vector<std::string>{"carol"});
  EXPECT_TRUE(tally.denied.empty());
}

}  // namespace
}  // namespace conclave::vault
