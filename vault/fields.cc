#include "vault/fields.h"

#include <ctime>

namespace conclave::vault {
namespace {

constexpr std::uint64_t kTimeEnd = 1ull << 62;

struct Character {
  std::size_t size = 0;  // 0: not UTF-8
  char32_t code = 0;
};

// The character at the beginning of `text` (RFC 3629: shortest form only, no surrogates).
Character first_character(std::string_view text) {
  const auto lead = static_cast<std::uint8_t>(text[0]);
  if (lead < 0x80) return {1, lead};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {};
  char32_t code = lead & (0x7f >> size);
  for (std::size_t i = 1; i < size; ++i) {
    const auto next = static_cast<std::uint8_t>(text[i]);
    if ((next & 0xc0) != 0x80) return {};
    code = code << 6 | (next & 0x3f);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  if (code < kLeast[size] || code > 0x10ffff || surrogate) return {};
  return {size, code};
}

bool is_plain(char32_t code) {
  const bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
  const bool line = code == 0x2028 || code == 0x2029;
  const bool direction = code == 0x061c || code == 0x200e || code == 0x200f || (code >= 0x202a && code <= 0x202e) ||
                         (code >= 0x2066 && code <= 0x2069);
  const bool invisible = code == 0xfeff || (code >= 0xe0000 && code < 0xe1000);
  return !control && !line && !direction && !invisible;
}

}  // namespace

CanonicalWriter begin_body() {
  CanonicalWriter out;
  out.u32(kSuite);
  return out;
}

CanonicalReader read_body(ByteView bytes) {
  CanonicalReader in(bytes);
  if (in.u32() != kSuite) in.fail();
  return in;
}

void put_time(CanonicalWriter& out, WallTime time) {
  out.u64(static_cast<std::uint64_t>(time.ns));
}

WallTime get_time(CanonicalReader& in) {
  const std::uint64_t ns = in.u64();
  if (ns >= kTimeEnd) in.fail();
  return {in.failed() ? 0 : static_cast<std::int64_t>(ns)};
}

void put_seconds(CanonicalWriter& out, std::chrono::seconds value) {
  out.u64(static_cast<std::uint64_t>(value.count()));
}

std::chrono::seconds get_seconds(CanonicalReader& in) {
  const std::uint64_t count = in.u64();
  if (count > static_cast<std::uint64_t>(kMaxLifetime.count())) in.fail();
  return std::chrono::seconds(in.failed() ? 0 : static_cast<std::int64_t>(count));
}

void put_flag(CanonicalWriter& out, bool value) { out.u8(value ? 1 : 0); }

bool get_flag(CanonicalReader& in) {
  const std::uint8_t value = in.u8();
  if (value > 1) in.fail();
  return value == 1;
}

bool is_person_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxPersonNameBytes) return false;
  if (name.front() == '.' || name.front() == '-') return false;  // it names a folder, and stands on command lines
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") == std::string_view::npos;
}

std::string get_person_name(CanonicalReader& in) {
  std::string name = in.text(kMaxPersonNameBytes);
  if (!is_person_name(name)) in.fail();
  return name;
}

std::string get_plain_text(CanonicalReader& in, std::size_t max_size) {
  std::string text = in.text(max_size);
  if (!is_plain_text(text)) in.fail();
  return text;
}

bool is_plain_text(std::string_view text) {
  while (!text.empty()) {
    const Character c = first_character(text);
    if (c.size == 0 || !is_plain(c.code)) return false;
    text.remove_prefix(c.size);
  }
  return true;
}

std::string plain_text(std::string_view text, std::size_t max_size) {
  std::string out;
  while (!text.empty()) {
    const Character c = first_character(text);
    const bool keep = c.size != 0 && is_plain(c.code);
    const std::string_view shown = keep ? text.substr(0, c.size) : "?";
    if (out.size() + shown.size() > max_size) break;
    out += shown;
    text.remove_prefix(c.size == 0 ? 1 : c.size);
  }
  return out;
}

WallTime operator+(WallTime time, std::chrono::seconds span) {
  return {time.ns + std::chrono::nanoseconds(span).count()};
}

std::string time_text(WallTime time) {
  const auto seconds = static_cast<std::time_t>(time.ns / 1'000'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char out[32];
  return {out, std::strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace conclave::vault
