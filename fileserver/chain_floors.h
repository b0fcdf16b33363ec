// Rule: a permit that was overtaken is refused. D raises a chunk's chainver with every change of its members; whoever has
// seen a newer one here takes nothing under an older any more: neither from a client that asked D before, nor from a
// master that was replaced and does not know it. Only what was seen is known, and only since this start: what was also
// written under a chainver is kept with the chunk itself (ChunkHead). Pure: the owner locks.
#pragma once

#include <cstdint>
#include <list>
#include <unordered_map>

#include "base/ids.h"
#include "base/result.h"

namespace conclave::file {

class ChainFloors {
 public:
  // kStale if a newer one was seen of the chunk. Else this one counts as seen.
  Status admit(ChunkId chunk, std::uint32_t chainver);

 private:
  struct Floor {
    std::uint32_t chainver = 0;
    std::list<ChunkId>::iterator used;
  };
  static constexpr std::size_t kMostChunks = 65536;   // 5 MiB; those longest unused are forgotten
  std::unordered_map<ChunkId, Floor> floors_;
  std::list<ChunkId> used_;                           // the latest first
};

}  // namespace conclave::file
