#include "fuse/page_cache_guard.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <vector>

#include "base/descriptor.h"

namespace conclave::fuse_fs {
namespace {

constexpr std::size_t kPageBytes = kGuardTestBytes;

// One page of a private mapping, or null. It is made once and before all else: on a file with direct I/O the kernel empties
// the page cache for each (fuse_file_mmap), and nothing would be found in it.
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

bool is_resident(const Mapping& mapping) {
  unsigned char resident = 0;
  return mincore(mapping.get(), kPageBytes, &resident) == 0 && (resident & 1) != 0;
}

// The kernel copies from the mapping for write(2), which then fails with EFAULT where a touch would be SIGBUS.
void touch(int, const Mapping& mapping) {
  const Descriptor sink(memfd_create("touch", MFD_CLOEXEC));
  if (sink.number() >= 0) (void)!write(sink.number(), mapping.get(), 1);
}

// What these hints ask for comes later; the touch waits for it.
void hint(int fd, const Mapping& mapping) {
  posix_fadvise(fd, 0, kPageBytes, POSIX_FADV_WILLNEED);
  madvise(mapping.get(), kPageBytes, MADV_WILLNEED);
  touch(fd, mapping);
}

void splice_out(int fd, const Mapping&) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return;
  const Descriptor in(ends[1]), out(ends[0]);
  loff_t offset = 0;
  (void)!splice(fd, &offset, in.number(), nullptr, kPageBytes, SPLICE_F_NONBLOCK);
}

void send_out(int fd, const Mapping&) {
  const Descriptor sink(memfd_create("send", MFD_CLOEXEC));
  off_t offset = 0;
  if (sink.number() >= 0) (void)!sendfile(sink.number(), fd, &offset, kPageBytes);
}

struct Way {
  const char* name;
  void (*take)(int fd, const Mapping& mapping);
};
constexpr std::array<Way, 4> kWays = {{
    {"splice", splice_out},
    {"sendfile", send_out},
    {"mmap", touch},
    {"posix_fadvise", hint},
}};

}  // namespace

Status test_page_cache_guard(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number() < 0) return Error(errc_of_errno(errno), path + ": " + std::strerror(errno));
  const Mapping mapping(file.number());
  if (mapping.get() == nullptr) return Error(errc_of_errno(errno), path + " cannot be mapped, so its page cache cannot be seen");
  std::array<char, kPageBytes> bytes{};
  if (read(file.number(), bytes.data(), bytes.size()) <= 0) {
    return Error(Errc::kNotSupported, "read(2) gives nothing under the page-cache guard on this kernel");
  }
  if (is_resident(mapping)) return Error(Errc::kNotSupported, "read(2) leaves pages in the page cache on this kernel");
  for (const Way& way : kWays) {
    way.take(file.number(), mapping);
    if (is_resident(mapping)) {
      return Error(Errc::kNotSupported, std::string(way.name) + " leaves pages in the page cache on this kernel");
    }
  }
  return {};
}

Status test_page_cache_guard_apart(const std::string& path) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return Error(errc_of_errno(errno), "a pipe for the page-cache test");
  const Descriptor out(ends[0]);
  pid_t child = 0;
  int failed = 0;
  {
    const Descriptor in(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in.number(), STDOUT_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    std::string program = "conclave", command = "page-cache-test", target = path;
    const std::array<char*, 4> arguments = {program.data(), command.data(), target.data(), nullptr};
    failed = posix_spawn(&child, "/proc/self/exe", &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
  }
  if (failed != 0) return Error(errc_of_errno(failed), std::string("the page-cache test: ") + std::strerror(failed));
  std::string said;
  std::array<char, 512> piece{};
  for (ssize_t n = 0; (n = read(out.number(), piece.data(), piece.size())) > 0 || (n < 0 && errno == EINTR);) {
    if (n > 0) said.append(piece.data(), static_cast<std::size_t>(n));
  }
  int ended = 0;
  while (waitpid(child, &ended, 0) < 0 && errno == EINTR) {}
  if (WIFEXITED(ended) && WEXITSTATUS(ended) == 0) return {};
  if (said.ends_with('\n')) said.pop_back();
  return Error(Errc::kNotSupported, said.empty() ? "the page-cache test ended early" : said);
}

int run_page_cache_test(const std::vector<std::string>& args) {
  if (args.size() != 1 || args[0].starts_with("-")) {
    std::cerr << "usage: conclave page-cache-test PATH\n";
    return 2;
  }
  const Status held = test_page_cache_guard(args[0]);
  if (!held) std::cout << held.error().message << "\n";
  return held ? 0 : 1;
}

}  // namespace conclave::fuse_fs
