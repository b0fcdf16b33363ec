// The audit log as files that other tools read: C2SP tlog-tiles (hash tiles and entry bundles) and tlog-checkpoint (a
// signed note). https://c2sp.org/tlog-tiles, /tlog-checkpoint, /signed-note.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "vault/merkle.h"

namespace conclave::vault {

// What the log is called in its checkpoints.
std::string log_origin(const ClusterId& cluster);

inline constexpr std::uint64_t kTileWidth = 256;         // hashes in a full tile, entries in a full bundle
inline constexpr std::size_t kMaxBundledBytes = 65535;   // an entry's length stands in 2 bytes

// "tile/0/x001/067", "tile/entries/000.p/3". A partial tile's width is 1 to 255, a full one's 256.
struct TilePath {
  bool entries = false;
  unsigned level = 0;                                    // of hash tiles: 0 to 63
  std::uint64_t number = 0;
  std::uint64_t width = kTileWidth;
  friend bool operator==(const TilePath&, const TilePath&) = default;
};
std::string path_of(const TilePath& tile);
Result<TilePath> parse_tile_path(std::string_view path); // kInvalid unless path_of writes it so
// The hashes of a tile: kNotFound if the tree of `size` leaves does not have all of them.
Result<Bytes> tile_content(const MerkleTree& tree, std::uint64_t size, const TilePath& tile);
// Each tile and bundle of a log of that size once, at its present width: what an offline copy holds.
std::vector<TilePath> tiles_of(std::uint64_t size);

// Rosters lie beside the log: "roster/7".
std::string roster_file(std::uint64_t version);
std::optional<std::uint64_t> roster_file_version(std::string_view path);   // only what roster_file writes so

// Entries of a bundle: each its length in 2 bytes, then itself.
Bytes bundle_of(const std::vector<Bytes>& leaves);       // each of at most kMaxBundledBytes
Result<std::vector<Bytes>> parse_bundle(ByteView bundle, std::uint64_t width);  // kCorrupt

struct Checkpoint {
  std::string origin;                                    // "conclave/<cluster hex>"
  std::uint64_t size = 0;
  Hash root{};
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};
// The note: origin, size, root in base64, a blank line, "— origin base64(key id ‖ Ed25519 signature)".
std::string sign_checkpoint(const Checkpoint& checkpoint, const SigningKey& log_key);
// kKeyRejected without a fitting signature of this log's key (others' are passed over); kCorrupt for no checkpoint or
// another log's.
Result<Checkpoint> open_checkpoint(std::string_view note, std::string_view origin, const SigningPublic& log_key);
// "origin+key id+base64(0x01 ‖ key)": what other tools take to verify checkpoints.
std::string verifier_key(std::string_view origin, const SigningPublic& log_key);

// The general form, for any text that ends with a newline.
std::string sign_note(std::string_view text, std::string_view name, const SigningKey& key);
Result<std::string> open_note(std::string_view note, std::string_view name, const SigningPublic& key);

}  // namespace conclave::vault
