#include "vault/log_check.h"

#include <gtest/gtest.h>

#include "tests/support/sim_files.h"
#include "tests/unit/vault/cast.h"

namespace conclave::vault {
namespace {

// A log whose keeper may do with it what they like.
struct Log {
  std::vector<Bytes> leaves;
  SigningKey key = signing_key_of_seed(Bytes(32, 7));

  [[nodiscard]] MerkleTree tree() const {
    MerkleTree out;
    for (const Bytes& leaf : leaves) out.append(leaf_hash(leaf));
    return out;
  }
  void grow_to(std::size_t size) {
    while (leaves.size() < size) {
      leaves.push_back(encode(LogLeaf{LeafKind::kPut, kNow, "alice", sha256(view_of(std::to_string(leaves.size()))), "", {}}));
    }
  }
  Result<std::string> file(const std::string& path) const {
    const MerkleTree now = tree();
    if (path == "checkpoint") return sign_checkpoint({"conclave/test", now.size(), now.root()}, key);
    const TilePath tile = TRY(parse_tile_path(path));
    if (!tile.entries) return string_of(TRY(tile_content(now, now.size(), tile)));
    const auto first = leaves.begin() + static_cast<std::ptrdiff_t>(tile.number * kTileWidth);
    return string_of(bundle_of({first, first + static_cast<std::ptrdiff_t>(tile.width)}));
  }
};

struct Watched : ::testing::Test {
  sim::SimFiles files;
  SystemWaiter waiter;
  VaultMemory memory{files, "/seen", waiter};
  Log log;
  LogFile file = [this](const std::string& path) { return log.file(path); };
  LogCheck check() { return {file, "conclave/test", log.key.public_key, memory}; }

  const Hash rd = sha256(view_of("rd"));
  const Bytes approval = bytes_of(view_of("an approval"));
  void log_approval() { log.leaves.push_back(encode(LogLeaf{LeafKind::kApprove, kNow, "bob", rd, "", approval})); }
};

TEST_F(Watched, ALogThatGrowsIsFollowedThroughItsTiles) {
  for (const std::size_t size : {1, 2, 3, 255, 256, 257, 300, 511, 513, 700}) {
    log.grow_to(size);
    const auto now = check().advance();
    ASSERT_TRUE(now) << size << ": " << now.error().message;
    EXPECT_EQ(now->size, size);
  }
}

TEST_F(Watched, ALogThatForgetsOrRewritesIsNot) {
  log.grow_to(300);
  ASSERT_TRUE(check().advance());
  const std::vector<Bytes> whole = log.leaves;
  log.leaves.pop_back();
  EXPECT_EQ(code_of(check().advance()), Errc::kCorrupt);
  log.leaves = whole;
  log.grow_to(400);
  log.leaves[5] = encode(LogLeaf{LeafKind::kDeny, kNow, "bob", rd, "", {}});
  EXPECT_EQ(code_of(check().advance()), Errc::kCorrupt);
}

TEST_F(Watched, OfTwoCheckpointsOneContinuesTheOther) {
  const auto checkpoint = [&] { return Checkpoint{"conclave/test", log.leaves.size(), log.tree().root()}; };
  log.grow_to(200);
  const Checkpoint early = checkpoint();
  log.grow_to(300);
  const Checkpoint late = checkpoint();
  EXPECT_EQ(code_of(check().check_same_log(early, late)), kDone);
  EXPECT_EQ(code_of(check().check_same_log(late, early)), kDone);
  EXPECT_EQ(code_of(check().check_same_log(late, late)), kDone);
  EXPECT_EQ(code_of(check().check_same_log({}, late)), kDone);
  log.leaves[150] = encode(LogLeaf{LeafKind::kDeny, kNow, "bob", rd, "", {}});  // the other branch of a fork at 100
  const Checkpoint forked = checkpoint();
  EXPECT_EQ(code_of(check().check_same_log(early, forked)), Errc::kCorrupt);
  EXPECT_EQ(code_of(check().check_same_log(forked, late)), Errc::kCorrupt);
}

TEST_F(Watched, ACheckpointOfAnotherKeyIsNotBelieved) {
  log.grow_to(3);
  LogCheck other(file, "conclave/test", signing_key_of_seed(Bytes(32, 8)).public_key, memory);
  EXPECT_EQ(code_of(other.advance()), Errc::kKeyRejected);
}

TEST_F(Watched, WhatWasDoneStandsInTheLog) {
  for (const std::size_t before : {0, 1, 255, 256, 300, 600}) {
    log.leaves.clear();
    log.grow_to(before);
    log_approval();
    log.grow_to(before + 4);
    const Checkpoint now{"conclave/test", log.leaves.size(), log.tree().root()};
    EXPECT_EQ(code_of(check().check_logged(before, now, LeafKind::kApprove, rd, approval)), kDone) << before;
    EXPECT_EQ(code_of(check().check_logged(before + 1, now, LeafKind::kApprove, rd, approval)), Errc::kCorrupt);
    EXPECT_EQ(code_of(check().check_logged(before, now, LeafKind::kDeny, rd, approval)), Errc::kCorrupt);
    EXPECT_EQ(code_of(check().check_logged(before, now, LeafKind::kApprove, rd, view_of("another"))), Errc::kCorrupt);
  }
}

TEST_F(Watched, ALeafThatIsShownButNotInTheTreeDoesNotCount) {
  log.grow_to(9);
  const Checkpoint signed_without{"conclave/test", 9, log.tree().root()};
  log.leaves.pop_back();
  log_approval();
  EXPECT_EQ(code_of(check().check_logged(0, signed_without, LeafKind::kApprove, rd, approval)), Errc::kCorrupt);
}

}  // namespace
}  // namespace conclave::vault
