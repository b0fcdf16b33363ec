#include "client/tree/open_file.h"

#include <utility>

namespace conclave::client {

Status OpenFile::check_locks() const {
  if (!lock_lost.load()) return {};
  return Error(Errc::kIo, "a lock that was taken through this descriptor is lost");
}

Status OpenFile::report_failures() {
  const std::lock_guard lock(mutex);
  const std::lock_guard inner(inode->mutex);
  if (failures_seen == inode->failures) return {};
  failures_seen = inode->failures;
  return Error(inode->failure, "bytes written before were lost");
}

// What it wrote is lost, and neither fsync nor close has said so yet: it must not take the bytes from before for its own.
Status OpenFile::check_own_bytes() {
  if (!wrote.load()) return {};
  const std::lock_guard lock(mutex);
  const std::lock_guard inner(inode->mutex);
  if (failures_seen == inode->failures) return {};
  return Error(Errc::kIo, "bytes written through this descriptor were lost");
}

std::uint64_t OpenTable::add(OpenFilePtr file) {
  const std::lock_guard lock(mutex_);
  files_.emplace(next_, std::move(file));
  return next_++;
}

OpenFilePtr OpenTable::find(std::uint64_t handle) const {
  const std::lock_guard lock(mutex_);
  const auto at = files_.find(handle);
  return at == files_.end() ? nullptr : at->second;
}

Result<OpenFilePtr> OpenTable::file(std::uint64_t handle) const {
  OpenFilePtr file = find(handle);
  if (!file) return Error(Errc::kBadDescriptor, "a descriptor that this mount does not know");
  return file;
}

Result<OpenFilePtr> OpenTable::intact_file(std::uint64_t handle) const {
  OpenFilePtr file = TRY(this->file(handle));
  TRY(file->check_locks());
  return file;
}

OpenFilePtr OpenTable::remove(std::uint64_t handle) {
  const std::lock_guard lock(mutex_);
  const auto at = files_.find(handle);
  if (at == files_.end()) return nullptr;
  OpenFilePtr file = std::move(at->second);
  files_.erase(at);
  return file;
}

std::size_t OpenTable::size() const {
  const std::lock_guard lock(mutex_);
  return files_.size();
}

void OpenTable::lose_locks(const std::vector<std::uint64_t>& handles) {
  for (const std::uint64_t handle : handles) {
    if (const OpenFilePtr file = find(handle)) file->lock_lost.store(true);
  }
}

}  // namespace conclave::client
