// A descriptor of the kernel: one open(2) or opendir(2); and the table of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "client/tree/inode.h"

namespace conclave::client {

struct ListPage;

struct OpenFile {
  InodePtr inode;
  int flags = 0;                         // of open(2)
  std::uint32_t uid = 0;
  bool append = false;
  std::shared_ptr<void> own;             // a class's own, set when it is opened
  std::atomic<bool> lock_lost{false};    // one that was taken through it: it fails until it is closed
  std::atomic<bool> wrote{false};        // through it: when that is lost, it reads nothing until fsync has said so
  std::mutex mutex;                                        // before the Inode's
  std::uint32_t failures_seen GUARDED_BY(mutex) = 0;
  std::set<std::uint64_t> posix_owners GUARDED_BY(mutex);  // that locked through it
  std::shared_ptr<ListPage> page GUARDED_BY(mutex);        // directories: where the last listing was

  // kIo: a lock that was taken through it is lost.
  [[nodiscard]] Status check_locks() const;
  // Bytes of the inode were lost since the last time that this was asked: why, once.
  Status report_failures();
  // The same for a descriptor that wrote, and it stays unsaid.
  Status check_own_bytes();
};
using OpenFilePtr = std::shared_ptr<OpenFile>;

// Handles by number. Thread-safe; blocks nowhere.
class OpenTable {
 public:
  std::uint64_t add(OpenFilePtr file);
  // Null: there is none. The others: kBadDescriptor; and with a lock of it lost, kIo.
  [[nodiscard]] OpenFilePtr find(std::uint64_t handle) const;
  [[nodiscard]] Result<OpenFilePtr> file(std::uint64_t handle) const;
  [[nodiscard]] Result<OpenFilePtr> intact_file(std::uint64_t handle) const;
  OpenFilePtr remove(std::uint64_t handle);
  [[nodiscard]] std::size_t size() const;
  // Locks that were taken through these are lost: they fail with EIO until they are closed.
  void lose_locks(const std::vector<std::uint64_t>& handles);

 private:
  mutable std::mutex mutex_;
  std::uint64_t next_ GUARDED_BY(mutex_) = 1;
  std::unordered_map<std::uint64_t, OpenFilePtr> files_ GUARDED_BY(mutex_);
};

}  // namespace conclave::client
