#include "vault/log_leaf.h"

#include <algorithm>

#include "vault/fields.h"

namespace conclave::vault {
namespace {

constexpr std::string_view kNames[] = {"roster", "policy", "put",    "request", "approve", "deny",   "release",
                                       "open",   "close",  "expire", "revoke",  "reshare", "cancel", "timeout", "share"};
constexpr std::size_t kLongestName = 7;

}  // namespace

std::string_view name_of(LeafKind kind) { return kNames[static_cast<std::size_t>(kind) - 1]; }

Bytes encode(const LogLeaf& leaf) {
  CanonicalWriter out = begin_body();
  out.u8(static_cast<std::uint8_t>(leaf.kind));
  put_time(out, leaf.at);
  out.lv(leaf.person).raw(leaf.subject).lv(leaf.note).lv(leaf.content);
  return std::move(out).bytes();
}

Result<LogLeaf> parse_leaf(ByteView bytes) {
  CanonicalReader in = read_body(bytes);
  LogLeaf out;
  const std::uint8_t kind = in.u8();
  if (kind < 1 || kind > std::size(kNames)) in.fail();
  out.kind = static_cast<LeafKind>(kind);
  out.at = get_time(in);
  out.person = in.text(kMaxPersonNameBytes);
  if (!out.person.empty() && !is_person_name(out.person)) in.fail();
  out.subject = in.array<32>();
  out.note = get_plain_text(in, kMaxLeafNoteBytes);
  out.content = bytes_of(in.lv(kMaxLeafContentBytes));
  TRY(in.finish("log leaf"));
  return out;
}

std::string line_of(const LogLeaf& leaf) {
  std::string name(name_of(leaf.kind));
  name.resize(kLongestName, ' ');
  std::string out = time_text(leaf.at) + " " + name + "  " + (leaf.person.empty() ? "-" : leaf.person);
  out += "  " + to_hex(ByteView(leaf.subject).first(4));
  if (!leaf.note.empty()) out += "  " + leaf.note;
  return out;
}

}  // namespace conclave::vault
