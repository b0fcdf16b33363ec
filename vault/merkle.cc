#include "vault/merkle.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace conclave::vault {
namespace {

// The largest power of two below n; n >= 2.
std::uint64_t split_of(std::uint64_t n) { return std::bit_floor(n - 1); }

// MTH of leaves [begin, end), where begin is a multiple of the power of two that the range splits at.
Result<Hash> root_of(std::uint64_t begin, std::uint64_t end, const Subtree& subtree) {
  const std::uint64_t n = end - begin;
  if (n == 0) return sha256({});
  if (std::has_single_bit(n)) return subtree(static_cast<unsigned>(std::countr_zero(n)), begin / n);
  const std::uint64_t middle = begin + split_of(n);
  const Hash left = TRY(root_of(begin, middle, subtree));
  return node_hash(left, TRY(root_of(middle, end, subtree)));
}

Error bad_proof(const char* what) { return {Errc::kCorrupt, std::string("the log's proof does not hold: ") + what}; }

}  // namespace

Hash leaf_hash(ByteView leaf) {
  Bytes message;
  message.reserve(1 + leaf.size());
  message.push_back(0);
  message.insert(message.end(), leaf.begin(), leaf.end());
  return sha256(message);
}

Hash node_hash(const Hash& left, const Hash& right) {
  std::array<std::uint8_t, 65> message{};
  message[0] = 1;
  std::copy(left.begin(), left.end(), message.begin() + 1);
  std::copy(right.begin(), right.end(), message.begin() + 33);
  return sha256(message);
}

void MerkleTree::append(const Hash& leaf) {
  Hash hash = leaf;
  for (std::size_t level = 0;; ++level) {
    if (level == levels_.size()) levels_.emplace_back();
    levels_[level].push_back(hash);
    const std::size_t count = levels_[level].size();
    if (count % 2 != 0) return;
    hash = node_hash(levels_[level][count - 2], levels_[level][count - 1]);
  }
}

void MerkleTree::truncate(std::uint64_t size) {
  CHECK(size <= this->size());
  for (std::size_t level = 0; level < levels_.size(); ++level) levels_[level].resize(size >> level);
  while (!levels_.empty() && levels_.back().empty()) levels_.pop_back();
}

const Hash& MerkleTree::subtree(unsigned level, std::uint64_t index) const {
  CHECK(level < levels_.size() && index < levels_[level].size());
  return levels_[level][index];
}

Hash MerkleTree::range_root(std::uint64_t begin, std::uint64_t end) const { return *root_of(begin, end, own()); }

Subtree MerkleTree::own() const {
  return [this](unsigned level, std::uint64_t index) { return Result<Hash>(subtree(level, index)); };
}

Result<std::vector<Hash>> MerkleTree::inclusion_proof(std::uint64_t index, std::uint64_t tree_size) const {
  if (tree_size > size()) return Error(Errc::kInvalid, "the log has no such size");
  return vault::inclusion_proof(index, tree_size, own());
}

Result<std::vector<Hash>> MerkleTree::consistency_proof(std::uint64_t old_size, std::uint64_t tree_size) const {
  if (tree_size > size()) return Error(Errc::kInvalid, "the log has no such size");
  return vault::consistency_proof(old_size, tree_size, own());
}

Result<std::vector<Hash>> inclusion_proof(std::uint64_t index, std::uint64_t size, const Subtree& subtree) {
  if (index >= size) return Error(Errc::kInvalid, "the log has no such leaf");
  std::vector<Hash> out;  // from the root down, then turned around
  std::uint64_t begin = 0;
  std::uint64_t end = size;
  while (end - begin > 1) {
    const std::uint64_t middle = begin + split_of(end - begin);
    const bool left = index < middle;
    out.push_back(TRY(left ? root_of(middle, end, subtree) : root_of(begin, middle, subtree)));
    (left ? end : begin) = middle;
  }
  std::reverse(out.begin(), out.end());
  return out;
}

Result<std::vector<Hash>> consistency_proof(std::uint64_t old_size, std::uint64_t size, const Subtree& subtree) {
  if (old_size > size) return Error(Errc::kInvalid, "the log has no such size");
  std::vector<Hash> out;
  if (old_size == 0 || old_size == size) return out;
  std::uint64_t begin = 0;
  std::uint64_t end = size;
  while (end != old_size) {
    const std::uint64_t middle = begin + split_of(end - begin);
    const bool left = old_size <= middle;
    out.push_back(TRY(left ? root_of(middle, end, subtree) : root_of(begin, middle, subtree)));
    (left ? end : begin) = middle;
  }
  if (begin != 0) out.push_back(TRY(root_of(begin, end, subtree)));
  std::reverse(out.begin(), out.end());
  return out;
}

// RFC 9162 section 2.1.3.2.
Status verify_inclusion(const Hash& leaf, std::uint64_t index, std::uint64_t size, const std::vector<Hash>& proof,
                        const Hash& root) {
  if (index >= size) return bad_proof("no such leaf");
  std::uint64_t fn = index;
  std::uint64_t sn = size - 1;
  Hash hash = leaf;
  for (const Hash& step : proof) {
    if (sn == 0) return bad_proof("too long");
    if (fn % 2 == 1 || fn == sn) {
      hash = node_hash(step, hash);
      while (fn % 2 == 0 && fn != 0) {
        fn /= 2;
        sn /= 2;
      }
    } else {
      hash = node_hash(hash, step);
    }
    fn /= 2;
    sn /= 2;
  }
  if (sn != 0) return bad_proof("too short");
  if (hash != root) return bad_proof("another root");
  return {};
}

// RFC 9162 section 2.1.4.2.
Status verify_consistency(std::uint64_t old_size, const Hash& old_root, std::uint64_t size, const Hash& root,
                          const std::vector<Hash>& proof) {
  if (old_size > size) return bad_proof("the log has become shorter");
  if (old_size == 0 || old_size == size) {
    const bool same = old_size == 0 ? old_root == sha256({}) : old_root == root;
    return proof.empty() && same ? Status() : bad_proof("another root");
  }
  auto step = proof.begin();
  const bool whole = std::has_single_bit(old_size);
  if (!whole && step == proof.end()) return bad_proof("too short");
  std::uint64_t fn = old_size - 1;
  std::uint64_t sn = size - 1;
  while (fn % 2 == 1) {
    fn /= 2;
    sn /= 2;
  }
  Hash old_hash = whole ? old_root : *step++;
  Hash new_hash = old_hash;
  for (; step != proof.end(); ++step) {
    if (sn == 0) return bad_proof("too long");
    if (fn % 2 == 1 || fn == sn) {
      old_hash = node_hash(*step, old_hash);
      new_hash = node_hash(*step, new_hash);
      while (fn % 2 == 0 && fn != 0) {
        fn /= 2;
        sn /= 2;
      }
    } else {
      new_hash = node_hash(new_hash, *step);
    }
    fn /= 2;
    sn /= 2;
  }
  if (sn != 0) return bad_proof("too short");
  if (old_hash != old_root) return bad_proof("the log's beginning was changed");
  if (new_hash != root) return bad_proof("another root");
  return {};
}

}  // namespace conclave::vault
