#include "client/session/lock_debts.h"

#include <algorithm>
#include <ranges>

namespace conclave::client {

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

void LockDebts::note_unlock(const Unlock& unlock, std::shared_ptr<UnansweredCall> unanswered) {
  const std::lock_guard lock(mutex_);
  auto& calls = unlocks_[unlock];
  if (unanswered) calls.push_back(std::move(unanswered));
}

std::vector<std::shared_ptr<UnansweredCall>> LockDebts::unanswered(const Unlock& unlock) const {
  const std::lock_guard lock(mutex_);
  const auto found = unlocks_.find(unlock);
  return found == unlocks_.end() ? std::vector<std::shared_ptr<UnansweredCall>>() : found->second;
}

void LockDebts::ended(const Unlock& unlock, const std::shared_ptr<UnansweredCall>& call) {
  const std::lock_guard lock(mutex_);
  if (const auto found = unlocks_.find(unlock); found != unlocks_.end()) std::erase(found->second, call);
}

void LockDebts::still_owed(const Unlock& unlock, std::shared_ptr<UnansweredCall> unanswered) {
  const std::lock_guard lock(mutex_);
  if (const auto found = unlocks_.find(unlock); found != unlocks_.end()) found->second.push_back(std::move(unanswered));
}

void LockDebts::unlocked(const Unlock& unlock) {
  const std::lock_guard lock(mutex_);
  unlocks_.erase(unlock);
}

bool LockDebts::owes(InodeId inode, std::uint64_t owner, bool flock) const {
  const std::lock_guard lock(mutex_);
  const auto first = unlocks_.lower_bound({.inode = inode, .owner = owner, .flock = flock, .start = 0, .end = 0});
  return first != unlocks_.end() && first->first.inode == inode && first->first.owner == owner && first->first.flock == flock;
}

std::vector<LockDebts::Unlock> LockDebts::unlocks() const {
  const std::lock_guard lock(mutex_);
  const auto keys = std::views::keys(unlocks_);
  return {keys.begin(), keys.end()};
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

}  // namespace conclave::client
