#include "fileserver/block_table.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/canonical.h"

namespace conclave::file {
namespace {

std::uint32_t word_of(std::uint32_t sector) { return sector / 64; }

// The bits of [first, end) that lie in `word`.
std::uint64_t mask_of(std::uint32_t word, std::uint32_t first, std::uint32_t end) {
  const std::uint32_t from = std::max(first, word * 64) - word * 64;
  const std::uint32_t to = std::min(end, word * 64 + 64) - word * 64;
  if (from >= to) return 0;
  const std::uint64_t below_to = to == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << to) - 1;
  return below_to & ~((std::uint64_t{1} << from) - 1);
}

}  // namespace

bool SectorSet::any(std::uint32_t first, std::uint32_t end) const {
  end = std::min(end, static_cast<std::uint32_t>(words_.size() * 64));
  for (std::uint32_t word = word_of(first); word * 64 < end; ++word) {
    if ((words_[word] & mask_of(word, first, end)) != 0) return true;
  }
  return false;
}

bool SectorSet::all(std::uint32_t first, std::uint32_t end) const {
  if (first >= end) return true;
  if (end > words_.size() * 64) return false;
  for (std::uint32_t word = word_of(first); word * 64 < end; ++word) {
    const std::uint64_t mask = mask_of(word, first, end);
    if ((words_[word] & mask) != mask) return false;
  }
  return true;
}

std::uint32_t SectorSet::count() const {
  std::uint32_t out = 0;
  for (const std::uint64_t word : words_) out += static_cast<std::uint32_t>(std::popcount(word));
  return out;
}

std::uint32_t SectorSet::end() const {
  for (std::size_t i = words_.size(); i > 0; --i) {
    if (words_[i - 1] != 0) return static_cast<std::uint32_t>(i * 64) - static_cast<std::uint32_t>(std::countl_zero(words_[i - 1]));
  }
  return 0;
}

void SectorSet::add(std::uint32_t sector) { add(sector, sector + 1); }

void SectorSet::add(std::uint32_t first, std::uint32_t end) {
  if (first >= end) return;
  if (words_.size() <= word_of(end - 1)) words_.resize(word_of(end - 1) + 1);
  for (std::uint32_t word = word_of(first); word * 64 < end; ++word) words_[word] |= mask_of(word, first, end);
}

void SectorSet::remove(std::uint32_t first, std::uint32_t end) {
  end = std::min(end, static_cast<std::uint32_t>(words_.size() * 64));
  for (std::uint32_t word = word_of(first); word * 64 < end; ++word) words_[word] &= ~mask_of(word, first, end);
}

void SectorSet::add(const SectorSet& others) {
  if (words_.size() < others.words_.size()) words_.resize(others.words_.size());
  for (std::size_t i = 0; i < others.words_.size(); ++i) words_[i] |= others.words_[i];
}

void BlockTable::set(std::uint32_t sector, std::uint32_t sum) {
  if (sums_.size() <= sector) sums_.resize(sector + 1);
  sums_[sector] = sum;
  present_.add(sector);
}

void BlockTable::encode(Bytes& out) const {
  const std::uint32_t count = present_.end();
  CanonicalWriter writer;
  writer.u32(count);
  for (std::uint32_t first = 0; first < count; first += 16) {
    std::uint32_t bits = 0;
    for (std::uint32_t i = 0; i < 16; ++i) bits |= static_cast<std::uint32_t>(has(first + i)) << i;
    writer.u16(static_cast<std::uint16_t>(bits));
  }
  for (std::uint32_t sector = 0; sector < count; ++sector) writer.u32(has(sector) ? sums_[sector] : 0);
  out.insert(out.end(), writer.bytes().begin(), writer.bytes().end());
}

Result<BlockTable> BlockTable::decode(ByteView bytes) {
  CanonicalReader in(bytes);
  BlockTable out;
  const std::uint32_t count = in.count(kSectorsPerChunk, 4);
  std::vector<std::uint32_t> present;
  for (std::uint32_t first = 0; first < count; first += 16) {
    const std::uint32_t bits = in.u16();
    for (std::uint32_t i = 0; i < 16; ++i) {
      if ((bits >> i & 1) == 0) continue;
      if (first + i >= count) in.fail();
      present.push_back(first + i);
    }
  }
  out.sums_.resize(count);
  for (std::uint32_t sector = 0; sector < count; ++sector) out.sums_[sector] = in.u32();
  TRY(in.finish("block table"));
  for (const std::uint32_t sector : present) out.present_.add(sector);
  return out;
}

// A CRC is linear: shifting it past b's bytes is the sum of shifting each of its bits.
SumJoin::SumJoin(std::uint64_t length_b) {
  for (std::uint32_t byte = 0; byte < 4; ++byte) {
    shift_[byte][0] = 0;
    for (std::uint32_t bit = 0; bit < 8; ++bit) {
      const std::uint32_t one = 1u << bit;
      shift_[byte][one] = crc32c_combine(one << 8 * byte, 0, length_b);
      for (std::uint32_t below = 1; below < one; ++below) shift_[byte][one + below] = shift_[byte][one] ^ shift_[byte][below];
    }
  }
}

std::uint32_t joined(std::span<const std::uint32_t> sums) {
  static const SumJoin join(kSectorBytes);  // a constant, 4 KiB
  std::uint32_t out = 0;
  for (const std::uint32_t sum : sums) out = join(out, sum);
  return out;
}

BodySums BodySums::of(std::uint64_t offset, ByteView body) {
  BodySums out;
  const std::uint64_t first = (offset + kSectorBytes - 1) / kSectorBytes;
  out.head_bytes = std::min<std::uint64_t>(first * kSectorBytes - offset, body.size());
  out.first_sector = static_cast<std::uint32_t>(first);
  const std::size_t count = (body.size() - out.head_bytes) / kSectorBytes;
  out.sectors.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    out.sectors.push_back(crc32c(body.subspan(out.head_bytes + i * kSectorBytes, kSectorBytes)));
  }
  out.whole = crc32c(body.first(out.head_bytes));
  if (count != 0) out.whole = crc32c_combine(out.whole, joined(out.sectors), out.middle_bytes());
  out.whole = crc32c(body.subspan(out.head_bytes + out.middle_bytes()), out.whole);
  return out;
}

}  // namespace conclave::file
