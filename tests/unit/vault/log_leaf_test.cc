#include "vault/log_leaf.h"

#include <gtest/gtest.h>

#include "tests/unit/vault/cast.h"
#include "vault/release_proof.h"

namespace conclave::vault {
namespace {

TEST(LogLeaf, RoundTripsAndRefusesEveryTruncation) {
  const LogLeaf leaf{LeafKind::kApprove, kNow, "bob", sha256({}), "/secrets/prod/db", {1, 2, 3}};
  const Bytes bytes = encode(leaf);
  const LogLeaf back = parse_leaf(bytes).value();
  EXPECT_EQ(encode(back), bytes);
  EXPECT_EQ(back.kind, LeafKind::kApprove);
  EXPECT_EQ(back.content, leaf.content);
  EXPECT_EQ(lengths_accepted(bytes, parse_leaf), 0u);
  EXPECT_EQ(line_of(leaf), "2030-03-17T17:46:40Z approve  bob  e3b0c442  /secrets/prod/db");
}

TEST(LogLeaf, UnknownKindsAndUnreadableTextAreRefused) {
  LogLeaf leaf{LeafKind::kTimeOut, kNow, "", {}, "", {}};
  EXPECT_TRUE(parse_leaf(encode(leaf)));
  leaf.kind = static_cast<LeafKind>(16);
  EXPECT_FALSE(parse_leaf(encode(leaf)));
  leaf.kind = static_cast<LeafKind>(0);
  EXPECT_FALSE(parse_leaf(encode(leaf)));
  EXPECT_FALSE(parse_leaf(encode(LogLeaf{LeafKind::kPut, kNow, "No Name", {}, "", {}})));
  EXPECT_FALSE(parse_leaf(encode(LogLeaf{LeafKind::kPut, kNow, "bob", {}, "a\nb", {}})));
}

// A log in which the story's release was written.
struct ReleaseLogged : ::testing::Test {
  Story story;
  Case a_case = story.a_case();
  SigningKey log_key = make_signing_key(story.random);
  std::vector<Approval> approvals = {story.approval_of("bob"), story.approval_of("carol")};
  Bytes inner = seal_inner(a_case, story.sealed.inner, story.random).value();
  MerkleTree tree;
  ReleaseProof proof;

  void SetUp() override {
    for (int i = 0; i < 5; ++i) tree.append(leaf_hash(view_of(std::to_string(i))));
    const Hash released = release_hash(a_case.rd, approvals, inner);
    write({LeafKind::kRelease, kNow, "alice", a_case.rd, "/secrets/prod/db", bytes_of(released)});
  }
  void write(const LogLeaf& leaf) {
    proof.leaf = encode(leaf);
    proof.index = tree.size();
    tree.append(leaf_hash(proof.leaf));
    proof.inclusion = tree.inclusion_proof(proof.index, tree.size()).value();
    proof.checkpoint = sign_checkpoint({"log", tree.size(), tree.root()}, log_key);
  }
  Errc check() {
    return code_of(check_release_logged(a_case, approvals, inner, proof, "log", log_key.public_key));
  }
};

TEST_F(ReleaseLogged, IsAccepted) {
  EXPECT_EQ(check_release_logged(a_case, approvals, inner, proof, "log", log_key.public_key)->size, 6u);
}

TEST_F(ReleaseLogged, WithOtherApprovalsOrAnotherInnerIsRefused) {
  approvals.pop_back();
  EXPECT_EQ(check(), Errc::kCorrupt);
  approvals.push_back(story.approval_of("carol"));  // the same vote, sealed again
  EXPECT_EQ(check(), Errc::kCorrupt);
}

TEST_F(ReleaseLogged, AnotherInnerIsRefused) {
  inner[0] ^= 1;
  EXPECT_EQ(check(), Errc::kCorrupt);
}

TEST_F(ReleaseLogged, ALeafThatIsNotInTheLogIsRefused) {
  proof.index -= 1;
  EXPECT_EQ(check(), Errc::kCorrupt);
}

TEST_F(ReleaseLogged, ALeafOfAnotherKindOrRequestIsRefused) {
  const Hash released = release_hash(a_case.rd, approvals, inner);
  write({LeafKind::kOpen, kNow, "alice", a_case.rd, "", bytes_of(released)});
  EXPECT_EQ(check(), Errc::kCorrupt);
  write({LeafKind::kRelease, kNow, "alice", sha256({}), "", bytes_of(released)});
  EXPECT_EQ(check(), Errc::kCorrupt);
}

TEST_F(ReleaseLogged, ALogThatBecameShorterThanTheRequestSawIsRefused) {
  a_case.request.log_size = 7;
  EXPECT_EQ(check(), Errc::kCorrupt);
  a_case.request.log_size = 6;
  EXPECT_EQ(check(), Errc::kCorrupt);  // the same size, another root
  a_case.request.log_root = tree.root();
  EXPECT_EQ(check(), kDone);
}

TEST_F(ReleaseLogged, ACheckpointByAnotherKeyIsRefused) {
  proof.checkpoint = sign_checkpoint({"log", tree.size(), tree.root()}, make_signing_key(story.random));
  EXPECT_EQ(check(), Errc::kKeyRejected);
}

}  // namespace
}  // namespace conclave::vault
