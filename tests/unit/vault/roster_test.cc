#include "vault/roster.h"

#include <gtest/gtest.h>

#include "tests/unit/vault/cast.h"

namespace conclave::vault {
namespace {

// A successor of the cast's roster, not signed yet.
RosterVersion next_of(const Cast& cast) {
  RosterVersion out = cast.roster;
  out.version = 2;
  out.previous = cast.roster.hash();
  out.signatures.clear();
  return out;
}

Person& person_in(RosterVersion& roster, const std::string& name) {
  for (Person& person : roster.people) {
    if (person.name == name) return person;
  }
  CHECK(false);
}

TEST(Roster, RoundTripsAndRefusesEveryTruncation) {
  Cast cast;
  const Bytes bytes = encode(cast.roster);
  EXPECT_EQ(encode(*parse_roster(bytes)), bytes);
  EXPECT_EQ(parse_roster(bytes)->hash(), cast.roster.hash());
  EXPECT_EQ(lengths_accepted(bytes, parse_roster), 0u);
}

TEST(Roster, NoFlippedByteOfVersionOneIsAccepted) {
  Cast cast;
  const Hash pinned = cast.roster.hash();
  EXPECT_TRUE(RosterChain::begin(encode(cast.roster), pinned));
  EXPECT_EQ(flips_accepted(encode(cast.roster),
                           [&](ByteView flipped) { return RosterChain::begin(flipped, pinned).has_value(); }),
            0u);
}

TEST(Roster, NoFlippedByteOfALaterVersionIsAccepted) {
  Cast cast;
  RosterVersion next = next_of(cast);
  sign_roster(next, cast.device("ada"));
  EXPECT_TRUE(check_next(cast.roster, next));
  EXPECT_EQ(flips_accepted(encode(next),
                           [&](ByteView flipped) {
                             const auto parsed = parse_roster(flipped);
                             return parsed && check_next(cast.roster, *parsed);
                           }),
            0u);
}

TEST(Roster, AnotherOrderOrADoubleIsRefused) {
  Cast cast;
  RosterVersion other = cast.roster;
  std::swap(other.people[0], other.people[1]);
  EXPECT_FALSE(parse_roster(encode(other)));
  other = cast.roster;
  other.people.insert(other.people.begin(), other.people.front());
  EXPECT_FALSE(parse_roster(encode(other)));
  other = cast.roster;
  person_in(other, "bob").devices = person_in(other, "carol").devices;
  EXPECT_EQ(code_of(parse_roster(encode(other))), Errc::kCorrupt);
  other = cast.roster;
  other.signatures.push_back(other.signatures[0]);
  EXPECT_FALSE(parse_roster(encode(other)));
}

TEST(Roster, AnotherFirstVersionIsNotThePinnedOne) {
  Cast cast;
  Cast impostor;
  impostor.roster.people.pop_back();
  impostor.roster.signatures.clear();
  sign_roster(impostor.roster, impostor.device("ada"));
  EXPECT_EQ(code_of(RosterChain::begin(encode(impostor.roster), cast.roster.hash())), Errc::kKeyRejected);
}

TEST(Roster, ASuccessorContinuesTheChain) {
  Cast cast;
  const auto refused = [&](const auto& change) {
    RosterVersion next = next_of(cast);
    change(next);
    sign_roster(next, cast.device("ada"));
    return code_of(check_next(cast.roster, next));
  };
  EXPECT_EQ(refused([](RosterVersion&) {}), kDone);
  EXPECT_EQ(refused([](RosterVersion& r) { r.version = 1; }), Errc::kInvalid);
  EXPECT_EQ(refused([](RosterVersion& r) { r.version = 3; }), Errc::kInvalid);
  EXPECT_EQ(refused([](RosterVersion& r) { r.previous[0] ^= 1; }), Errc::kKeyRejected);
  EXPECT_EQ(refused([](RosterVersion& r) { r.cluster[0] ^= 1; }), Errc::kInvalid);
  EXPECT_EQ(refused([](RosterVersion& r) { r.issued.ns -= 1; }), Errc::kInvalid);
  EXPECT_EQ(refused([](RosterVersion& r) { r.threshold = 0; }), Errc::kInvalid);
  EXPECT_EQ(refused([](RosterVersion& r) { r.threshold = 2; }), Errc::kInvalid);  // one admin cannot be two
}

TEST(Roster, OnlyAnAdminMakesASuccessor) {
  Cast cast;
  RosterVersion next = next_of(cast);
  sign_roster(next, cast.device("bob"));
  EXPECT_EQ(code_of(check_next(cast.roster, next)), Errc::kAccess);
  // Nor does bob become one by saying so: the current version's admins must agree.
  next = next_of(cast);
  person_in(next, "bob").roles |= kAdmin;
  sign_roster(next, cast.device("bob"));
  EXPECT_EQ(code_of(check_next(cast.roster, next)), Errc::kAccess);
}

TEST(Roster, BothVersionsThresholdsAreNeeded) {
  Cast cast;
  RosterVersion two = next_of(cast);
  person_in(two, "bob").roles |= kAdmin;
  two.threshold = 2;
  sign_roster(two, cast.device("ada"));
  EXPECT_EQ(code_of(check_next(cast.roster, two)), Errc::kAccess);  // t of the new one's is 2
  sign_roster(two, cast.device("bob"));
  EXPECT_EQ(code_of(check_next(cast.roster, two)), kDone);

  RosterVersion one = two;  // back to a threshold of 1: the old one's 2 must agree
  one.version = 3;
  one.previous = two.hash();
  one.threshold = 1;
  one.signatures.clear();
  sign_roster(one, cast.device("bob"));
  EXPECT_EQ(code_of(check_next(two, one)), Errc::kAccess);
  sign_roster(one, cast.device("ada"));
  EXPECT_EQ(code_of(check_next(two, one)), kDone);
}

TEST(Roster, TwoDevicesOfOneAdminAreOneSignature) {
  Cast cast;
  const Device second = make_device(cast.random);
  RosterVersion two = next_of(cast);
  person_in(two, "bob").roles |= kAdmin;
  person_in(two, "ada").devices.push_back({second.public_half(), false});
  two.threshold = 2;
  sign_roster(two, cast.device("ada"));
  sign_roster(two, second);
  EXPECT_EQ(code_of(check_next(cast.roster, two)), Errc::kAccess);
}

TEST(Roster, SigningTwiceKeepsOneSignature) {
  Cast cast;
  sign_roster(cast.roster, cast.device("ada"));
  EXPECT_EQ(cast.roster.signatures.size(), 1u);
}

TEST(Roster, StandingSaysWhatIsWrong) {
  Cast cast;
  const Kid bob = cast.device("bob").kid();
  const auto standing_of = [&](const auto& change, std::uint32_t roles) {
    RosterVersion roster = cast.roster;
    change(person_in(roster, "bob"));
    const auto by_device = standing(roster, bob, roles, kNow);
    const auto by_name = standing(roster, "bob", roles, kNow);
    return std::pair(code_of(by_device), code_of(by_name));
  };
  const auto both = [](Errc code) { return std::pair(code, code); };
  EXPECT_EQ(standing_of([](Person&) {}, kApprover), both(kDone));
  EXPECT_EQ(standing_of([](Person&) {}, kApprover | kAuthor), both(Errc::kAccess));
  EXPECT_EQ(standing_of([](Person& p) { p.revoked = true; }, 0), both(Errc::kKeyRevoked));
  EXPECT_EQ(standing_of([](Person& p) { p.expires = {kNow.ns - 1}; }, 0), both(Errc::kKeyExpired));
  EXPECT_EQ(standing_of([](Person& p) { p.expires = kNow; }, 0), both(kDone));
  EXPECT_EQ(standing_of([](Person& p) { p.devices[0].revoked = true; }, 0), (std::pair(Errc::kKeyRevoked, kDone)));
  EXPECT_EQ(code_of(standing(cast.roster, Kid{}, 0, kNow)), Errc::kKeyRejected);
  EXPECT_EQ(code_of(standing(cast.roster, "nobody", 0, kNow)), Errc::kNotFound);
  EXPECT_EQ(standing(cast.roster, bob, kAdmin, kNow).error().message, "bob lacks the role admin in roster version 1");
}

TEST(RosterChain, RefusesARollback) {
  Cast cast;
  const RosterChain newer = cast.chain_with([](RosterVersion& r) { person_in(r, "dave").revoked = true; });
  const Hash seen = newer.current().hash();
  EXPECT_TRUE(newer.check_seen(2, seen));
  EXPECT_TRUE(newer.check_seen(1, cast.roster.hash()));
  EXPECT_EQ(code_of(cast.chain().check_seen(2, seen)), Errc::kStale);
  const RosterChain fork = cast.chain_with([](RosterVersion& r) { person_in(r, "bob").revoked = true; });
  EXPECT_EQ(code_of(fork.check_seen(2, seen)), Errc::kKeyRejected);
}

TEST(RosterChain, StaysAsItWasAfterARefusedVersion) {
  Cast cast;
  RosterChain chain = cast.chain();
  RosterVersion next = next_of(cast);
  sign_roster(next, cast.device("bob"));
  EXPECT_FALSE(chain.append(encode(next)));
  EXPECT_EQ(chain.current().version, 1u);
  EXPECT_EQ(chain.at(0), nullptr);
  EXPECT_EQ(chain.at(2), nullptr);
}

TEST(Roles, RoundTripAsText) {
  EXPECT_EQ(roles_text(kAuthor | kApprover), "author,approver");
  EXPECT_EQ(*roles_of_text("approver,author"), kAuthor | kApprover);
  EXPECT_EQ(*roles_of_text(roles_text(kAllRoles)), kAllRoles);
  EXPECT_EQ(code_of(roles_of_text("author,king")), Errc::kInvalid);
}

}  // namespace
}  // namespace conclave::vault
