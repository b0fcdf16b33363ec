#include "vault/log_check.h"

#include <algorithm>

namespace conclave::vault {
namespace {

constexpr unsigned kTileHeight = 8;   // levels of the tree in one tile

// What cannot be kept for want of room is compared anew, and kept, the next time: a full disk takes nobody's commands away.
Status unless_full(Status kept) {
  const bool full = !kept && (kept.error().code == Errc::kNoSpace || kept.error().code == Errc::kQuota);
  return full ? Status() : kept;
}

bool is_leaf(ByteView bytes, LeafKind kind, const Hash& subject, ByteView content) {
  const auto leaf = parse_leaf(bytes);
  return leaf && leaf->kind == kind && leaf->subject == subject && std::ranges::equal(leaf->content, content);
}

}  // namespace

Result<Checkpoint> LogCheck::advance() {
  const Checkpoint seen = TRY(memory_.checkpoint());
  Checkpoint now = TRY(open_checkpoint(TRY(file_("checkpoint")), origin_, log_key_));
  if (now.size < seen.size) {
    return Error(Errc::kCorrupt, "the audit log has " + std::to_string(now.size) + " entries; this device has seen " +
                                     std::to_string(seen.size) + ": " + std::string(kRolledBack));
  }
  TRY(check_same_log(seen, now));
  TRY(memory_.remember(now));
  return now;
}

Status LogCheck::check_named(std::uint64_t size, const Hash& root) {
  const Checkpoint named{.origin = origin_, .size = size, .root = root};
  const Status same = check_same_log(TRY(memory_.checkpoint()), named);
  if (!same && (same.error().code == Errc::kCorrupt || same.error().code == Errc::kNotFound)) {
    return Error(Errc::kCorrupt, "the newest roster names another audit log than this device has seen: " + std::string(kRolledBack));
  }
  TRY(same);
  return unless_full(memory_.remember(named));
}

Status LogCheck::check_same_log(const Checkpoint& one, const Checkpoint& other) {
  const auto& [older, newer] = std::minmax(one, other, [](const auto& a, const auto& b) { return a.size < b.size; });
  if (older.size == 0) return {};
  const auto proof = TRY(consistency_proof(older.size, newer.size, [&, size = newer.size](unsigned level, std::uint64_t index) {
    return subtree(level, index, size);
  }));
  return verify_consistency(older.size, older.root, newer.size, newer.root, proof);
}

Status LogCheck::check_logged(std::uint64_t from, const Checkpoint& checkpoint, LeafKind kind, const Hash& subject,
                              ByteView content) {
  const Error missing(Errc::kCorrupt, "the audit log does not have what was just done");
  if (checkpoint.size - from > kMostLeaves) return missing;
  for (std::uint64_t number = from / kTileWidth; number * kTileWidth < checkpoint.size; ++number) {
    const auto leaves = TRY(bundle(number, checkpoint.size));
    for (std::uint64_t i = 0; i < leaves.size(); ++i) {
      const std::uint64_t index = number * kTileWidth + i;
      if (index >= from && is_leaf(leaves[i], kind, subject, content)) return check_included(leaves[i], index, checkpoint);
    }
  }
  return missing;
}

Status LogCheck::check_logged_at(std::uint64_t index, const Checkpoint& checkpoint, LeafKind kind, const Hash& subject,
                                 ByteView content) {
  const Error missing(Errc::kCorrupt, "the log that the vault signs does not have at that place what it shows");
  if (index >= checkpoint.size) return missing;
  const auto leaves = TRY(bundle(index / kTileWidth, checkpoint.size));
  const std::uint64_t at = index % kTileWidth;
  if (at >= leaves.size() || !is_leaf(leaves[at], kind, subject, content)) return missing;
  return check_included(leaves[at], index, checkpoint);
}

Status LogCheck::check_included(ByteView leaf, std::uint64_t index, const Checkpoint& checkpoint) {
  const auto proof = TRY(inclusion_proof(index, checkpoint.size, [&](unsigned level, std::uint64_t at) {
    return subtree(level, at, checkpoint.size);
  }));
  return verify_inclusion(leaf_hash(leaf), index, checkpoint.size, proof, checkpoint.root);
}

// Inside a tile, what is above its hashes is computed.
Result<Hash> LogCheck::subtree(unsigned level, std::uint64_t index, std::uint64_t size) {
  const unsigned above = level % kTileHeight;
  const std::uint64_t first = index << above;
  TilePath path{.entries = false, .level = level / kTileHeight, .number = first / kTileWidth, .width = kTileWidth};
  path.width = std::min(kTileWidth, (size >> (kTileHeight * path.level)) - path.number * kTileWidth);
  const std::string name = path_of(path);
  if (!tiles_.contains(name)) tiles_[name] = TRY(file_(name));
  const std::string& tile = tiles_[name];
  if (tile.size() != path.width * sizeof(Hash)) return Error(Errc::kCorrupt, "a tile of the audit log has a wrong length");
  std::vector<Hash> hashes(std::size_t{1} << above);
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    const std::size_t at = (first % kTileWidth + i) * sizeof(Hash);
    std::copy_n(view_of(tile).begin() + static_cast<std::ptrdiff_t>(at), sizeof(Hash), hashes[i].begin());
  }
  for (; hashes.size() > 1; hashes.resize(hashes.size() / 2)) {
    for (std::size_t i = 0; i < hashes.size() / 2; ++i) hashes[i] = node_hash(hashes[2 * i], hashes[2 * i + 1]);
  }
  return hashes[0];
}

Result<std::vector<Bytes>> LogCheck::bundle(std::uint64_t number, std::uint64_t size) {
  const std::uint64_t width = std::min(kTileWidth, size - number * kTileWidth);
  return parse_bundle(view_of(TRY(file_(path_of({.entries = true, .level = 0, .number = number, .width = width})))), width);
}

Status accept_roster(const RosterChain& chain, VaultMemory& memory, LogCheck& log) {
  if (!TRY(memory.knows(chain.current()))) TRY(log.check_named(chain.current().log_size, chain.current().log_root));
  return unless_full(memory.check_roster(chain));
}

}  // namespace conclave::vault
