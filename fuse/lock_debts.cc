#include "fuse/lock_debts.h"

#include <algorithm>

namespace conclave::fuse_fs {

void LockDebts::note_closed(InodeId inode) {
  const std::lock_guard lock(mutex_);
  closed_.insert(inode);
}

std::vector<InodeId> LockDebts::take_closed(std::size_t most) {
  const std::lock_guard lock(mutex_);
  const auto end = std::next(closed_.begin(), static_cast<std::ptrdiff_t>(std::min(most, closed_.size())));
  std::vector<InodeId> out(closed_.begin(), end);
  closed_.erase(closed_.begin(), end);
  return out;
}

void LockDebts::note_unlock(const Unlock& unlock) {
  const std::lock_guard lock(mutex_);
  unlocks_.insert(unlock);
}

void LockDebts::unlocked(const Unlock& unlock) {
  const std::lock_guard lock(mutex_);
  unlocks_.erase(unlock);
}

bool LockDebts::owes(const Unlock& unlock) const {
  const std::lock_guard lock(mutex_);
  return unlocks_.contains(unlock);
}

std::vector<LockDebts::Unlock> LockDebts::unlocks() const {
  const std::lock_guard lock(mutex_);
  return {unlocks_.begin(), unlocks_.end()};
}

void LockDebts::note_unheld(InodeId inode) {
  const std::lock_guard lock(mutex_);
  unheld_.insert(inode);
}

void LockDebts::held(InodeId inode) {
  const std::lock_guard lock(mutex_);
  unheld_.erase(inode);
}

std::vector<InodeId> LockDebts::unheld() const {
  const std::lock_guard lock(mutex_);
  return {unheld_.begin(), unheld_.end()};
}

void LockDebts::session_ended() {
  const std::lock_guard lock(mutex_);
  closed_.clear();
  unlocks_.clear();
}

}  // namespace conclave::fuse_fs
