#include "base/sqlite_shared.h"

#include <algorithm>

namespace conclave {

bool SqliteShared::lock(const void* who, Level wanted, Level& held) {
  if (held >= wanted) return true;
  const auto others = [who](const void* owner) { return owner != nullptr && owner != who; };
  const std::lock_guard guard(mutex_);
  if (others(pending_by_) || others(exclusive_by_)) return false;
  if (wanted == kSharedLock) {
    ++readers_;
    held = kSharedLock;
    return true;
  }
  if (others(reserved_by_)) return false;
  reserved_by_ = who;
  if (wanted == kReserved) {
    held = kReserved;
    return true;
  }
  pending_by_ = who;  // keeps new readers out while the old ones finish
  held = kPending;
  if (readers_ > 1) return false;
  exclusive_by_ = who;
  held = kExclusive;
  return true;
}

void SqliteShared::unlock(const void* who, Level wanted, Level& held) {
  const std::lock_guard guard(mutex_);
  if (held > kSharedLock) {
    for (const void** owner : {&reserved_by_, &pending_by_, &exclusive_by_}) {
      if (*owner == who) *owner = nullptr;
    }
    held = kSharedLock;
  }
  if (held == kSharedLock && wanted == kNone) {
    --readers_;
    held = kNone;
  }
}

bool SqliteShared::somebody_writes() const {
  const std::lock_guard guard(mutex_);
  return reserved_by_ != nullptr || pending_by_ != nullptr || exclusive_by_ != nullptr;
}

volatile void* SqliteShared::region(std::size_t index, std::size_t size_bytes, bool extend) {
  const std::lock_guard guard(mutex_);
  while (extend && regions_.size() <= index) {
    regions_.push_back(std::make_unique<std::uint64_t[]>((size_bytes + 7) / 8));
  }
  return index < regions_.size() ? regions_[index].get() : nullptr;
}

void SqliteShared::drop_regions() {
  const std::lock_guard guard(mutex_);
  regions_.clear();
}

bool SqliteShared::shm_lock_shared(const void* who, std::size_t first, std::size_t count) {
  const std::lock_guard guard(mutex_);
  const auto locks = std::span(shm_locks_).subspan(first, count);
  for (const ShmLock& lock : locks) {
    if (lock.exclusive_by != nullptr && lock.exclusive_by != who) return false;
  }
  for (ShmLock& lock : locks) {
    if (std::ranges::find(lock.shared_by, who) == lock.shared_by.end()) lock.shared_by.push_back(who);
  }
  return true;
}

bool SqliteShared::shm_lock_exclusive(const void* who, std::size_t first, std::size_t count) {
  const std::lock_guard guard(mutex_);
  const auto locks = std::span(shm_locks_).subspan(first, count);
  for (const ShmLock& lock : locks) {
    if (lock.exclusive_by != nullptr && lock.exclusive_by != who) return false;
    if (std::ranges::any_of(lock.shared_by, [who](const void* owner) { return owner != who; })) return false;
  }
  for (ShmLock& lock : locks) lock.exclusive_by = who;
  return true;
}

void SqliteShared::shm_unlock(const void* who, std::size_t first, std::size_t count) {
  const std::lock_guard guard(mutex_);
  for (ShmLock& lock : std::span(shm_locks_).subspan(first, count)) {
    std::erase(lock.shared_by, who);
    if (lock.exclusive_by == who) lock.exclusive_by = nullptr;
  }
}

void SqliteShared::shm_unlock_all(const void* who) {
  shm_unlock(who, 0, kShmLocks);
}

bool SqliteShared::knows_wal_page(std::uint64_t offset) const {
  const std::lock_guard guard(mutex_);
  return wal_pages_.contains(offset);
}

void SqliteShared::remember_wal_page(std::uint64_t offset, std::uint32_t crc) {
  const std::lock_guard guard(mutex_);
  wal_pages_[offset] = crc;
}

bool SqliteShared::wal_page_fits(std::uint64_t offset, std::uint32_t crc) const {
  const std::lock_guard guard(mutex_);
  const auto found = wal_pages_.find(offset);
  return found == wal_pages_.end() || found->second == crc;
}

void SqliteShared::forget_wal_pages() {
  const std::lock_guard guard(mutex_);
  wal_pages_.clear();
}

void SqliteShared::sync_failed() {
  const std::lock_guard guard(mutex_);
  sync_failed_ = true;
}

bool SqliteShared::has_sync_failed() const {
  const std::lock_guard guard(mutex_);
  return sync_failed_;
}

void SqliteShared::note_failure(Error error) {
  const std::lock_guard guard(mutex_);
  failure_ = std::move(error);
}

std::optional<Error> SqliteShared::take_failure() {
  const std::lock_guard guard(mutex_);
  return std::exchange(failure_, std::nullopt);
}

}  // namespace conclave
