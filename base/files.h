// Seam: a local disk. SystemFiles is POSIX; the simulated one (tests/support/sim_files.h) loses what was
// not synced, tears writes at 512 bytes, fails the nth call and fills up.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace conclave {

// An open file. Thread-safe as pread(2) and pwrite(2) are. Closing loses nothing that was written and
// makes nothing durable.
class File {
 public:
  virtual ~File() = default;
  // Reads up to out.size() bytes at `offset`; fewer only at the end of the file. kIo.
  virtual Result<std::size_t> read_at(std::uint64_t offset, ByteSpan out) = 0;
  // Writes all of `bytes` or fails (kIo, kNoSpace) with an unknown part of it written. Not durable
  // before sync().
  virtual Status write_at(std::uint64_t offset, ByteView bytes) = 0;
  // fdatasync(2): content and size survive power loss once it returned. After a failure nothing may be
  // assumed of what was written since the last success, and calling again proves nothing (kIo).
  virtual Status sync() = 0;
  virtual Status truncate(std::uint64_t size_bytes) = 0;
  virtual Result<std::uint64_t> size() = 0;
  // Reserves disk space for [offset, offset + length), the size growing to cover it; reads as zeros. kNoSpace.
  virtual Status allocate(std::uint64_t offset, std::uint64_t length) = 0;
  // Gives the space back; the range reads as zeros, the size stays.
  virtual Status punch(std::uint64_t offset, std::uint64_t length) = 0;
};

enum class OpenMode : std::uint8_t {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreate,     // made if missing
  kCreateNew,  // kExists if there
};

struct DiskSpace {
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;  // to an unprivileged writer
};

// Paths are ordinary local ones. A name that was created, renamed or removed survives power loss only
// after sync_folder() of its folder.
class Files {
 public:
  virtual ~Files() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;  // replaces `to` atomically
  virtual Status remove(const std::string& path) = 0;                         // a file; kNotFound
  virtual Status make_folders(const std::string& path) = 0;  // as mkdir -p, mode 0700; syncs the parents it changed
  virtual Result<std::vector<std::string>> list(const std::string& folder) = 0;  // names, sorted; no . and ..
  virtual Result<bool> exists(const std::string& path) = 0;
  virtual Status sync_folder(const std::string& folder) = 0;
  // syncfs(2): every file and name below `folder` survives power loss once it returned, and whatever else lies on that
  // disk. For many files at once: each sync of a new file is a commit of the file system's own journal. Fails as sync.
  virtual Status sync_all(const std::string& folder) = 0;
  virtual Result<DiskSpace> space(const std::string& path) = 0;
  // Opens `path` (made if missing) and holds an exclusive lock on it while the File lives; the lock ends with the
  // process, however it ends. kBusy while another process, or another File of this one, holds it: one process
  // owns a database or a data folder.
  virtual Result<std::unique_ptr<File>> lock_exclusively(const std::string& path) = 0;

  // Whole small files (configuration, keys). read_all: kMessageTooBig beyond max_bytes.
  Result<std::string> read_all(const std::string& path, std::size_t max_bytes);
  // Temporary name (path + ".new"), sync, rename, sync of the folder: after a crash at any point the old content
  // or the new. One writer of a path at a time.
  Status write_all(const std::string& path, std::string_view content);
};

// Files are created with mode 0600, folders 0700: everything a server stores is its own.
class SystemFiles final : public Files {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_folders(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Result<bool> exists(const std::string& path) override;
  Status sync_folder(const std::string& folder) override;
  Status sync_all(const std::string& folder) override;
  Result<DiskSpace> space(const std::string& path) override;
  Result<std::unique_ptr<File>> lock_exclusively(const std::string& path) override;
};

// The folder of a path, for sync_folder: "a/b" of "a/b/c", "." of "c", "/" of "/c".
std::string folder_of(std::string_view path);

}  // namespace conclave
