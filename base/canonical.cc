#include "base/canonical.h"

#include <limits>

namespace conclave {
namespace {

template <class Int>
void append_big_endian(Bytes& out, Int value) {
  for (int shift = static_cast<int>(sizeof(Int)) * 8 - 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

template <class Int>
Int big_endian(ByteView bytes) {
  Int out = 0;
  for (const std::uint8_t byte : bytes) out = static_cast<Int>(static_cast<std::uint64_t>(out) << 8 | byte);
  return out;
}

}  // namespace

CanonicalWriter& CanonicalWriter::u8(std::uint8_t value) {
  out_.push_back(value);
  return *this;
}

CanonicalWriter& CanonicalWriter::u16(std::uint16_t value) {
  append_big_endian(out_, value);
  return *this;
}

CanonicalWriter& CanonicalWriter::u32(std::uint32_t value) {
  append_big_endian(out_, value);
  return *this;
}

CanonicalWriter& CanonicalWriter::u64(std::uint64_t value) {
  append_big_endian(out_, value);
  return *this;
}

CanonicalWriter& CanonicalWriter::raw(ByteView bytes) {
  out_.insert(out_.end(), bytes.begin(), bytes.end());
  return *this;
}

CanonicalWriter& CanonicalWriter::lv(ByteView bytes) {
  CHECK(bytes.size() <= std::numeric_limits<std::uint32_t>::max());
  return u32(static_cast<std::uint32_t>(bytes.size())).raw(bytes);
}

std::uint8_t CanonicalReader::u8() { return big_endian<std::uint8_t>(raw(1)); }
std::uint16_t CanonicalReader::u16() { return big_endian<std::uint16_t>(raw(2)); }
std::uint32_t CanonicalReader::u32() { return big_endian<std::uint32_t>(raw(4)); }
std::uint64_t CanonicalReader::u64() { return big_endian<std::uint64_t>(raw(8)); }

ByteView CanonicalReader::raw(std::size_t size) {
  if (failed_ || size > rest_.size()) {
    failed_ = true;
    return {};
  }
  const ByteView out = rest_.first(size);
  rest_ = rest_.subspan(size);
  return out;
}

ByteView CanonicalReader::lv(std::size_t max_size) {
  const std::uint32_t size = u32();
  if (size > max_size) failed_ = true;
  return raw(size);
}

std::uint32_t CanonicalReader::count(std::size_t max_count, std::size_t min_item_size) {
  const std::uint32_t items = u32();
  const bool fits = items <= max_count && (min_item_size == 0 || items <= rest_.size() / min_item_size);
  if (!fits) failed_ = true;
  return failed_ ? 0 : items;
}

Status CanonicalReader::finish(std::string_view what) const {
  const std::string name(what);
  if (failed_) return Error(Errc::kCorrupt, name + ": cut short, or a value out of its range");
  if (!rest_.empty()) {
    return Error(Errc::kCorrupt, name + ": " + std::to_string(rest_.size()) + " bytes left over");
  }
  return {};
}

}  // namespace conclave
