// Rule: which part of a file lies in which chunk. Plain files have chunks of kChunkBytes at index · kChunkBytes;
// pure arithmetic, no errors: the callers have checked offset + length against kMaxFileBytes.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/limits.h"

namespace conclave::client {

// Bytes [begin, end) of a file.
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  [[nodiscard]] constexpr std::uint64_t length() const { return end - begin; }
  [[nodiscard]] constexpr bool empty() const { return begin >= end; }
  [[nodiscard]] constexpr bool overlaps(const ByteRange& other) const { return begin < other.end && other.begin < end; }
  [[nodiscard]] constexpr ByteRange cut_to(const ByteRange& other) const {
    const std::uint64_t from = std::max(begin, other.begin);
    return {from, std::max(from, std::min(end, other.end))};
  }
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

// What one request to a file server covers.
struct ChunkPiece {
  std::uint64_t index = 0;            // chunk number in the file
  std::uint64_t offset_in_chunk = 0;
  std::uint64_t length = 0;
  friend bool operator==(const ChunkPiece&, const ChunkPiece&) = default;
};

constexpr std::uint64_t chunk_of(std::uint64_t offset) { return offset / kChunkBytes; }
constexpr std::uint64_t chunk_start(std::uint64_t index) { return index * kChunkBytes; }

// How many chunks a file of this size has room for: ⌈size / kChunkBytes⌉.
constexpr std::uint64_t chunks_of_size(std::uint64_t size) { return size / kChunkBytes + (size % kChunkBytes != 0); }

// The first piece of a non-empty range: to the end of the range, of its chunk, or of `unit`, whichever comes
// first. `unit` (a power of two, at most kChunkBytes) divides a file into aligned units that no piece crosses.
constexpr ChunkPiece first_piece(const ByteRange& range, std::uint64_t unit = kChunkBytes) {
  const std::uint64_t end = std::min(range.end - range.begin, unit - range.begin % unit);
  return {chunk_of(range.begin), range.begin % kChunkBytes, end};
}

// Calls take(ChunkPiece) for each piece of `range` in order, until it says false.
template <class Take>
void for_each_piece(ByteRange range, std::uint64_t unit, Take take) {
  while (!range.empty()) {
    const ChunkPiece piece = first_piece(range, unit);
    if (!take(piece)) return;
    range.begin += piece.length;
  }
}

// The whole chunks inside `range`: [first, last]. False when there is none.
struct WholeChunks {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  bool any = false;
  friend bool operator==(const WholeChunks&, const WholeChunks&) = default;
};
constexpr WholeChunks whole_chunks(const ByteRange& range) {
  const std::uint64_t first = chunks_of_size(range.begin);
  const std::uint64_t end = range.end / kChunkBytes;
  if (range.empty() || first >= end) return {};
  return {first, end - 1, true};
}

}  // namespace conclave::client
