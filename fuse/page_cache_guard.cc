#include "fuse/page_cache_guard.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

namespace conclave::fuse_fs {
namespace {

constexpr std::size_t kPageBytes = 4096;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

// One page of a private mapping, or null.
class Mapping {
 public:
  explicit Mapping(int fd) : address_(mmap(nullptr, kPageBytes, PROT_READ, MAP_PRIVATE, fd, 0)) {}
  ~Mapping() {
    if (address_ != MAP_FAILED) munmap(address_, kPageBytes);
  }
  Mapping(const Mapping&) = delete;
  [[nodiscard]] void* get() const { return address_ == MAP_FAILED ? nullptr : address_; }

 private:
  void* address_;
};

bool page_is_resident(int fd) {
  const Mapping mapping(fd);
  unsigned char resident = 0;
  return mapping.get() != nullptr && mincore(mapping.get(), kPageBytes, &resident) == 0 && (resident & 1) != 0;
}

// The kernel copies from the mapping for write(2), which then fails with EFAULT where a touch would be SIGBUS.
void touch_through_mapping(int fd) {
  const Mapping mapping(fd);
  const Descriptor sink(memfd_create("touch", MFD_CLOEXEC));
  if (mapping.get() == nullptr || sink.get() < 0) return;
  madvise(mapping.get(), kPageBytes, MADV_WILLNEED);
  (void)!write(sink.get(), mapping.get(), 1);
}

void splice_out(int fd) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return;
  const Descriptor in(ends[1]), out(ends[0]);
  loff_t offset = 0;
  (void)!splice(fd, &offset, in.get(), nullptr, kPageBytes, SPLICE_F_NONBLOCK);
}

void send_out(int fd) {
  const Descriptor sink(memfd_create("send", MFD_CLOEXEC));
  off_t offset = 0;
  if (sink.get() >= 0) (void)!sendfile(sink.get(), fd, &offset, kPageBytes);
}

struct Way {
  const char* name;
  void (*take)(int fd);
};
constexpr std::array<Way, 4> kWays = {{
    {"posix_fadvise", [](int fd) { posix_fadvise(fd, 0, kPageBytes, POSIX_FADV_WILLNEED); }},
    {"mmap", touch_through_mapping},
    {"splice", splice_out},
    {"sendfile", send_out},
}};

}  // namespace

Status test_page_cache_guard(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return Error(errc_of_errno(errno), path + ": " + std::strerror(errno));
  std::array<char, kPageBytes> bytes{};
  if (read(file.get(), bytes.data(), bytes.size()) <= 0) {
    return Error(Errc::kNotSupported, "read(2) gives nothing under the page-cache guard on this kernel");
  }
  if (page_is_resident(file.get())) return Error(Errc::kNotSupported, "read(2) leaves pages in the page cache on this kernel");
  for (const Way& way : kWays) {
    way.take(file.get());
    if (page_is_resident(file.get())) {
      return Error(Errc::kNotSupported, std::string(way.name) + " leaves pages in the page cache on this kernel");
    }
  }
  return {};
}

}  // namespace conclave::fuse_fs
