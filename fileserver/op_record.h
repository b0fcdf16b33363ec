// A change as the journal keeps it: the op; for what went straight to the chunk's file the checksums of its sectors;
// the bytes that did not.
#pragma once

#include <vector>

#include "fileserver/block_table.h"
#include "fileserver/chunk_op.h"

namespace conclave::file {

struct OpRecord {
  ChunkOp op;
  // Of a write whose middle went straight to the file: whole sectors. The rest of the body is head_bytes before
  // them and what is left behind them. No sums: all of the body is here.
  std::uint32_t first_sector = 0;
  std::size_t head_bytes = 0;
  std::vector<std::uint32_t> sums;

  [[nodiscard]] bool direct() const { return !sums.empty(); }
  [[nodiscard]] std::uint32_t end_sector() const { return first_sector + static_cast<std::uint32_t>(sums.size()); }
  [[nodiscard]] std::uint64_t tail_at() const { return std::uint64_t{end_sector()} * kSectorBytes; }

  [[nodiscard]] Bytes encode() const;
  static Result<OpRecord> decode(ByteView meta);   // kCorrupt
};

}  // namespace conclave::file
