// A block that fails its checksum is fetched from another member and written again. Blocks; any thread.
#pragma once

#include <vector>

#include "fileserver/membership.h"

namespace conclave::file {

class BlockRepair {
 public:
  BlockRepair(ChunkStore& store, Membership& membership, Transport& transport, Clock& clock, Log& log)
      : store_(store), membership_(membership), transport_(transport), clock_(clock), log_(log) {}

  // Looks at blocks [first, first + count) of a chunk that lies at `members` too. True: all are good now. False: one
  // has no good copy; D is told.
  bool repair(ChunkId chunk, const std::vector<ServerId>& members, std::uint32_t first, std::uint32_t count);
  // All blocks of the copy here were read, and are good; or the copy cannot be opened at all. D is told.
  void found_whole(ChunkId chunk);
  void found_unreadable(ChunkId chunk, const Error& why);

 private:
  Result<bool> repair_from(ServerId member, ChunkId chunk, std::uint32_t block);

  ChunkStore& store_;
  Membership& membership_;
  Transport& transport_;
  Clock& clock_;
  Log& log_;
};

}  // namespace conclave::file
