#include "client/bytes/block_range.h"

#include <gtest/gtest.h>

#include <vector>

namespace conclave::client {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

std::vector<ChunkPiece> pieces(ByteRange range, std::uint64_t unit) {
  std::vector<ChunkPiece> out;
  for_each_piece(range, unit, [&](const ChunkPiece& piece) {
    out.push_back(piece);
    return true;
  });
  return out;
}

TEST(BlockRange, PiecesEndAtUnitsAndChunks) {
  struct Row {
    ByteRange range;
    std::uint64_t unit;
    std::vector<ChunkPiece> expected;
  };
  const std::vector<Row> rows = {
      {{0, 0}, kMiB, {}},
      {{0, 1}, kMiB, {{0, 0, 1}}},
      {{5, 5 + kMiB}, kMiB, {{0, 5, kMiB - 5}, {0, kMiB, 5}}},
      {{kMiB, 3 * kMiB}, kMiB, {{0, kMiB, kMiB}, {0, 2 * kMiB, kMiB}}},
      {{kChunkBytes - 2, kChunkBytes + 3}, kMiB, {{0, kChunkBytes - 2, 2}, {1, 0, 3}}},
      {{kChunkBytes - 2, 2 * kChunkBytes + 1}, kChunkBytes, {{0, kChunkBytes - 2, 2}, {1, 0, kChunkBytes}, {2, 0, 1}}},
      {{kMaxFileBytes - 1, kMaxFileBytes}, kMiB, {{kMaxFileBytes / kChunkBytes, kChunkBytes - 2, 1}}},
  };
  for (const Row& row : rows) EXPECT_EQ(pieces(row.range, row.unit), row.expected) << row.range.begin;
}

TEST(BlockRange, PiecesStopWhenTold) {
  int taken = 0;
  for_each_piece({0, 10 * kMiB}, kMiB, [&](const ChunkPiece&) { return ++taken < 3; });
  EXPECT_EQ(taken, 3);
}

TEST(BlockRange, WholeChunksAreThoseEntirelyInside) {
  const std::uint64_t c = kChunkBytes;
  EXPECT_EQ(whole_chunks({0, c}), (WholeChunks{0, 0, true}));
  EXPECT_EQ(whole_chunks({1, c}), (WholeChunks{}));
  EXPECT_EQ(whole_chunks({0, c - 1}), (WholeChunks{}));
  EXPECT_EQ(whole_chunks({1, 3 * c - 1}), (WholeChunks{1, 1, true}));
  EXPECT_EQ(whole_chunks({c, 4 * c}), (WholeChunks{1, 3, true}));
  EXPECT_EQ(whole_chunks({c, c}), (WholeChunks{}));
}

TEST(BlockRange, ChunksOfSizeRoundsUp) {
  EXPECT_EQ(chunks_of_size(0), 0u);
  EXPECT_EQ(chunks_of_size(1), 1u);
  EXPECT_EQ(chunks_of_size(kChunkBytes), 1u);
  EXPECT_EQ(chunks_of_size(kChunkBytes + 1), 2u);
  EXPECT_EQ(chunks_of_size(kMaxFileBytes), (kMaxFileBytes / kChunkBytes) + 1);
}

TEST(BlockRange, CutToKeepsTheCommonPart) {
  EXPECT_EQ((ByteRange{0, 10}.cut_to({5, 20})), (ByteRange{5, 10}));
  EXPECT_TRUE((ByteRange{0, 10}.cut_to({10, 20})).empty());
  EXPECT_FALSE((ByteRange{0, 10}.overlaps({10, 20})));
  EXPECT_TRUE((ByteRange{0, 10}.overlaps({9, 20})));
}

}  // namespace
}  // namespace conclave::client
