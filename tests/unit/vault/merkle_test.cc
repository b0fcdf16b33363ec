#include "vault/merkle.h"

#include <gtest/gtest.h>

namespace conclave::vault {
namespace {

Hash hash_of(std::string_view text) {
  const Bytes bytes = from_hex(text).value();
  Hash out{};
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

// The leaves and roots that Certificate Transparency's implementations share.
const char* const kLeaves[] = {"", "00", "10", "2021", "3031", "40414243", "5051525354555657",
                               "606162636465666768696a6b6c6d6e6f"};
const char* const kRoots[] = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                              "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                              "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                              "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                              "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                              "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                              "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                              "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                              "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

Hash published_leaf(std::size_t i) { return leaf_hash(from_hex(kLeaves[i]).value()); }
MerkleTree published_tree() {
  MerkleTree out;
  for (std::size_t i = 0; i < 8; ++i) out.append(published_leaf(i));
  return out;
}

Hash numbered_leaf(std::uint64_t i) { return leaf_hash(view_of(std::to_string(i))); }
MerkleTree numbered_tree(std::uint64_t size) {
  MerkleTree out;
  for (std::uint64_t i = 0; i < size; ++i) out.append(numbered_leaf(i));
  return out;
}

// RFC 6962 section 2.1, word for word.
Hash slow_root(std::uint64_t begin, std::uint64_t end) {
  if (begin == end) return sha256({});
  if (end - begin == 1) return numbered_leaf(begin);
  std::uint64_t k = 1;
  while (k * 2 < end - begin) k *= 2;
  return node_hash(slow_root(begin, begin + k), slow_root(begin + k, end));
}

TEST(MerkleTree, MatchesThePublishedRoots) {
  MerkleTree tree;
  EXPECT_EQ(to_hex(tree.root()), kRoots[0]);
  for (std::size_t size = 1; size <= 8; ++size) {
    tree.append(published_leaf(size - 1));
    EXPECT_EQ(to_hex(tree.root()), kRoots[size]);
  }
  for (std::size_t size = 0; size <= 8; ++size) EXPECT_EQ(to_hex(tree.root(size)), kRoots[size]);
}

TEST(MerkleTree, MatchesThePublishedInclusionProofs) {
  const MerkleTree tree = published_tree();
  EXPECT_EQ(*tree.inclusion_proof(0, 8),
            (std::vector<Hash>{hash_of("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"),
                               hash_of("5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"),
                               hash_of("6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4")}));
  EXPECT_EQ(*tree.inclusion_proof(5, 8),
            (std::vector<Hash>{hash_of("bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"),
                               hash_of("ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"),
                               hash_of("d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")}));
}

TEST(MerkleTree, MatchesThePublishedConsistencyProofs) {
  const MerkleTree tree = published_tree();
  EXPECT_TRUE(tree.consistency_proof(1, 1)->empty());
  EXPECT_EQ(*tree.consistency_proof(6, 8),
            (std::vector<Hash>{hash_of("0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"),
                               hash_of("ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"),
                               hash_of("d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")}));
  EXPECT_EQ(*tree.consistency_proof(2, 5),
            (std::vector<Hash>{hash_of("5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"),
                               hash_of("bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b")}));
}

TEST(MerkleTree, AgreesWithTheDefinition) {
  const MerkleTree tree = numbered_tree(70);
  for (std::uint64_t size = 0; size <= 70; ++size) EXPECT_EQ(tree.root(size), slow_root(0, size)) << size;
}

TEST(MerkleTree, EveryLeafIsProvenInEveryTreeAndNoOther) {
  const MerkleTree tree = numbered_tree(40);
  for (std::uint64_t size = 1; size <= 40; ++size) {
    for (std::uint64_t index = 0; index < size; ++index) {
      const std::vector<Hash> proof = tree.inclusion_proof(index, size).value();
      ASSERT_TRUE(verify_inclusion(numbered_leaf(index), index, size, proof, tree.root(size)));
      ASSERT_FALSE(verify_inclusion(numbered_leaf(index + 1), index, size, proof, tree.root(size)));
      ASSERT_FALSE(verify_inclusion(numbered_leaf(index), index + 1, size, proof, tree.root(size)));
    }
  }
}

TEST(MerkleTree, EveryTreeIsProvenToContinueEveryEarlierOne) {
  const MerkleTree tree = numbered_tree(40);
  for (std::uint64_t size = 1; size <= 40; ++size) {
    for (std::uint64_t old_size = 0; old_size <= size; ++old_size) {
      const std::vector<Hash> proof = tree.consistency_proof(old_size, size).value();
      const Hash old_root = tree.root(old_size);
      ASSERT_TRUE(verify_consistency(old_size, old_root, size, tree.root(size), proof)) << old_size << " to " << size;
      ASSERT_FALSE(verify_consistency(old_size, numbered_leaf(99), size, tree.root(size), proof));
      if (old_size == 0 || old_size == size) continue;
      ASSERT_FALSE(verify_consistency(old_size, old_root, size, numbered_leaf(99), proof));
    }
  }
}

TEST(MerkleProof, EveryChangedMissingOrAddedStepIsRefused) {
  const MerkleTree tree = numbered_tree(37);
  const std::vector<Hash> inclusion = tree.inclusion_proof(20, 37).value();
  const std::vector<Hash> consistency = tree.consistency_proof(21, 37).value();
  const auto included = [&](const std::vector<Hash>& p) {
    return verify_inclusion(numbered_leaf(20), 20, 37, p, tree.root()).has_value();
  };
  const auto consistent = [&](const std::vector<Hash>& p) {
    return verify_consistency(21, tree.root(21), 37, tree.root(), p).has_value();
  };
  const auto refuses_changes = [](const std::vector<Hash>& proof, const auto& accepts) {
    EXPECT_TRUE(accepts(proof));
    for (std::size_t i = 0; i < proof.size(); ++i) {
      std::vector<Hash> changed = proof;
      changed[i][31] ^= 1;
      EXPECT_FALSE(accepts(changed)) << i;
      EXPECT_FALSE(accepts({proof.begin(), proof.begin() + static_cast<std::ptrdiff_t>(i)})) << i;
    }
    std::vector<Hash> longer = proof;
    longer.push_back(proof.back());
    EXPECT_FALSE(accepts(longer));
  };
  refuses_changes(inclusion, included);
  refuses_changes(consistency, consistent);
}

// The newest rows deleted, or an old one changed.
TEST(MerkleProof, ATruncatedOrRewrittenLogIsSeen) {
  const MerkleTree tree = numbered_tree(20);
  EXPECT_EQ(verify_consistency(20, tree.root(), 19, tree.root(19), {}).error().code, Errc::kCorrupt);
  MerkleTree rewritten;
  for (std::uint64_t i = 0; i < 25; ++i) rewritten.append(numbered_leaf(i == 7 ? 99 : i));
  EXPECT_FALSE(verify_consistency(20, tree.root(), 25, rewritten.root(), rewritten.consistency_proof(20, 25).value()));
}

TEST(MerkleTree, QuestionsBeyondItsEndAreRefused) {
  const MerkleTree tree = numbered_tree(5);
  EXPECT_EQ(tree.inclusion_proof(5, 5).error().code, Errc::kInvalid);
  EXPECT_EQ(tree.inclusion_proof(0, 6).error().code, Errc::kInvalid);
  EXPECT_EQ(tree.consistency_proof(3, 2).error().code, Errc::kInvalid);
  EXPECT_FALSE(verify_inclusion(numbered_leaf(0), 0, 0, {}, tree.root()));
}

TEST(MerkleTree, ALeafIsNeverANode) {
  const Hash left = numbered_leaf(0);
  const Hash right = numbered_leaf(1);
  Bytes pair = bytes_of(left);
  pair.insert(pair.end(), right.begin(), right.end());
  EXPECT_NE(leaf_hash(pair), node_hash(left, right));
}

}  // namespace
}  // namespace conclave::vault
