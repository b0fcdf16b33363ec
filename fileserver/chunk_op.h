// One change of one chunk: what the master numbers, every member applies in the same order, and the journal keeps.
// The bytes it carries travel beside it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/token.h"

namespace conclave::file {

enum class OpKind : std::uint8_t {
  kWrite = 1,      // the body, at offset
  kTruncate = 2,   // the chunk ends at offset
  kZero = 3,       // [offset, offset + length) reads as zeros
  kSeal = 4,       // no append is taken any more; D places the next chunk
  kStart = 5,      // first change of an append file's later chunk: where it lies in the file, and the cursors that
                   // stood when the one before it was sealed. body: Carried
  kEmpty = 6,      // a copy of the chunk begins: forget everything; it is not served until kCopied. body: claim_bytes
  kCopied = 7,     // the copy is whole. body: a ChunkHead
  kMembers = 8,    // no byte changes: who the members are, and the chainver, which all of them keep with the chunk
};

struct ChunkOp {
  OpKind kind = OpKind::kWrite;
  ChunkId chunk{};
  InodeId inode{};
  std::uint64_t index = 0;            // of the chunk in its file
  std::uint32_t chainver = 0;
  std::vector<ServerId> members;      // the master first
  std::uint64_t sequence = 0;         // of this chunk's changes, from 1; 0: the master's store gives the next
  std::uint32_t link_before = 0;      // the chain of all changes before this one
  std::uint64_t offset = 0;
  std::uint64_t length = 0;           // kWrite: of the body
  std::uint32_t body_crc = 0;
  std::int64_t mtime_ns = 0;
  // Appends only: the offset is where the chunk ends.
  bool append = false;
  OpId op;                            // so that a repetition is known after any restart
  std::string cursor;                 // empty: none
  std::uint64_t cursor_from = 0;
  std::uint64_t cursor_to = 0;

  [[nodiscard]] Bytes encode() const;
  static Result<ChunkOp> decode(ByteView bytes);   // kCorrupt, also for ranges outside of a chunk

  // The chain up to and with this change: CRC-32C of link_before and every field. Members that have the same link at
  // the same sequence number have applied the same changes; a master that lost the end of its own history in a
  // power failure is found out by it, where numbers alone would call its new changes repetitions.
  [[nodiscard]] std::uint32_t link() const;
};

// How many changes a master had made, and its member not lacked, before it gives that member a copy: one that has more
// does not become what its master is. kAnyClaim: what the member has counts for nothing (it is not in sync).
inline constexpr std::uint64_t kAnyClaim = UINT64_MAX;
std::string claim_bytes(std::uint64_t sequence);
Result<std::uint64_t> claim_of(ByteView body);   // kInvalid

ChunkOp op_for(const ChunkPermit& permit, OpKind kind);

}  // namespace conclave::file
