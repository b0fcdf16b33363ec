// The bytes that are signed, hashed and MACed: one fixed layout, so that two programs always agree.
// Integers are big-endian; a variable string is its length in 4 bytes, then itself. The reader is
// bounded: it never reads past the end, and a value counts only if finish() finds nothing left over.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace conclave {

class CanonicalWriter {
 public:
  CanonicalWriter& u8(std::uint8_t value);
  CanonicalWriter& u16(std::uint16_t value);
  CanonicalWriter& u32(std::uint32_t value);
  CanonicalWriter& u64(std::uint64_t value);
  CanonicalWriter& raw(ByteView bytes);     // a field of fixed length: no length before it
  CanonicalWriter& lv(ByteView bytes);      // length and bytes
  CanonicalWriter& lv(std::string_view text) { return lv(view_of(text)); }
  [[nodiscard]] const Bytes& bytes() const& { return out_; }
  Bytes bytes() && { return std::move(out_); }

 private:
  Bytes out_;
};

// After the first failure every read returns zeros or nothing, and finish() is kCorrupt: a parser reads
// its fields in order and asks once at the end.
class CanonicalReader {
 public:
  explicit CanonicalReader(ByteView bytes) : rest_(bytes) {}
  std::uint8_t u8();
  std::uint16_t u16();
  std::uint32_t u32();
  std::uint64_t u64();
  ByteView raw(std::size_t size);           // a view into the input; empty after a failure
  ByteView lv(std::size_t max_size);
  std::string text(std::size_t max_size) { return string_of(lv(max_size)); }
  template <std::size_t N>
  std::array<std::uint8_t, N> array() {
    std::array<std::uint8_t, N> out{};
    const ByteView from = raw(N);
    if (from.size() == N) std::copy(from.begin(), from.end(), out.begin());
    return out;
  }
  // A count of items of at least min_item_size bytes each; fails unless that much input is left.
  std::uint32_t count(std::size_t max_count, std::size_t min_item_size);
  void fail() { failed_ = true; }           // the caller found a value out of its range
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::size_t left() const { return rest_.size(); }
  [[nodiscard]] Status finish(std::string_view what) const;  // kCorrupt "what: …" unless all was read

 private:
  ByteView rest_;
  bool failed_ = false;
};

}  // namespace conclave
