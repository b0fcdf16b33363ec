#include "fileserver/floor_table.h"

#include <algorithm>

namespace conclave::file {

Status FloorTable::admit(InodeId inode, LeaseMode mode, std::uint64_t seq) {
  auto found = floors_.find(inode);
  if (found == floors_.end()) {
    if (floors_.size() >= kMostInodes) {
      floors_.erase(used_.back());
      used_.pop_back();
    }
    used_.push_front(inode);
    found = floors_.emplace(inode, Floors{0, 0, 0, used_.begin()}).first;
  }
  Floors& floors = found->second;
  used_.splice(used_.begin(), used_, floors.used);
  // Readers share with readers, appenders with appenders and who reads what they append, a writer with nobody.
  std::uint64_t floor = floors.write;
  if (mode != LeaseMode::kRead) floor = std::max(floor, floors.read);
  const bool shared = mode == LeaseMode::kShared || mode == LeaseMode::kSharedRead;
  if (!shared) floor = std::max(floor, floors.shared);
  if (seq < floor) return Error(Errc::kStale, "the lease was recalled since: a newer one was seen");
  std::uint64_t& mine = mode == LeaseMode::kRead ? floors.read : shared ? floors.shared : floors.write;
  mine = std::max(mine, seq);
  return {};
}

}  // namespace conclave::file
