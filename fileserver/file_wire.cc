#include "fileserver/file_wire.h"

#include <charconv>

#include "base/connect_wire.h"

namespace conclave::file {

Result<std::uint64_t> number_of(const std::vector<Header>& headers, std::string_view name) {
  const std::string_view text = header_of(headers, name);
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || failure != std::errc() || end != text.data() + text.size()) {
    return Error(Errc::kInvalid, "header " + std::string(name) + " is missing or no decimal number");
  }
  return value;
}

Result<std::uint64_t> number_of(const std::vector<Header>& headers, std::string_view name, std::uint64_t otherwise) {
  if (header_of(headers, name).empty()) return otherwise;
  return number_of(headers, name);
}

Header number_header(std::string_view name, std::uint64_t value) { return {std::string(name), std::to_string(value)}; }

Result<Bytes> bytes_of_header(const std::vector<Header>& headers, std::string_view name) {
  auto bytes = from_base64url(header_of(headers, name));
  if (!bytes) return in_context("header " + std::string(name), std::move(bytes).error());
  return bytes;
}

Header bytes_header(std::string_view name, std::string_view bytes) {
  return {std::string(name), to_base64url(view_of(bytes))};
}

Status checked_reply(const HttpReply& reply) {
  if (reply.status != 200) return error_of(reply);
  if (reply.body.empty() && header_of(reply.headers, kCrcHeader).empty()) return {};
  const std::uint64_t crc = TRY(number_of(reply.headers, kCrcHeader));
  if (crc32c(view_of(reply.body)) != crc) return Error(Errc::kCorrupt, "bytes changed on their way from a file server");
  return {};
}

}  // namespace conclave::file
