#include "fileserver/chain_floors.h"

namespace conclave::file {

Status ChainFloors::admit(ChunkId chunk, std::uint32_t chainver) {
  auto found = floors_.find(chunk);
  if (found == floors_.end()) {
    if (floors_.size() >= kMostChunks) {
      floors_.erase(used_.back());
      used_.pop_back();
    }
    used_.push_front(chunk);
    found = floors_.emplace(chunk, Floor{0, used_.begin()}).first;
  }
  Floor& floor = found->second;
  used_.splice(used_.begin(), used_, floor.used);
  if (chainver < floor.chainver) return Error(Errc::kStale, "the chunk's members have changed since: ask the directory server");
  floor.chainver = chainver;
  return {};
}

}  // namespace conclave::file
