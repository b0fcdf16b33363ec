// The Merkle tree of RFC 6962: roots and proofs over hashes of leaves. Pure; MerkleTree keeps every complete subtree's
// root in memory (64 bytes a leaf), the verifying functions need nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/crypto.h"

namespace conclave::vault {

Hash leaf_hash(ByteView leaf);                             // SHA-256(0x00 ‖ leaf)
Hash node_hash(const Hash& left, const Hash& right);       // SHA-256(0x01 ‖ left ‖ right)

// Where complete subtrees' roots come from: subtree(level, index) is that of leaves [index · 2^level, (index + 1) · 2^level).
using Subtree = std::function<Result<Hash>(unsigned level, std::uint64_t index)>;
// RFC 6962 sections 2.1.1 and 2.1.2, in a tree of `size` leaves. kInvalid: index >= size, old_size > size; and Subtree's.
Result<std::vector<Hash>> inclusion_proof(std::uint64_t index, std::uint64_t size, const Subtree& subtree);
Result<std::vector<Hash>> consistency_proof(std::uint64_t old_size, std::uint64_t size, const Subtree& subtree);

class MerkleTree {
 public:
  void append(const Hash& leaf);
  // Forgets the leaves from `size` on; size <= size().
  void truncate(std::uint64_t size);
  [[nodiscard]] std::uint64_t size() const { return levels_.empty() ? 0 : levels_[0].size(); }
  // The root of the complete subtree of leaves [index · 2^level, (index + 1) · 2^level), which must be there.
  [[nodiscard]] const Hash& subtree(unsigned level, std::uint64_t index) const;

  // For any earlier size too. size <= size(); the empty tree's root is SHA-256 of nothing.
  [[nodiscard]] Hash root(std::uint64_t size) const { return range_root(0, size); }
  [[nodiscard]] Hash root() const { return root(size()); }
  // As above; kInvalid also for size > size().
  [[nodiscard]] Result<std::vector<Hash>> inclusion_proof(std::uint64_t index, std::uint64_t size) const;
  [[nodiscard]] Result<std::vector<Hash>> consistency_proof(std::uint64_t old_size, std::uint64_t size) const;

 private:
  [[nodiscard]] Hash range_root(std::uint64_t begin, std::uint64_t end) const;
  [[nodiscard]] Subtree own() const;
  std::vector<std::vector<Hash>> levels_;                  // levels_[l][i] = subtree(l, i)
};

// kCorrupt unless the leaf stands at `index` in the tree of that size and root.
Status verify_inclusion(const Hash& leaf, std::uint64_t index, std::uint64_t size, const std::vector<Hash>& proof,
                        const Hash& root);
// kCorrupt unless the tree of `size` begins with the tree of `old_size`. An old size of 0 needs an empty proof.
Status verify_consistency(std::uint64_t old_size, const Hash& old_root, std::uint64_t size, const Hash& root,
                          const std::vector<Hash>& proof);

}  // namespace conclave::vault
