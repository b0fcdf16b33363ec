#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "base/files.h"

namespace conclave {
namespace {

constexpr std::size_t kZerosBytes = 64u << 10;

// "write /data/x: No space left on device"
Error failed(const char* doing, const std::string& path, int error) {
  const char* meaning = strerrordesc_np(error);
  return {errc_of_errno(error), std::string(doing) + " " + path + ": " + (meaning ? meaning : "unknown error")};
}

class SystemFile final : public File {
 public:
  SystemFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  SystemFile(const SystemFile&) = delete;
  ~SystemFile() override { close(descriptor_); }

  Result<std::size_t> read_at(std::uint64_t offset, ByteSpan out) override {
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t n = pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      if (n == 0) break;
      if (n > 0) {
        done += static_cast<std::size_t>(n);
      } else if (errno != EINTR) {
        return failed("read", path_, errno);
      }
    }
    return done;
  }

  Status write_at(std::uint64_t offset, ByteView bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n >= 0) {
        bytes = bytes.subspan(static_cast<std::size_t>(n));
        offset += static_cast<std::uint64_t>(n);
      } else if (errno != EINTR) {
        return failed("write", path_, errno);
      }
    }
    return {};
  }

  Status sync() override {
    if (fdatasync(descriptor_) != 0) return failed("sync", path_, errno);
    return {};
  }

  Status truncate(std::uint64_t size_bytes) override {
    while (ftruncate(descriptor_, static_cast<off_t>(size_bytes)) != 0) {
      if (errno != EINTR) return failed("truncate", path_, errno);
    }
    return {};
  }

  Result<std::uint64_t> size() override {
    struct stat found {};
    if (fstat(descriptor_, &found) != 0) return failed("stat", path_, errno);
    return static_cast<std::uint64_t>(found.st_size);
  }

  Status allocate(std::uint64_t offset, std::uint64_t length) override {
    int error = EINTR;
    while (error == EINTR) error = posix_fallocate(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(length));
    if (error != 0) return failed("allocate space for", path_, error);
    return {};
  }

  Status punch(std::uint64_t offset, std::uint64_t length) override {
    const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    while (fallocate(descriptor_, mode, static_cast<off_t>(offset), static_cast<off_t>(length)) != 0) {
      if (errno == EOPNOTSUPP) return write_zeros(offset, length);
      if (errno != EINTR) return failed("free space of", path_, errno);
    }
    return {};
  }

 private:
  // For file systems without holes: what punch promises of the content holds at least.
  Status write_zeros(std::uint64_t offset, std::uint64_t length) {
    const std::uint64_t end = std::min(offset + length, TRY(size()));
    const Bytes zeros(kZerosBytes);
    while (offset < end) {
      const std::size_t n = std::min<std::uint64_t>(end - offset, zeros.size());
      TRY(write_at(offset, ByteView(zeros).first(n)));
      offset += n;
    }
    return {};
  }

  const int descriptor_;
  const std::string path_;
};

int flags_of(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY;
    case OpenMode::kReadWrite:
      return O_RDWR;
    case OpenMode::kCreate:
      return O_RDWR | O_CREAT;
    case OpenMode::kCreateNew:
      return O_RDWR | O_CREAT | O_EXCL;
  }
  return O_RDONLY;
}

Result<int> open_descriptor(const std::string& path, int flags) {
  int descriptor = -1;
  do {
    descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) return failed("open", path, errno);
  return descriptor;
}

}  // namespace

Result<std::unique_ptr<File>> SystemFiles::open(const std::string& path, OpenMode mode) {
  const int descriptor = TRY(open_descriptor(path, flags_of(mode)));
  return std::unique_ptr<File>(std::make_unique<SystemFile>(descriptor, path));
}

Status SystemFiles::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return failed("rename", from + " to " + to, errno);
  return {};
}

Status SystemFiles::remove(const std::string& path) {
  if (unlink(path.c_str()) != 0) return failed("remove", path, errno);
  return {};
}

Status SystemFiles::make_folders(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0) return sync_folder(folder_of(path));
  if (errno == ENOENT && folder_of(path) != path) {
    TRY(make_folders(folder_of(path)));
    if (mkdir(path.c_str(), 0700) == 0) return sync_folder(folder_of(path));
  }
  const int error = errno;
  struct stat found {};
  const bool there = error == EEXIST && stat(path.c_str(), &found) == 0;
  if (there && S_ISDIR(found.st_mode)) return {};
  return failed("make folder", path, there ? ENOTDIR : error);
}

Result<std::vector<std::string>> SystemFiles::list(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) return failed("list", folder, error.value());
  std::sort(names.begin(), names.end());
  return names;
}

Result<bool> SystemFiles::exists(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return failed("look up", path, errno);
}

Status SystemFiles::sync_folder(const std::string& folder) {
  const int descriptor = TRY(open_descriptor(folder, O_RDONLY | O_DIRECTORY));
  const int error = fsync(descriptor) == 0 ? 0 : errno;
  close(descriptor);
  if (error != 0) return failed("sync folder", folder, error);
  return {};
}

Status SystemFiles::sync_all(const std::string& folder) {
  const int descriptor = TRY(open_descriptor(folder, O_RDONLY | O_DIRECTORY));
  const int error = syncfs(descriptor) == 0 ? 0 : errno;
  close(descriptor);
  if (error != 0) return failed("sync the disk of", folder, error);
  return {};
}

Result<DiskSpace> SystemFiles::space(const std::string& path) {
  struct statvfs found {};
  if (statvfs(path.c_str(), &found) != 0) return failed("measure the space at", path, errno);
  return DiskSpace{found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize};
}

// flock(2) belongs to the open file: a second open in this process conflicts too, and O_CLOEXEC keeps it from
// living on in a child.
Result<std::unique_ptr<File>> SystemFiles::lock_exclusively(const std::string& path) {
  const int descriptor = TRY(open_descriptor(path, O_RDWR | O_CREAT));
  auto file = std::make_unique<SystemFile>(descriptor, path);
  while (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return Error(Errc::kBusy, path + " is locked: another process is using what it guards");
    if (errno != EINTR) return failed("lock", path, errno);
  }
  return std::unique_ptr<File>(std::move(file));
}

}  // namespace conclave
