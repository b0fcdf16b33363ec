// What the connections of this process to one SQLite database share: the locks and the WAL index that SQLite
// elsewhere keeps in the operating system, and the checksums of the WAL's pages. Knows no sqlite3.h.
// Thread-safe; never blocks beyond its own mutex. (https://sqlite.org/lockingv3.html, /walformat.html)
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/files.h"
#include "base/guarded.h"

namespace conclave {

class SqliteShared {
 public:
  // SQLite's own levels and numbers.
  enum Level : std::uint8_t { kNone = 0, kSharedLock = 1, kReserved = 2, kPending = 3, kExclusive = 4 };
  static constexpr std::size_t kShmLocks = 8;

  explicit SqliteShared(std::unique_ptr<File> process_lock) : process_lock_(std::move(process_lock)) {}

  // Locks on the database file. `who` is the connection's file. lock() raises from `held` to `wanted`, false if
  // others are in the way; `held` is then kept, or kPending if new readers are being kept out.
  bool lock(const void* who, Level wanted, Level& held);
  void unlock(const void* who, Level wanted, Level& held);  // down to kSharedLock or kNone
  [[nodiscard]] bool somebody_writes() const;               // kReserved or above, by anybody

  // The WAL index: zeroed memory in regions. Null if the region is not there and `extend` is false.
  volatile void* region(std::size_t index, std::size_t size_bytes, bool extend);
  void drop_regions();
  // Its locks [first, first + count).
  bool shm_lock_shared(const void* who, std::size_t first, std::size_t count);
  bool shm_lock_exclusive(const void* who, std::size_t first, std::size_t count);
  void shm_unlock(const void* who, std::size_t first, std::size_t count);
  void shm_unlock_all(const void* who);

  // CRC32C of the page at a WAL offset, as last written or recovered. It fits if nothing is known of it.
  [[nodiscard]] bool knows_wal_page(std::uint64_t offset) const;
  void remember_wal_page(std::uint64_t offset, std::uint32_t crc);
  [[nodiscard]] bool wal_page_fits(std::uint64_t offset, std::uint32_t crc) const;
  void forget_wal_pages();

  // A failed sync proves the disk wrong for good: no later one may claim success.
  void sync_failed();
  [[nodiscard]] bool has_sync_failed() const;

  // What last went wrong below SQLite, for the sentence that its error code becomes.
  void note_failure(Error error);
  [[nodiscard]] std::optional<Error> take_failure();

 private:
  struct ShmLock {
    std::vector<const void*> shared_by;
    const void* exclusive_by = nullptr;
  };

  const std::unique_ptr<File> process_lock_;
  mutable std::mutex mutex_;
  unsigned readers_ GUARDED_BY(mutex_) = 0;  // connections at kSharedLock or above
  const void* reserved_by_ GUARDED_BY(mutex_) = nullptr;
  const void* pending_by_ GUARDED_BY(mutex_) = nullptr;
  const void* exclusive_by_ GUARDED_BY(mutex_) = nullptr;
  std::vector<std::unique_ptr<std::uint64_t[]>> regions_ GUARDED_BY(mutex_);
  std::array<ShmLock, kShmLocks> shm_locks_ GUARDED_BY(mutex_);
  std::unordered_map<std::uint64_t, std::uint32_t> wal_pages_ GUARDED_BY(mutex_);
  bool sync_failed_ GUARDED_BY(mutex_) = false;
  std::optional<Error> failure_ GUARDED_BY(mutex_);
};

}  // namespace conclave
