#include "vault/tlog.h"

#include <algorithm>
#include <charconv>

#include "base/canonical.h"

namespace conclave::vault {
namespace {

constexpr std::string_view kDash = "\xe2\x80\x94 ";  // an em dash and a space
constexpr std::uint8_t kEd25519 = 1;
constexpr std::size_t kMaxNoteBytes = 16u << 10;
constexpr std::size_t kKeyIdBytes = 4;

Error no_note(const char* why) { return {Errc::kCorrupt, std::string("not a checkpoint: ") + why}; }

// Decimal without sign or leading zeros.
Result<std::uint64_t> decimal(std::string_view text) {
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || std::to_string(out) != text) {
    return Error(Errc::kInvalid, "not a number");
  }
  return out;
}

Bytes key_id(std::string_view name, const SigningPublic& key) {
  CanonicalWriter out;
  out.raw(view_of(name)).u8('\n').u8(kEd25519).raw(key);
  return bytes_of(ByteView(sha256(out.bytes())).first(kKeyIdBytes));
}

// "x001/x234/067": groups of three digits, all but the last marked.
std::string number_text(std::uint64_t number) {
  std::string out = std::to_string(1000 + number % 1000).substr(1);
  for (number /= 1000; number > 0; number /= 1000) {
    out = "x" + std::to_string(1000 + number % 1000).substr(1) + "/" + out;
  }
  return out;
}

// Takes text up to the next '/' off the front.
std::string_view next_part(std::string_view& path) {
  const std::string_view part = path.substr(0, path.find('/'));
  path.remove_prefix(std::min(path.size(), part.size() + 1));
  return part;
}

void add_tiles(std::vector<TilePath>& out, TilePath tile, std::uint64_t count) {
  for (tile.number = 0; tile.number * kTileWidth < count; ++tile.number) {
    tile.width = std::min(kTileWidth, count - tile.number * kTileWidth);
    out.push_back(tile);
  }
}

std::string text_of_checkpoint(const Checkpoint& checkpoint) {
  return checkpoint.origin + "\n" + std::to_string(checkpoint.size) + "\n" + to_base64(checkpoint.root) + "\n";
}

// Takes a line without its newline off the front.
std::string_view next_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

// Whether a signature line is this key's and fits. kCorrupt for no signature line.
Result<bool> is_signed_by(std::string_view line, std::string_view text, std::string_view name,
                          const SigningPublic& key) {
  if (!line.starts_with(kDash)) return no_note("a line after the text that is no signature");
  line.remove_prefix(kDash.size());
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return no_note("a signature without a name");
  const Result<Bytes> blob = from_base64(line.substr(space + 1));
  if (!blob || blob->size() <= kKeyIdBytes) return no_note("a signature that is no base64");
  const bool ours = line.substr(0, space) == name && std::equal(blob->begin(), blob->begin() + kKeyIdBytes,
                                                                key_id(name, key).begin());
  if (!ours) return false;
  Signature signature{};
  if (blob->size() != kKeyIdBytes + signature.size()) return no_note("a signature of a wrong length");
  std::copy(blob->begin() + kKeyIdBytes, blob->end(), signature.begin());
  if (!verify_raw(key, view_of(text), signature)) {
    return Error(Errc::kKeyRejected, "the checkpoint's signature does not fit");
  }
  return true;
}

}  // namespace

std::string log_origin(const ClusterId& cluster) { return "conclave/" + to_hex(cluster); }

std::string path_of(const TilePath& tile) {
  std::string out = "tile/" + (tile.entries ? std::string("entries") : std::to_string(tile.level)) + "/";
  out += number_text(tile.number);
  if (tile.width != kTileWidth) out += ".p/" + std::to_string(tile.width);
  return out;
}

std::string roster_file(std::uint64_t version) { return "roster/" + std::to_string(version); }

std::optional<std::uint64_t> roster_file_version(std::string_view path) {
  constexpr std::string_view kFolder = "roster/";
  if (!path.starts_with(kFolder)) return std::nullopt;
  const auto version = decimal(path.substr(kFolder.size()));
  return version ? std::optional(*version) : std::nullopt;
}

Result<TilePath> parse_tile_path(std::string_view path) {
  const Error bad(Errc::kInvalid, "no file of the audit log has this path");
  const std::string_view whole = path;
  TilePath out;
  if (path.size() > 64 || next_part(path) != "tile") return bad;
  const std::string_view level = next_part(path);
  out.entries = level == "entries";
  out.level = static_cast<unsigned>(out.entries ? 0 : std::min<std::uint64_t>(decimal(level).value_or(64), 64));
  const std::size_t partial = path.find(".p/");
  if (partial != std::string_view::npos) {
    out.width = decimal(path.substr(partial + 3)).value_or(0);
    path = path.substr(0, partial);
  }
  while (!path.empty()) {
    std::string_view digits = next_part(path);
    if (digits.starts_with('x')) digits.remove_prefix(1);
    for (const char c : digits) {
      if (c < '0' || c > '9') return bad;
      out.number = out.number * 10 + static_cast<std::uint64_t>(c - '0');
    }
  }
  // Everything else that could be wrong is written differently.
  if (out.level > 63 || out.width < 1 || out.width > kTileWidth || path_of(out) != whole) return bad;
  return out;
}

Result<Bytes> tile_content(const MerkleTree& tree, std::uint64_t size, const TilePath& tile) {
  const unsigned level = tile.level * 8;
  const std::uint64_t there = level >= 64 ? 0 : std::min(size, tree.size()) >> level;
  if (tile.entries || tile.number > there / kTileWidth || there - tile.number * kTileWidth < tile.width) {
    return Error(Errc::kNotFound, "the log has no such tile yet");
  }
  Bytes out;
  for (std::uint64_t i = 0; i < tile.width; ++i) {
    const Hash& hash = tree.subtree(level, tile.number * kTileWidth + i);
    out.insert(out.end(), hash.begin(), hash.end());
  }
  return out;
}

std::vector<TilePath> tiles_of(std::uint64_t size) {
  std::vector<TilePath> out;
  add_tiles(out, {.entries = true}, size);
  for (unsigned level = 0; level * 8 < 64 && size >> (level * 8) > 0; ++level) {
    add_tiles(out, {.level = level}, size >> (level * 8));
  }
  return out;
}

Bytes bundle_of(const std::vector<Bytes>& leaves) {
  CanonicalWriter out;
  for (const Bytes& leaf : leaves) {
    CHECK(leaf.size() <= kMaxBundledBytes);
    out.u16(static_cast<std::uint16_t>(leaf.size())).raw(leaf);
  }
  return std::move(out).bytes();
}

Result<std::vector<Bytes>> parse_bundle(ByteView bundle, std::uint64_t width) {
  CanonicalReader in(bundle);
  std::vector<Bytes> out;
  for (std::uint64_t i = 0; i < width && !in.failed(); ++i) out.push_back(bytes_of(in.raw(in.u16())));
  TRY(in.finish("entry bundle"));
  return out;
}

std::string sign_checkpoint(const Checkpoint& checkpoint, const SigningKey& log_key) {
  return sign_note(text_of_checkpoint(checkpoint), checkpoint.origin, log_key);
}

Result<Checkpoint> open_checkpoint(std::string_view note, std::string_view origin, const SigningPublic& log_key) {
  const std::string text = TRY(open_note(note, origin, log_key));
  std::string_view rest = text;
  Checkpoint out;
  out.origin = next_line(rest);
  if (out.origin != origin) return no_note("it is another log's");
  const Result<std::uint64_t> size = decimal(next_line(rest));
  const Result<Bytes> root = from_base64(next_line(rest));
  if (!size || !root || root->size() != out.root.size()) return no_note("no size and root");
  out.size = *size;
  std::copy(root->begin(), root->end(), out.root.begin());
  return out;  // further lines are extensions
}

std::string verifier_key(std::string_view origin, const SigningPublic& log_key) {
  CanonicalWriter typed;
  typed.u8(kEd25519).raw(log_key);
  return std::string(origin) + "+" + to_hex(key_id(origin, log_key)) + "+" + to_base64(typed.bytes());
}

std::string sign_note(std::string_view text, std::string_view name, const SigningKey& key) {
  CHECK(text.ends_with('\n') && !name.empty() && name.find_first_of(" +\n") == std::string_view::npos);
  Bytes blob = key_id(name, key.public_key);
  const Signature signature = sign_raw(key, view_of(text));
  blob.insert(blob.end(), signature.begin(), signature.end());
  return std::string(text) + "\n" + std::string(kDash) + std::string(name) + " " + to_base64(blob) + "\n";
}

Result<std::string> open_note(std::string_view note, std::string_view name, const SigningPublic& key) {
  if (note.size() > kMaxNoteBytes || !note.ends_with('\n')) return no_note("too long, or cut short");
  const std::size_t blank = note.rfind("\n\n");
  if (blank == std::string_view::npos) return no_note("no signatures");
  const std::string_view text = note.substr(0, blank + 1);
  std::string_view lines = note.substr(blank + 2);
  bool is_signed = false;
  while (!lines.empty()) is_signed = TRY(is_signed_by(next_line(lines), text, name, key)) || is_signed;
  if (!is_signed) return Error(Errc::kKeyRejected, "the checkpoint is not signed by this cluster's log");
  return std::string(text);
}

}  // namespace conclave::vault
