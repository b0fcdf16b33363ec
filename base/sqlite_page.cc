#include "base/sqlite_page.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace conclave {
namespace {

constexpr std::size_t kContentBytes = kSqlitePageBytes - kSqliteReservedBytes;

template <class Number>
std::array<std::uint8_t, sizeof(Number)> big_endian(Number value) {
  std::array<std::uint8_t, sizeof(Number)> out{};
  for (std::size_t i = out.size(); i-- > 0; value = static_cast<Number>(value >> 8)) {
    out[i] = static_cast<std::uint8_t>(value);
  }
  return out;
}

std::array<std::uint8_t, 4> checksum(std::uint64_t offset, ByteView page) {
  return big_endian(crc32c(page.first(kContentBytes), crc32c(big_endian(offset))));
}

}  // namespace

void seal_sqlite_page(std::uint64_t offset, ByteSpan page) {
  CHECK(page.size() == kSqlitePageBytes);
  const auto sum = checksum(offset, page);
  std::copy(sum.begin(), sum.end(), page.begin() + kContentBytes);
}

bool sqlite_page_fits(std::uint64_t offset, ByteView page) {
  if (page.size() != kSqlitePageBytes) return false;
  const auto sum = checksum(offset, page);
  return std::equal(sum.begin(), sum.end(), page.begin() + kContentBytes);
}

}  // namespace conclave
