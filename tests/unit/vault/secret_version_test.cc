#include "vault/secret_version.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "tests/unit/vault/cast.h"

namespace conclave::vault {
namespace {

TEST(SecretHeader, RoundTripsAndNoFlippedByteIsAccepted) {
  Story story;
  const RosterChain chain = story.chain();
  const Bytes bytes = encode(story.sealed.header);
  EXPECT_EQ(encode(*parse_header(bytes)), bytes);
  EXPECT_TRUE(check_header(*parse_header(bytes), chain));
  EXPECT_EQ(lengths_accepted(bytes, parse_header), 0u);
  EXPECT_EQ(flips_accepted(bytes,
                           [&](ByteView flipped) {
                             const auto header = parse_header(flipped);
                             return header && check_header(*header, chain);
                           }),
            0u);
}

TEST(ShareTable, RoundTripsAndNoFlippedByteIsAccepted) {
  Story story;
  const RosterChain chain = story.chain();
  const Bytes bytes = encode(story.sealed.table);
  EXPECT_EQ(encode(*parse_share_table(bytes)), bytes);
  EXPECT_TRUE(check_share_table(*parse_share_table(bytes), story.sealed.header, story.rules, chain));
  EXPECT_EQ(lengths_accepted(bytes, parse_share_table), 0u);
  EXPECT_EQ(flips_accepted(bytes,
                           [&](ByteView flipped) {
                             const auto table = parse_share_table(flipped);
                             return table && check_share_table(*table, story.sealed.header, story.rules, chain);
                           }),
            0u);
}

// What an author's broken client could sign: `change` is made to the table, then it is signed again.
template <class Change>
Errc checked(Story& story, const Change& change) {
  ShareTable table = story.sealed.table;
  change(table);
  sign_share_table(table, story.author);
  const auto parsed = parse_share_table(encode(table));
  return parsed ? code_of(check_share_table(*parsed, story.sealed.header, story.rules, story.chain())) : Errc::kCorrupt;
}

TEST(ShareTable, EveryApproverHasOneShareAtTheirOwnPlace) {
  Story story;
  EXPECT_EQ(checked(story, [](ShareTable&) {}), kDone);
  EXPECT_EQ(checked(story, [](ShareTable& t) { std::swap(t.entries[0].x, t.entries[1].x); }), Errc::kKeyRejected);
  EXPECT_EQ(checked(story, [](ShareTable& t) { t.entries[2].x = 4; }), Errc::kKeyRejected);
  EXPECT_EQ(checked(story, [](ShareTable& t) { t.entries[0].x = 0; }), Errc::kKeyRejected);
  EXPECT_EQ(checked(story, [](ShareTable& t) { t.entries[2].group = 1; }), Errc::kKeyRejected);
  EXPECT_EQ(checked(story, [](ShareTable& t) { t.entries.pop_back(); }), Errc::kKeyRejected);
  EXPECT_EQ(checked(story, [](ShareTable& t) { t.entries.push_back(t.entries[0]); }), Errc::kCorrupt);
  EXPECT_EQ(checked(story, [&](ShareTable& t) { t.entries[0].kid = story.device("alice").kid(); }), Errc::kKeyRejected);
  EXPECT_EQ(checked(story, [](ShareTable& t) { t.header[0] ^= 1; }), Errc::kKeyRejected);
  EXPECT_EQ(checked(story, [](ShareTable& t) { t.policy[0] ^= 1; }), Errc::kKeyRejected);
  EXPECT_EQ(checked(story, [](ShareTable& t) { t.roster_version = 2; }), Errc::kStale);
}

TEST(ShareTable, ASwappedXFailsItsCommitmentToo) {
  Story story;
  ShareTable table = story.sealed.table;
  std::swap(table.entries[0].x, table.entries[1].x);
  const SecretBytes any(kShareBytes);
  EXPECT_NE(share_commitment(story.sealed.header.core, 0, 1, any),
            share_commitment(story.sealed.header.core, 0, 2, any));
  for (const char* name : {"bob", "carol"}) {
    EXPECT_EQ(code_of(open_share(story.device(name), story.sealed.header, table)), Errc::kCorrupt);
  }
}

TEST(ShareTable, OnePersonsDevicesHoldOneShare) {
  Cast cast;
  const Device second = make_device(cast.random);
  for (Person& person : cast.roster.people) {
    if (person.name == "bob") person.devices.push_back({second.public_half(), false});
  }
  cast.roster.signatures.clear();
  sign_roster(cast.roster, cast.device("ada"));
  const Policy rules = cast.policy();
  const Login author = cast.login("alice");
  const SealedVersion sealed = cast.seal("s3cret", rules, author);
  EXPECT_EQ(sealed.table.entries.size(), 4u);
  EXPECT_TRUE(check_share_table(sealed.table, sealed.header, rules, cast.chain()));
  const Share a = open_share(cast.device("bob"), sealed.header, sealed.table).value();
  const Share b = open_share(second, sealed.header, sealed.table).value();
  EXPECT_EQ(a.x, b.x);
  EXPECT_TRUE(a.y == b.y);

  ShareTable table = sealed.table;  // two different ones are refused
  table.entries[0].commitment[0] ^= 1;
  sign_share_table(table, author);
  EXPECT_EQ(code_of(check_share_table(table, sealed.header, rules, cast.chain())), Errc::kKeyRejected);
}

TEST(ShareTable, ARevokedDeviceGetsNone) {
  Cast cast;
  const Device second = make_device(cast.random);
  for (Person& person : cast.roster.people) {
    if (person.name == "bob") person.devices.push_back({second.public_half(), true});
  }
  cast.roster.signatures.clear();
  sign_roster(cast.roster, cast.device("ada"));
  const SealedVersion sealed = cast.seal("s3cret", cast.policy(), cast.login("alice"));
  EXPECT_EQ(sealed.table.find(second.kid()), nullptr);
  EXPECT_EQ(code_of(open_share(second, sealed.header, sealed.table)), Errc::kAccess);
}

// An author in league with the servers takes alice's payload and shares and signs a harmless path over them. Every
// signature fits; the approver's own share does not open.
TEST(ShareTable, SharesUnderAnotherHeaderDoNotOpen) {
  Story story;
  const Login thief = story.login("alice");   // another login; whose it is does not matter
  SecretHeader header = story.sealed.header;
  header.path = "/secrets/prod/menu";
  header.author = thief.cert;
  sign_header(header, thief);
  ShareTable table = story.sealed.table;
  table.header = header.hash();
  sign_share_table(table, thief);
  ASSERT_TRUE(check_header(header, story.chain()));
  ASSERT_TRUE(check_share_table(table, header, story.rules, story.chain()));
  EXPECT_TRUE(open_share(story.device("bob"), story.sealed.header, story.sealed.table));
  EXPECT_EQ(code_of(open_share(story.device("bob"), header, table)), Errc::kCorrupt);
}

TEST(SecretVersion, AWeakerPolicyLaterDoesNotWeakenAnOlderSecret) {
  Story story;
  Policy weaker = story.policy(1);
  EXPECT_EQ(code_of(check_share_table(story.sealed.table, story.sealed.header, weaker, story.chain())),
            Errc::kKeyRejected);
  // A forged table with the weaker policy's hash changes every share's AAD.
  ShareTable table = story.sealed.table;
  table.policy = weaker.hash();
  EXPECT_EQ(code_of(open_share(story.device("bob"), story.sealed.header, table)), Errc::kCorrupt);
}

TEST(SecretVersion, IsSealedOnlyByAnAuthorForItsDirectorysPolicy) {
  Cast cast;
  const auto seal = [&](std::string_view who, InodeId directory, std::size_t size) {
    return code_of(seal_secret(SecretBytes(size), {SecretId{9}, 1, directory, "/x"}, cast.policy(), cast.roster,
                               cast.login(std::string(who)), kNow, cast.random));
  };
  EXPECT_EQ(seal("alice", InodeId{77}, 1), kDone);
  EXPECT_EQ(seal("bob", InodeId{77}, 1), Errc::kAccess);
  EXPECT_EQ(seal("alice", InodeId{78}, 1), Errc::kAccess);
  EXPECT_EQ(seal("alice", InodeId{77}, kMaxSecretBytes + 1), Errc::kFileTooBig);
}

TEST(SecretVersion, ALoginThatEndedSealsNothing) {
  Cast cast;
  const Login old = cast.login("alice", kNow + std::chrono::hours(-24));
  EXPECT_EQ(code_of(seal_secret(secret("x"), {SecretId{9}, 1, InodeId{77}, "/x"}, cast.policy(), cast.roster, old, kNow,
                                cast.random)),
            Errc::kKeyExpired);
}

TEST(SecretVersion, IsPutUnderTheNewestPolicyAndRosterAndNow) {
  Story story;
  const auto put = [&](const Policy& policy, const RosterChain& chain, WallTime now) {
    return code_of(check_put(story.sealed.header, story.sealed.table, policy, chain, now));
  };
  EXPECT_EQ(put(story.rules, story.chain(), kNow + std::chrono::seconds(300)), kDone);
  EXPECT_EQ(put(story.rules, story.chain(), kNow + std::chrono::seconds(301)), Errc::kInvalid);
  EXPECT_EQ(put(story.rules, story.chain(), kNow + std::chrono::seconds(-301)), Errc::kInvalid);
  EXPECT_EQ(put(story.policy(3), story.chain(), kNow), Errc::kStale);
  EXPECT_EQ(put(story.rules, story.chain_with([](RosterVersion&) {}), kNow), Errc::kStale);
}

TEST(Payload, SizesTellTheBucketOnly) {
  EXPECT_EQ(padded_size(0), 256u);
  EXPECT_EQ(padded_size(252), 256u);
  EXPECT_EQ(padded_size(253), 512u);
  EXPECT_EQ(padded_size(65532), 65536u);
  EXPECT_EQ(padded_size(65533), 131072u);
  EXPECT_EQ(padded_size(kMaxSecretBytes), kMaxSecretBytes + 65536);
  EXPECT_EQ(payload_size(256), 272u);
  EXPECT_EQ(payload_size(131072), 131072u + 32);
}

TEST(Payload, TheWrongKeyOpensNothing) {
  Story story;
  EXPECT_EQ(code_of(open_payload(story.sealed.header, SecretBytes(32), story.sealed.payload)), Errc::kCorrupt);
}

}  // namespace
}  // namespace conclave::vault
