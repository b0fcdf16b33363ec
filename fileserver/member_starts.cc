#include "fileserver/member_starts.h"

#include <charconv>

#include "base/limits.h"

namespace conclave::file {
namespace {

// A decimal number that `text` begins with, taken off it.
template <class Number>
bool take_number(std::string_view& text, Number& value) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take_sign(std::string_view& text, char sign) {
  if (!text.starts_with(sign)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::string MemberStarts::text() const {
  std::string out;
  for (const auto& [server, boot] : all_) {
    if (!out.empty()) out += ' ';
    out += std::to_string(raw(server)) + ':' + std::to_string(boot);
  }
  return out;
}

Result<MemberStarts> MemberStarts::parse(std::string_view text) {
  std::vector<One> all;
  while (!text.empty()) {
    std::uint32_t server = 0;
    std::uint64_t boot = 0;
    const bool first = all.empty() || take_sign(text, ' ');
    if (!first || !take_number(text, server) || !take_sign(text, ':') || !take_number(text, boot) ||
        all.size() == kMaxReplicas) {
      return Error(Errc::kInvalid, "no list of file servers and their starts");
    }
    all.emplace_back(ServerId{server}, boot);
  }
  return MemberStarts(std::move(all));
}

}  // namespace conclave::file
