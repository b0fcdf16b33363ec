// The log's own truth: what an honest vault wrote verifies without any memory, and nothing that it could not have written does.
#include "tests/unit/vault/vault_world.h"

namespace conclave::vault {
namespace {

struct Audited : ServedStory {
  Errc audited(const std::vector<Bytes>& entries) { return code_of(world.audit(entries)); }
  // The log so far with one entry more, as a vault with its key can sign it.
  Errc with(const LogLeaf& leaf) {
    std::vector<Bytes> entries = world.entries();
    entries.push_back(encode(leaf));
    return audited(entries);
  }
  LogLeaf leaf(LeafKind kind, const std::string& person, Bytes content) {
    return {kind, world.clock().wall(), person, rd(), story.sealed.header.path, std::move(content)};
  }
  Request another(const std::string& requester) {
    story.request = story.ask(requester);
    return story.request;
  }
};

TEST_F(Audited, WhatAnHonestVaultWroteVerifies) {
  story.request = make_request(story.sealed.header, story.sealed.table, story.rules, story.author, story.request_key.public_key, {},
                               kNow, story.random);
  file_and_approve();
  ASSERT_TRUE(world.release(rd()));
  for (const Happening happening : {Happening::kOpened, Happening::kClosed}) {
    ASSERT_TRUE(world.record(make_record(rd(), happening, world.clock().wall(), story.author.key)));
  }
  another("alice");
  file();
  ASSERT_TRUE(approve("bob"));
  ASSERT_TRUE(deny("carol"));
  another("dave");
  file();
  world.clock().advance(std::chrono::hours(1));
  world.book().tick(world.clock().now());
  EXPECT_EQ(world.state_of(rd()), v1::TIMED_OUT);
  world.change_roster([](RosterVersion& roster) { VaultWorld::person_in(roster, "dave").revoked = true; });
  const auto audit = world.audit(world.entries());
  ASSERT_TRUE(audit) << audit.error().message;
  EXPECT_EQ(audit->releases(), 1u);
  EXPECT_EQ(audit->tree().root(), world.state().log_root(world.state().log_size()));
}

// The vault counts by the roster that it has then, and goes on asking; so does who reads its log.
TEST_F(Audited, AVoteOfWhoHasLeftSinceMakesNoQuorum) {
  file();
  ASSERT_TRUE(approve("bob"));
  world.change_roster([](RosterVersion& roster) { VaultWorld::person_in(roster, "bob").revoked = true; });
  ASSERT_EQ(approve("carol")->state(), v1::PENDING);
  EXPECT_EQ(with(leaf(LeafKind::kRelease, "", Bytes(sizeof(Hash), 1))), Errc::kCorrupt);
  ASSERT_EQ(approve("dave")->state(), v1::APPROVED);
  ASSERT_TRUE(world.release(rd()));
  const auto audit = world.audit(world.entries());
  ASSERT_TRUE(audit) << audit.error().message;
  EXPECT_EQ(audit->releases(), 1u);
}

TEST_F(Audited, WhatWasDecidedStaysSoWhoeverLeaves) {
  file();
  ASSERT_TRUE(deny("dave"));
  world.change_roster([](RosterVersion& roster) { VaultWorld::person_in(roster, "dave").revoked = true; });
  EXPECT_EQ(code_of(world.audit(world.entries())), kDone);
  const Approval bob = story.approval_of("bob", world.clock().wall());
  EXPECT_EQ(with(leaf(LeafKind::kApprove, "bob", encode_vote(bob))), Errc::kCorrupt);
}

TEST_F(Audited, ARosterWhoseSignersHadNotSeenTheNewestSecretIsRefused) {
  RosterVersion next = world.next_roster([](RosterVersion& roster) {
    roster.log_size = 1;   // the first roster alone
  });
  next.log_root = world.state().log_root(1);
  next.signatures.clear();
  sign_roster(next, story.device("ada"));
  std::vector<Bytes> entries = world.entries();
  entries.push_back(encode(LogLeaf{LeafKind::kRoster, world.clock().wall(), "ada", next.hash(), note_of(next), {}}));
  LogAudit audit(story.roster.hash(), [&](std::uint64_t version) -> Result<Bytes> { return encode(version == 1 ? story.roster : next); });
  for (std::size_t i = 0; i + 1 < entries.size(); ++i) ASSERT_TRUE(audit.take(entries[i]));
  EXPECT_EQ(code_of(audit.take(entries.back())), Errc::kCorrupt);
}

TEST_F(Audited, AReleaseThatFollowsNoQuorumIsRefused) {
  const Bytes hash(sizeof(Hash), 1);
  EXPECT_EQ(with(leaf(LeafKind::kRelease, "", hash)), Errc::kCorrupt);   // nobody asked
  file();
  EXPECT_EQ(with(leaf(LeafKind::kRelease, "", hash)), Errc::kCorrupt);
  ASSERT_TRUE(approve("bob"));
  EXPECT_EQ(with(leaf(LeafKind::kRelease, "", hash)), Errc::kCorrupt);
  ASSERT_TRUE(approve("carol"));
  EXPECT_EQ(with(leaf(LeafKind::kRelease, "", hash)), kDone);
  ASSERT_TRUE(world.release(rd()));
  EXPECT_EQ(with(leaf(LeafKind::kRelease, "", hash)), Errc::kCorrupt);   // once
}

TEST_F(Audited, InventedVotesAreRefused) {
  file();
  const WallTime at = world.clock().wall();
  const Approval bob = story.approval_of("bob", at);
  EXPECT_EQ(with(leaf(LeafKind::kApprove, "bob", encode_vote(bob))), kDone);
  EXPECT_EQ(with(leaf(LeafKind::kApprove, "carol", encode_vote(bob))), Errc::kCorrupt);   // in another's name
  EXPECT_EQ(with(leaf(LeafKind::kDisclose, "bob", encode_vote(bob))), Errc::kCorrupt);
  EXPECT_EQ(with(leaf(LeafKind::kApprove, "bob", encode(bob))), Errc::kCorrupt);          // a share in the open
  Approval forged = bob;
  forged.kid = story.device("carol").kid();
  forged.x = 2;
  EXPECT_EQ(with(leaf(LeafKind::kApprove, "carol", encode_vote(forged))), Errc::kCorrupt);
  EXPECT_EQ(with(leaf(LeafKind::kApprove, "bob", bytes_of(view_of("an approval")))), Errc::kCorrupt);
  Denial denial = story.denial_of("carol", at);
  EXPECT_EQ(with(leaf(LeafKind::kDeny, "carol", encode(denial))), kDone);
  denial.reason = "never";
  EXPECT_EQ(with(leaf(LeafKind::kDeny, "carol", encode(denial))), Errc::kCorrupt);
  ASSERT_TRUE(approve("bob"));
  EXPECT_EQ(with(leaf(LeafKind::kApprove, "bob", encode_vote(bob))), Errc::kCorrupt);     // twice
  another("alice");
  file();
  EXPECT_EQ(with(leaf(LeafKind::kApprove, "bob", encode_vote(bob))), Errc::kCorrupt);     // of another request
}

TEST_F(Audited, OneOfManyEntriesThatIsLeftOutBreaksWhatFollows) {
  file_and_approve();
  ASSERT_TRUE(world.release(rd()));
  const std::vector<Bytes> whole = world.entries();
  ASSERT_EQ(audited(whole), kDone);
  for (std::size_t i = 0; i + 1 < whole.size(); ++i) {
    std::vector<Bytes> less = whole;
    less.erase(less.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_EQ(audited(less), Errc::kCorrupt) << line_of(parse_leaf(whole[i]).value());
  }
}

TEST_F(Audited, InventedRequestsPoliciesSecretsAndEndsAreRefused) {
  const WallTime now = world.clock().wall();
  Request unsigned_request = story.request;
  unsigned_request.openings = 1;
  LogLeaf asked{LeafKind::kRequest, now, "alice", unsigned_request.rd(), story.sealed.header.path, encode(unsigned_request)};
  EXPECT_EQ(with(asked), Errc::kCorrupt);
  asked = {LeafKind::kRequest, now, "alice", rd(), story.sealed.header.path, encode(story.request)};
  EXPECT_EQ(with(asked), kDone);
  asked.note = "/secrets/other";
  EXPECT_EQ(with(asked), Errc::kCorrupt);

  Policy policy = story.policy(1, {"carol"});
  policy.version = 2;
  policy.previous = story.rules.hash();
  policy.signatures.clear();
  sign_policy(policy, story.device("bob"));
  const auto logged = [&] { return LogLeaf{LeafKind::kPolicy, now, "ada", policy.hash(), note_of(policy), encode(policy)}; };
  EXPECT_EQ(with(logged()), Errc::kCorrupt);   // bob is no admin
  policy.signatures.clear();
  sign_policy(policy, story.device("ada"));
  EXPECT_EQ(with(logged()), kDone);

  SealedVersion second = story.sealed;
  second.header.core.version = 2;              // not signed so
  EXPECT_EQ(with({LeafKind::kPut, now, "alice", second.header.hash(), note_of(second.header),
                  encode(LoggedPut{second.header, head_of(second.table)})}), Errc::kCorrupt);
  const RosterVersion& first = story.roster;
  EXPECT_EQ(with({LeafKind::kRoster, now, "ada", first.hash(), note_of(first), {}}), Errc::kCorrupt);

  file();
  EXPECT_EQ(with(leaf(LeafKind::kTimeOut, "", {})), Errc::kCorrupt);   // it is not over
  const Record cancelled = make_record(rd(), Happening::kCancelled, now, story.login("bob").key);
  EXPECT_EQ(with(leaf(LeafKind::kCancel, "alice", encode(cancelled))), Errc::kCorrupt);
  EXPECT_EQ(with(leaf(LeafKind::kReshare, "", {})), Errc::kCorrupt);
}

TEST_F(Audited, ARosterThatIsNotTheOneBesideTheLogIsRefused) {
  LogAudit audit(story.roster.hash(), [this](std::uint64_t) -> Result<Bytes> {
    RosterVersion other = story.roster;
    other.threshold = 2;
    return encode(other);
  });
  EXPECT_EQ(code_of(audit.take(world.entries().front())), Errc::kCorrupt);
}

}  // namespace
}  // namespace conclave::vault
