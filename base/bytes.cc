#include "base/bytes.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#include <wmmintrin.h>
#endif

namespace conclave {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase64Url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode64(ByteView bytes, std::string_view alphabet) {
  std::string out;
  out.reserve((bytes.size() * 4 + 2) / 3 + 2);
  std::uint32_t bits = 0;
  int held = 0;
  for (const std::uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    for (held += 8; held >= 6; held -= 6) out += alphabet[bits >> (held - 6) & 63];
  }
  if (held > 0) out += alphabet[bits << (6 - held) & 63];
  return out;
}

// `text` has no padding.
Result<Bytes> decode64(std::string_view text, std::string_view alphabet) {
  if (text.size() % 4 == 1) return Error(Errc::kInvalid, "base64 text of an impossible length");
  Bytes out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const std::size_t value = alphabet.find(c);
    if (value == std::string_view::npos) return Error(Errc::kInvalid, "a character that is not base64");
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    held += 6;
    if (held >= 8) out.push_back(static_cast<std::uint8_t>(bits >> (held -= 8)));
  }
  if ((bits & ((1u << held) - 1)) != 0) return Error(Errc::kInvalid, "base64 text with bits after its end");
  return out;
}

// CRC-32C: polynomials over GF(2) modulo P, bit 31 standing for x⁰ (reflected).
constexpr std::uint32_t kCastagnoli = 0x82f63b78;

constexpr std::uint32_t times_x(std::uint32_t a) { return a >> 1 ^ (a & 1 ? kCastagnoli : 0); }

constexpr std::uint32_t multiply(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (std::uint32_t bit = 1u << 31; bit != 0; bit >>= 1) {
    if (a & bit) product ^= b;
    b = times_x(b);
  }
  return product;
}

// kSquares[k] = x^(2^k). 8 · 2⁶⁴ bits are the longest shift.
constexpr auto kSquares = [] {
  std::array<std::uint32_t, 67> out{};
  out[0] = 1u << 30;
  for (std::size_t k = 1; k < out.size(); ++k) out[k] = multiply(out[k - 1], out[k - 1]);
  return out;
}();

// x^(n · 2^first_square)
constexpr std::uint32_t power_of_x(std::uint64_t n, std::size_t first_square = 0) {
  std::uint32_t out = 1u << 31;
  for (std::size_t k = first_square; n != 0; ++k, n >>= 1) {
    if (n & 1) out = multiply(out, kSquares[k]);
  }
  return out;
}

// kSlices[k][b]: the remainder of byte b with k zero bytes after it.
constexpr auto kSlices = [] {
  std::array<std::array<std::uint32_t, 256>, 8> out{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int i = 0; i < 8; ++i) crc = times_x(crc);
    out[0][b] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t b = 0; b < 256; ++b) out[k][b] = out[k - 1][b] >> 8 ^ out[0][out[k - 1][b] & 255];
  }
  return out;
}();

std::uint32_t crc_portable(const std::uint8_t* p, std::size_t size, std::uint32_t crc) {
  for (; size >= 8; size -= 8, p += 8) {
    std::uint32_t next = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      const std::uint32_t byte = p[i] ^ (i < 4 ? crc >> (8 * i) & 255 : 0);
      next ^= kSlices[7 - i][byte];
    }
    crc = next;
  }
  for (; size > 0; --size, ++p) crc = crc >> 8 ^ kSlices[0][(crc ^ *p) & 255];
  return crc;
}

#if defined(__x86_64__)
// The crc32 instruction takes 3 cycles but starts one a cycle: three lanes side by side, joined by a
// carry-less multiplication. crc32(0, a·b) is a·b·x³³ of reflected operands, hence the 33.
constexpr std::size_t kLaneBytes = 1024;
constexpr std::uint32_t kShiftOne = power_of_x(kLaneBytes * 8 - 33);
constexpr std::uint32_t kShiftTwo = power_of_x(kLaneBytes * 16 - 33);

std::uint64_t load64(const std::uint8_t* p) {
  std::uint64_t out;
  std::memcpy(&out, p, sizeof out);
  return out;
}

__attribute__((target("sse4.2,pclmul"))) std::uint32_t crc_hardware(const std::uint8_t* p, std::size_t size,
                                                                    std::uint32_t seed) {
  std::uint64_t crc = seed;
  for (; size >= 3 * kLaneBytes; size -= 3 * kLaneBytes, p += 3 * kLaneBytes) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t i = 0; i < kLaneBytes; i += 8) {
      crc = _mm_crc32_u64(crc, load64(p + i));
      second = _mm_crc32_u64(second, load64(p + kLaneBytes + i));
      third = _mm_crc32_u64(third, load64(p + 2 * kLaneBytes + i));
    }
    const __m128i shifted = _mm_xor_si128(
        _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<long long>(crc)), _mm_cvtsi64_si128(kShiftTwo), 0),
        _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<long long>(second)), _mm_cvtsi64_si128(kShiftOne), 0));
    crc = _mm_crc32_u64(0, static_cast<std::uint64_t>(_mm_cvtsi128_si64(shifted))) ^ third;
  }
  for (; size >= 8; size -= 8, p += 8) crc = _mm_crc32_u64(crc, load64(p));
  auto narrow = static_cast<std::uint32_t>(crc);
  for (; size > 0; --size, ++p) narrow = _mm_crc32_u8(narrow, *p);
  return narrow;
}

bool has_crc_instruction() {
  static const bool has = __builtin_cpu_supports("sse4.2") != 0 && __builtin_cpu_supports("pclmul") != 0;
  return has;
}
#endif

}  // namespace

std::string to_hex(ByteView bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    out += kHexDigits[byte >> 4];
    out += kHexDigits[byte & 15];
  }
  return out;
}

Result<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return Error(Errc::kInvalid, "an odd number of hexadecimal digits");
  Bytes out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return Error(Errc::kInvalid, "a character that is not a hexadecimal digit");
    out.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  return out;
}

std::string to_base64(ByteView bytes) {
  std::string out = encode64(bytes, kBase64);
  while (out.size() % 4 != 0) out += '=';
  return out;
}

Result<Bytes> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return Error(Errc::kInvalid, "base64 text without its padding");
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  return decode64(text, kBase64);
}

std::string to_base64url(ByteView bytes) { return encode64(bytes, kBase64Url); }

Result<Bytes> from_base64url(std::string_view text) { return decode64(text, kBase64Url); }

std::uint32_t crc32c(ByteView bytes, std::uint32_t seed) {
#if defined(__x86_64__)
  if (has_crc_instruction()) return ~crc_hardware(bytes.data(), bytes.size(), ~seed);
#endif
  return ~crc_portable(bytes.data(), bytes.size(), ~seed);
}

std::uint32_t crc32c_combine(std::uint32_t crc_a, std::uint32_t crc_b, std::uint64_t length_b) {
  return multiply(power_of_x(length_b, 3), crc_a) ^ crc_b;
}

}  // namespace conclave
