// Plain byte strings and their text forms. Secrets are not plain: see base/secret_bytes.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace conclave {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using ByteSpan = std::span<std::uint8_t>;

inline ByteView view_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view text_of(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline std::string string_of(ByteView bytes) { return std::string(text_of(bytes)); }
inline Bytes bytes_of(ByteView bytes) { return {bytes.begin(), bytes.end()}; }

// Lower-case hexadecimal. from_hex: kInvalid unless an even number of hexadecimal digits.
std::string to_hex(ByteView bytes);
Result<Bytes> from_hex(std::string_view text);

// RFC 4648 section 4 with padding (for error details) and section 5 without (for headers and tokens).
// from_*: kInvalid for any other character, wrong length or non-zero trailing bits.
std::string to_base64(ByteView bytes);
Result<Bytes> from_base64(std::string_view text);
std::string to_base64url(ByteView bytes);
Result<Bytes> from_base64url(std::string_view text);

// CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `bytes`, continuing from `seed` (0 to begin):
// crc32c(b, crc32c(a)) == crc32c(a‖b). Uses the SSE 4.2 instruction where the machine has it.
std::uint32_t crc32c(ByteView bytes, std::uint32_t seed = 0);

// crc32c(a‖b) from the two parts' values and b's length, without the bytes.
std::uint32_t crc32c_combine(std::uint32_t crc_a, std::uint32_t crc_b, std::uint64_t length_b);

}  // namespace conclave
