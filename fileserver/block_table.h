// Which sectors of a chunk hold bytes, and their checksums. A sector is 4 KiB, a block 16 of them.
//
// Checksums are kept for each sector and not for each 64 KiB block: a random read of 4 KiB then verifies what it
// reads (1 µs) where a block's checksum would make it read and sum 64 KiB; and a small write sums what it changes.
// The price is 64 KiB of table for a full chunk, 1/1024 of its bytes. Repair, copies and extents go by blocks.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"

namespace conclave::file {

inline constexpr std::uint32_t kSectorBytes = 4096;
inline constexpr std::uint32_t kSectorsPerBlock = kBlockBytes / kSectorBytes;
inline constexpr std::uint32_t kSectorsPerChunk = static_cast<std::uint32_t>(kChunkBytes / kSectorBytes);
inline constexpr std::uint32_t kBlocksPerChunk = static_cast<std::uint32_t>(kChunkBytes / kBlockBytes);

// A set of sector numbers below kSectorsPerChunk. Ranges are [first, end).
class SectorSet {
 public:
  [[nodiscard]] bool has(std::uint32_t sector) const {
    return sector / 64 < words_.size() && (words_[sector / 64] >> sector % 64 & 1) != 0;
  }
  [[nodiscard]] bool any(std::uint32_t first, std::uint32_t end) const;
  [[nodiscard]] bool all(std::uint32_t first, std::uint32_t end) const;
  [[nodiscard]] std::uint32_t count() const;
  [[nodiscard]] std::uint32_t end() const;         // behind the greatest; 0 if empty
  void add(std::uint32_t sector);
  void add(std::uint32_t first, std::uint32_t end);
  void remove(std::uint32_t first, std::uint32_t end);
  void add(const SectorSet& others);
  void clear() { words_.clear(); }

 private:
  std::vector<std::uint64_t> words_;
};

class BlockTable {
 public:
  [[nodiscard]] const SectorSet& present() const { return present_; }   // the others read as zeros
  [[nodiscard]] bool has(std::uint32_t sector) const { return present_.has(sector); }
  [[nodiscard]] std::uint32_t sum(std::uint32_t sector) const { return sums_[sector]; }   // of one that is present
  void set(std::uint32_t sector, std::uint32_t sum);
  void remove(std::uint32_t first, std::uint32_t end) { present_.remove(first, end); }
  [[nodiscard]] std::size_t memory_bytes() const { return sums_.capacity() * sizeof(std::uint32_t); }

  // How many sectors (4 bytes), for each 16 of them their presence (2 bytes), then all sums (4 bytes each).
  void encode(Bytes& out) const;
  static Result<BlockTable> decode(ByteView bytes);   // kCorrupt

 private:
  std::vector<std::uint32_t> sums_;
  SectorSet present_;
};

// crc32c of a‖b for b of a fixed length, in 2 ns where crc32c_combine takes 100: joining 256 sectors' checksums to
// that of their MiB must not cost as much as summing it again.
class SumJoin {
 public:
  explicit SumJoin(std::uint64_t length_b);
  std::uint32_t operator()(std::uint32_t crc_a, std::uint32_t crc_b) const {
    return shift_[0][crc_a & 255] ^ shift_[1][crc_a >> 8 & 255] ^ shift_[2][crc_a >> 16 & 255] ^
           shift_[3][crc_a >> 24] ^ crc_b;
  }

 private:
  std::uint32_t shift_[4][256];
};

// The checksum of whole sectors one after the other, from theirs.
std::uint32_t joined(std::span<const std::uint32_t> sums);

// A body at `offset` of its chunk, summed once: its whole sectors, and the pieces before and behind them.
struct BodySums {
  std::uint32_t first_sector = 0;
  std::size_t head_bytes = 0;                 // before the first whole sector; all of it if there is none
  std::vector<std::uint32_t> sectors;
  std::uint32_t whole = 0;                    // crc32c of the body

  [[nodiscard]] std::size_t middle_bytes() const { return sectors.size() * std::size_t{kSectorBytes}; }
  static BodySums of(std::uint64_t offset, ByteView body);
};

}  // namespace conclave::file
