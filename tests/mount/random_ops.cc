// random_ops DIR SEED COUNT [SECOND-DIR]: random operations on one file, compared after each with an array in memory:
// writes, appends, truncations, holes, mappings, copies within the file, fsync, closing and opening again, dropping
// the page cache. With a second mount of the same folder, operations alternate between the two at random.
//
// Exit 0, or 1 with the operation after which file and array differed; the same seed repeats it.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kMaxFile = 3u << 20;
constexpr std::size_t kMaxPiece = 200u << 10;

class RandomFile {
 public:
  RandomFile(std::vector<std::string> paths, std::uint64_t seed) : paths_(std::move(paths)), random_(seed) {
    unlink(paths_[0].c_str());
    for (const auto& path : paths_) fds_.push_back(must(open(path.c_str(), O_RDWR | O_CREAT, 0644), "open " + path));
  }

  void step(int number) {
    side_ = random_() % fds_.size();
    now_ = "operation " + std::to_string(number) + " on side " + std::to_string(side_) + ": ";
    switch (random_() % 14) {
      case 0: case 1: case 2: write_some(); break;
      case 3: append(); break;
      case 4: truncate_to(random_() % kMaxFile); break;
      case 5: truncate_to(content_.empty() ? 0 : random_() % content_.size()); break;
      case 6: punch(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, "punch"); break;
      case 7: punch(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, "zero"); break;
      case 8: copy(); break;
      case 9: map_and_read(); break;
      case 10: if (fds_.size() == 1) map_and_write(); break;
      case 11: reopen(); break;
      case 12: sync(); break;
      case 13: seek(); break;
    }
    side_ = random_() % fds_.size();
    check_some();
    if (number % 50 == 0) check_all();
  }
  void check_all() { for (side_ = 0; side_ < fds_.size(); ++side_) compare(0, content_.size()); }

 private:
  [[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "random_ops: %s%s: %s\n", now_.c_str(), what.c_str(), std::strerror(errno));
    std::exit(1);
  }
  int must(int result, const std::string& what) { if (result < 0) fail(what); return result; }
  int fd() const { return fds_[side_]; }

  struct Range { std::size_t from, length; };
  Range any_range(std::size_t within) {
    const std::size_t from = random_() % std::max<std::size_t>(within, 1);
    return {from, 1 + random_() % std::min(kMaxPiece, std::max<std::size_t>(kMaxFile - from, 1))};
  }
  Range inside() {
    if (content_.empty()) return {0, 0};
    const std::size_t from = random_() % content_.size();
    return {from, 1 + random_() % std::min(kMaxPiece, content_.size() - from)};
  }
  std::string bytes(std::size_t length) {
    std::string out(length, static_cast<char>('a' + random_() % 26));
    for (std::size_t i = 0; i < length; i += 997) out[i] = static_cast<char>(random_());
    return out;
  }
  void lay(std::size_t from, const std::string& text) {
    if (content_.size() < from + text.size()) content_.resize(from + text.size(), '\0');
    content_.replace(from, text.size(), text);
  }

  void write_some() {
    const Range range = any_range(random_() % 8 == 0 ? kMaxFile : content_.size() + 1);
    const std::string text = bytes(range.length);
    now_ += "write " + std::to_string(range.from) + "+" + std::to_string(range.length);
    if (pwrite(fd(), text.data(), text.size(), static_cast<off_t>(range.from)) != static_cast<ssize_t>(text.size())) fail("short");
    lay(range.from, text);
  }
  void append() {
    const std::string text = bytes(1 + random_() % 9000);
    if (content_.size() + text.size() > kMaxFile) return;
    now_ += "append " + std::to_string(text.size());
    const int end = must(open(paths_[side_].c_str(), O_WRONLY | O_APPEND), "open");
    if (write(end, text.data(), text.size()) != static_cast<ssize_t>(text.size())) fail("short");
    must(close(end), "close");
    lay(content_.size(), text);
  }
  void truncate_to(std::size_t size) {
    now_ += "truncate " + std::to_string(size);
    must(ftruncate(fd(), static_cast<off_t>(size)), "");
    content_.resize(size, '\0');
  }
  void punch(int mode, const char* name) {
    const Range range = inside();
    if (range.length == 0) return;
    now_ += std::string(name) + " " + std::to_string(range.from) + "+" + std::to_string(range.length);
    must(fallocate(fd(), mode, static_cast<off_t>(range.from), static_cast<off_t>(range.length)), "");
    std::fill_n(content_.begin() + static_cast<std::ptrdiff_t>(range.from), range.length, '\0');
  }
  void copy() {
    const Range range = inside();
    const std::size_t to = range.from + range.length + random_() % 1000;
    if (range.length == 0 || to + range.length > kMaxFile) return;
    check_size();  // the kernel copies no further than the size it knows
    now_ += "copy " + std::to_string(range.from) + "+" + std::to_string(range.length) + " to " + std::to_string(to);
    const std::string text = content_.substr(range.from, range.length);
    auto in = static_cast<off_t>(range.from), out = static_cast<off_t>(to);
    for (std::size_t left = range.length; left > 0;) {
      const ssize_t done = copy_file_range(fd(), &in, fd(), &out, left, 0);
      if (done <= 0) fail("copy_file_range");
      left -= static_cast<std::size_t>(done);
    }
    lay(to, text);
  }
  void map_and_read() {
    if (content_.empty()) return;
    now_ += "map and read";
    check_size();  // as programs do; it is also when this machine learns how far it may map
    void* at = mmap(nullptr, content_.size(), PROT_READ, random_() % 2 == 0 ? MAP_SHARED : MAP_PRIVATE, fd(), 0);
    if (at == MAP_FAILED) fail("mmap");
    if (std::memcmp(at, content_.data(), content_.size()) != 0) fail("a mapping differs");
    munmap(at, content_.size());
  }
  void map_and_write() {
    const Range range = inside();
    if (range.length == 0) return;
    now_ += "map and write " + std::to_string(range.from) + "+" + std::to_string(range.length);
    void* at = mmap(nullptr, content_.size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd(), 0);
    if (at == MAP_FAILED) fail("mmap");
    const std::string text = bytes(range.length);
    std::memcpy(static_cast<char*>(at) + range.from, text.data(), text.size());
    if (random_() % 2 == 0) must(msync(at, content_.size(), MS_SYNC), "msync");
    munmap(at, content_.size());
    lay(range.from, text);
  }
  void reopen() {
    now_ += "reopen";
    must(close(fds_[side_]), "close");
    fds_[side_] = must(open(paths_[side_].c_str(), O_RDWR), "open");
  }
  void sync() {
    now_ += "fsync";
    must(fsync(fd()), "");
    posix_fadvise(fd(), 0, 0, POSIX_FADV_DONTNEED);
  }
  void seek() {
    if (content_.empty()) return;
    const auto from = static_cast<off_t>(random_() % content_.size());
    now_ += "seek " + std::to_string(from);
    const off_t data = lseek(fd(), from, SEEK_DATA);
    if (data < 0 && errno != ENXIO) fail("SEEK_DATA");
    const std::size_t end = data < 0 ? content_.size() : static_cast<std::size_t>(data);
    for (auto i = static_cast<std::size_t>(from); i < end; ++i) {
      if (content_[i] != '\0') fail("SEEK_DATA skipped byte " + std::to_string(i));
    }
    const off_t hole = lseek(fd(), from, SEEK_HOLE);
    if (hole < from || hole > static_cast<off_t>(content_.size())) fail("SEEK_HOLE says " + std::to_string(hole));
  }

  void check_some() {
    const Range range = inside();
    compare(range.from, range.length);
    check_size();
  }
  void check_size() {
    struct stat attr {};
    must(fstat(fd(), &attr), "fstat");
    if (attr.st_size != static_cast<off_t>(content_.size())) {
      fail("side " + std::to_string(side_) + ": the size is " + std::to_string(attr.st_size) + " instead of " + std::to_string(content_.size()));
    }
  }
  void compare(std::size_t from, std::size_t length) {
    std::string seen(length + 1, 'x');
    const ssize_t got = pread(fd(), seen.data(), seen.size(), static_cast<off_t>(from));
    const std::size_t want = std::min(length + 1, content_.size() - from);
    if (got != static_cast<ssize_t>(want)) fail("side " + std::to_string(side_) + ": read " + std::to_string(from) + "+" + std::to_string(length) + " gave " + std::to_string(got));
    for (std::size_t i = 0; i < want; ++i) {
      if (seen[i] != content_[from + i]) fail("side " + std::to_string(side_) + ": byte " + std::to_string(from + i) + " differs");
    }
  }

  std::vector<std::string> paths_;
  std::mt19937_64 random_;
  std::vector<int> fds_;
  std::size_t side_ = 0;
  std::string content_;
  std::string now_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4 || argc > 5) {
    std::fprintf(stderr, "usage: random_ops DIR SEED COUNT [SECOND-DIR]\n");
    return 2;
  }
  const std::string name = "/random." + std::string(argv[2]);
  std::vector<std::string> paths = {argv[1] + name};
  if (argc == 5) paths.push_back(argv[4] + name);
  RandomFile file(paths, std::strtoull(argv[2], nullptr, 10));
  const int count = std::atoi(argv[3]);
  for (int i = 1; i <= count; ++i) file.step(i);
  file.check_all();
  unlink(paths[0].c_str());
  return 0;
}
