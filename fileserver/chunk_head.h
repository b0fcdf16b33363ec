// What is known of a chunk beside its bytes, and how changes act on it. Pure: the same for every member.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fileserver/chunk_op.h"

namespace conclave::file {

inline constexpr std::size_t kMaxCursors = 64;          // of one file: each is a source that feeds it
inline constexpr std::size_t kMaxRecentAppends = 256;   // whose repetition is known: 4 sessions with all slots busy

// Of an append file, from chunk to chunk.
struct Carried {
  struct Appended {
    OpId op;
    std::uint64_t offset = 0;    // in the file
  };
  std::uint64_t start_bytes = 0; // of the chunk in the file
  std::map<std::string, std::uint64_t> cursors;
  std::vector<Appended> recent;  // the oldest first; one for each slot

  [[nodiscard]] Bytes encode() const;
  static Result<Carried> decode(ByteView bytes);   // kCorrupt
};

struct ChunkHead {
  ChunkId chunk{};
  InodeId inode{};
  std::uint64_t index = 0;
  std::uint32_t chainver = 0;
  std::vector<ServerId> members;       // as the latest change named them
  std::uint64_t sequence = 0;          // changes applied; 0: none yet
  std::uint32_t link = 0;              // ChunkOp::link of the last
  std::uint64_t length_bytes = 0;      // end of the last byte written
  std::int64_t mtime_ns = 0;
  bool sealed = false;
  bool copying = false;                // between kEmpty and kCopied
  Carried carried;

  // It is a log's: what it holds is not changed, it only grows.
  [[nodiscard]] bool only_grows() const { return sealed || carried.start_bytes != 0 || !carried.recent.empty(); }

  [[nodiscard]] Bytes encode() const;
  static Result<ChunkHead> decode(ByteView bytes);  // kCorrupt

  // What an append must be told instead of being done: nothing; or where it stood before (the same operation, or a
  // cursor at `to` or past it); or an error: kRange (the cursor is elsewhere than at `from`: a gap or an overlap), kStale
  // (sealed, or the record does not fit), kMisordered (older than the slot's last), kNoSpace (kMaxCursors).
  struct Before {
    std::uint64_t offset = 0;
    bool by_cursor = false;
  };
  [[nodiscard]] Result<std::optional<Before>> check_append(const ChunkOp& op, std::size_t body_bytes) const;

  // After the bytes have been dealt with. `body` matters for kStart and kCopied, and has been checked to parse.
  void apply(const ChunkOp& op, ByteView body);
};

}  // namespace conclave::file
