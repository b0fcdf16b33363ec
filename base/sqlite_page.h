// The checksum of a database page: 4 reserved bytes at its end hold, big-endian, the CRC32C of the page's offset
// in the file (8 bytes, big-endian) and of the rest of the page. The offset makes a page that was read from, or
// written to, the wrong place a bad one.
#pragma once

#include "base/bytes.h"

namespace conclave {

inline constexpr std::size_t kSqlitePageBytes = 4096;
inline constexpr std::size_t kSqliteReservedBytes = 4;

// `page` has kSqlitePageBytes; fits() is false for any other size.
void seal_sqlite_page(std::uint64_t offset, ByteSpan page);
bool sqlite_page_fits(std::uint64_t offset, ByteView page);

}  // namespace conclave
