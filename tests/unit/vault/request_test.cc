#include "vault/request.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "tests/unit/vault/cast.h"

namespace conclave::vault {
namespace {

TEST(Request, RoundTripsAndNoFlippedByteIsAccepted) {
  Story story;
  const RosterChain chain = story.chain();
  const Bytes bytes = encode(story.request);
  EXPECT_EQ(encode(*parse_request(bytes)), bytes);
  EXPECT_EQ(parse_request(bytes)->rd(), story.request.rd());
  EXPECT_EQ(lengths_accepted(bytes, parse_request), 0u);
  const Bytes policy = encode(story.rules);
  const Bytes header = encode(story.sealed.header);
  const Bytes table = encode(story.sealed.table);
  EXPECT_TRUE(open_case(policy, header, table, bytes, chain));
  EXPECT_EQ(flips_accepted(bytes,
                           [&](ByteView flipped) {
                             // rd names all but the signature, so a changed request that parsed has another name.
                             const auto parsed = parse_request(flipped);
                             return parsed && open_case(policy, header, table, flipped, chain);
                           }),
            0u);
}

TEST(Request, TwoEqualWishesAreTwoRequests) {
  Story story;
  EXPECT_NE(story.ask("alice").rd(), story.ask("alice").rd());
}

TEST(Request, AsksForNoMoreThanThePolicyGrants) {
  Story story;
  EXPECT_EQ(story.request.grant, story.rules.longest_grant);
  EXPECT_EQ(story.request.openings, story.rules.most_openings);
  EXPECT_EQ(story.request.expires, kNow + story.rules.request_lifetime);
  const auto refused = [&](const auto& change) {
    Request request = story.request;
    change(request);
    return code_of(check_request_limits(request, story.rules));
  };
  EXPECT_EQ(refused([](Request&) {}), kDone);
  EXPECT_EQ(refused([](Request& r) { r.grant += std::chrono::seconds(1); }), Errc::kInvalid);
  EXPECT_EQ(refused([](Request& r) { r.grant = {}; }), Errc::kInvalid);
  EXPECT_EQ(refused([](Request& r) { ++r.openings; }), Errc::kInvalid);
  EXPECT_EQ(refused([](Request& r) { r.openings = 0; }), Errc::kInvalid);
  EXPECT_EQ(refused([](Request& r) { ++r.expires.ns; }), Errc::kInvalid);
  EXPECT_EQ(refused([](Request& r) { r.expires = {r.filed.ns - 1}; }), Errc::kInvalid);
}

TEST(Request, AReasonHasTheLengthThePolicyAsks) {
  Story story;
  story.rules.shortest_reason = 23;
  EXPECT_EQ(code_of(check_request_limits(story.request, story.rules)), kDone);  // "restart of the database"
  story.rules.shortest_reason = 24;
  EXPECT_EQ(code_of(check_request_limits(story.request, story.rules)), Errc::kInvalid);
}

TEST(Request, WhatIsShownIsPlainText) {
  Story story;
  Wish wish;
  wish.reason = "ok\r\n\x1b[1Aapprove me" + std::string(2000, 'x');
  wish.program = std::string("cat\0x", 5);
  const Request request = make_request(story.sealed.header, story.sealed.table, story.rules, story.author,
                                       story.request_key.public_key, wish, kNow, story.random);
  const Claims& claims = *request.claims;
  EXPECT_TRUE(is_plain_text(claims.reason));
  EXPECT_EQ(claims.reason.size(), kMaxReasonBytes);
  EXPECT_EQ(claims.program, "cat?x");
  Claims hostile = claims;
  hostile.reason = "ok\x1b[1A";
  EXPECT_EQ(code_of(parse_claims(encode(hostile))), Errc::kCorrupt);
}

TEST(Request, CommitsToItsClaimsAndDoesNotShowThem) {
  Story story;
  const std::string shown = string_of(encode(story.request));
  for (const char* part : {"desk", "cat /mnt", "restart of the database"}) EXPECT_EQ(shown.find(part), std::string::npos) << part;
  Request read = parse_request(encode(story.request)).value();
  EXPECT_FALSE(read.claims);
  const Bytes claims = encode(*story.request.claims);
  EXPECT_EQ(code_of(add_claims(read, claims)), kDone);
  EXPECT_EQ(read.claims->reason, "restart of the database");
  EXPECT_EQ(lengths_accepted(claims, parse_claims), 0u);
  EXPECT_EQ(flips_accepted(claims, [&](ByteView flipped) { return add_claims(read, flipped).has_value(); }), 0u);
}

TEST(Case, EveryPartBelongsToTheOthers) {
  Story story;
  Story other("other");
  const RosterChain chain = story.chain();
  const Bytes policy = encode(story.rules);
  const Bytes header = encode(story.sealed.header);
  const Bytes table = encode(story.sealed.table);
  const Bytes request = encode(story.request);
  EXPECT_TRUE(open_case(policy, header, table, request, chain));
  const SealedVersion second = story.seal("second", story.rules, story.author);
  EXPECT_FALSE(open_case(policy, encode(second.header), table, request, chain));
  EXPECT_FALSE(open_case(policy, header, encode(second.table), request, chain));
  EXPECT_EQ(code_of(open_case(policy, encode(second.header), encode(second.table), request, chain)),
            Errc::kKeyRejected);
  EXPECT_FALSE(open_case(encode(story.policy(1)), header, table, request, chain));
}

TEST(Case, WhoMayNotRequestIsRefused) {
  Story story;
  story.add("erin", kApprover);
  story.roster.signatures.clear();
  sign_roster(story.roster, story.device("ada"));
  story.request = story.ask("erin");
  // The secret and the policy were signed before erin came: their roster is the same version here.
  EXPECT_EQ(code_of(story.open(story.chain())), Errc::kAccess);
}

TEST(Case, AStaleRosterIsSaid) {
  Story story;
  story.sealed.header.roster_version = 2;
  sign_header(story.sealed.header, story.author);
  EXPECT_EQ(code_of(story.open(story.chain())), Errc::kStale);
}

TEST(Case, CanBeDecidedUntilTheLastNanosecond) {
  Story story;
  const Case a_case = story.a_case();
  const RosterChain chain = story.chain();
  EXPECT_EQ(code_of(check_open(a_case, chain, story.request.expires)), kDone);
  EXPECT_EQ(code_of(check_open(a_case, chain, {story.request.expires.ns + 1})), Errc::kTimedOut);
  EXPECT_EQ(code_of(check_open(a_case, chain, kNow + std::chrono::seconds(-301))), Errc::kKeyRejected);
}

TEST(Case, ARequesterWhoWasRevokedSinceGetsNothing) {
  Story story("s3cret", std::nullopt, "bob");
  const RosterChain newer = story.chain_with([](RosterVersion& r) {
    for (Person& person : r.people) {
      if (person.name == "bob") person.revoked = true;
    }
  });
  EXPECT_EQ(code_of(check_open(story.a_case(), newer, kNow)), Errc::kKeyRevoked);
  EXPECT_EQ(code_of(story.open(newer)), Errc::kKeyRevoked);
}

TEST(Record, IsTheRequestersOwn) {
  Story story;
  const Record record = make_record(story.request.rd(), Happening::kClosed, kNow, story.author.key);
  story.request = make_request(story.sealed.header, story.sealed.table, story.rules, story.author,
                               story.request_key.public_key, {}, kNow, story.random);
  const Record own = make_record(story.request.rd(), Happening::kClosed, kNow, story.author.key);
  EXPECT_EQ(code_of(check_record(own, story.request)), kDone);
  EXPECT_EQ(code_of(check_record(record, story.request)), Errc::kKeyRejected);  // another request's
  const Record forged = make_record(story.request.rd(), Happening::kClosed, kNow, story.login("bob").key);
  EXPECT_EQ(code_of(check_record(forged, story.request)), Errc::kKeyRejected);
  const Bytes bytes = encode(own);
  EXPECT_EQ(lengths_accepted(bytes, parse_record), 0u);
  EXPECT_EQ(flips_accepted(bytes,
                           [&](ByteView flipped) {
                             const auto parsed = parse_record(flipped);
                             return parsed && check_record(*parsed, story.request);
                           }),
            0u);
}

}  // namespace
}  // namespace conclave::vault
