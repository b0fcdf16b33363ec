#include "base/floor_table.h"

#include <algorithm>

namespace conclave {

FloorTable::Floor& FloorTable::floor_of(InodeId inode) {
  auto found = floors_.find(inode);
  if (found == floors_.end()) {
    if (floors_.size() >= kMostInodes) {
      floors_.erase(used_.back());
      used_.pop_back();
    }
    used_.push_front(inode);
    found = floors_.emplace(inode, Entry{{inode, 0, 0, 0}, used_.begin()}).first;
  }
  used_.splice(used_.begin(), used_, found->second.used);
  return found->second.floor;
}

Status FloorTable::admit(InodeId inode, LeaseMode mode, std::uint64_t seq) {
  Floor& floors = floor_of(inode);
  // Readers share with readers, appenders with appenders and who reads what they append, a writer with nobody.
  std::uint64_t floor = floors.write;
  if (mode != LeaseMode::kRead) floor = std::max(floor, floors.read);
  const bool shared = mode == LeaseMode::kShared || mode == LeaseMode::kSharedRead;
  if (!shared) floor = std::max(floor, floors.shared);
  if (seq < floor) return Error(Errc::kOvertaken, "the lease was recalled since: a newer one was seen");
  std::uint64_t& mine = mode == LeaseMode::kRead ? floors.read : shared ? floors.shared : floors.write;
  mine = std::max(mine, seq);
  return {};
}

void FloorTable::know(const Floor& floor) {
  Floor& mine = floor_of(floor.inode);
  mine.read = std::max(mine.read, floor.read);
  mine.shared = std::max(mine.shared, floor.shared);
  mine.write = std::max(mine.write, floor.write);
}

std::vector<FloorTable::Floor> FloorTable::all() const {
  std::vector<Floor> out;
  out.reserve(floors_.size());
  for (const InodeId inode : used_) out.push_back(floors_.at(inode).floor);
  return out;
}

}  // namespace conclave
