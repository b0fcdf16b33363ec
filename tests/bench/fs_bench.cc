// fs_bench DIR ROW THREADS COUNT: runs one row of the benchmark table in DIR and prints operations per second
// (or MiB per second for the sequential rows). An mdtest-like tool of our own: each thread works in a folder of
// its own, all start together, and what a row needs is made before its clock starts.
//
// Exit 0 with one number on standard output; exit 1 with a sentence when a system call failed: a file system
// that fails an operation has no speed. With FS_BENCH_WATCH="name:pid name:pid …" in the environment a second line says
// what the row cost: "wall 312.0 program 20.1 name 95.3 …", microseconds per operation (or MiB) of the clock, of this
// program's processor time, and of each of those processes'.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <latch>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kSmallFile = 4096;
constexpr std::size_t kRecord = 100;
constexpr std::size_t kBlock = 1 << 20;

[[noreturn]] void fail(const std::string& doing) {
  std::fprintf(stderr, "fs_bench: %s: %s\n", doing.c_str(), std::strerror(errno));
  std::_Exit(1);
}

void must(bool ok, const std::string& doing) {
  if (!ok) fail(doing);
}

struct Job {
  std::string folder;  // of this thread
  int count;
  int thread;
};

std::string name_of(const Job& job, const char* kind, int i) { return job.folder + "/" + kind + std::to_string(i); }

void write_file(const std::string& path, std::size_t size, bool sync) {
  static const std::string content(kBlock, 'x');
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0644);
  must(fd >= 0, "open " + path);
  must(write(fd, content.data(), size) == static_cast<ssize_t>(size), "write " + path);
  if (sync) must(fsync(fd) == 0, "fsync " + path);
  must(close(fd) == 0, "close " + path);
}

void make_files(const Job& job) {
  for (int i = 0; i < job.count; ++i) write_file(name_of(job, "f", i), kSmallFile, false);
}

void make_big_file(const Job& job) {
  const std::string path = job.folder + "/big";
  const std::string content(kBlock, 'y');
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0644);
  must(fd >= 0, "open " + path);
  for (int i = 0; i < 256; ++i) must(write(fd, content.data(), kBlock) == static_cast<ssize_t>(kBlock), "write");
  must(fsync(fd) == 0 && close(fd) == 0, "fsync " + path);
}

void nothing(const Job&) {}

void mkdirs(const Job& job) {
  for (int i = 0; i < job.count; ++i) must(mkdir(name_of(job, "d", i).c_str(), 0755) == 0, "mkdir");
}
void creates(const Job& job) { make_files(job); }
void creates_synced(const Job& job) {
  for (int i = 0; i < job.count; ++i) write_file(name_of(job, "s", i), kSmallFile, true);
}
void stats(const Job& job) {
  struct stat st {};
  for (int i = 0; i < job.count; ++i) must(stat(name_of(job, "f", i).c_str(), &st) == 0, "stat");
}
void list_and_stat(const Job& job) {
  DIR* dir = opendir(job.folder.c_str());
  must(dir != nullptr, "opendir");
  int seen = 0;
  while (const dirent* entry = readdir(dir)) {
    struct stat st {};
    must(fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0, "fstatat");
    ++seen;
  }
  closedir(dir);
  errno = ENODATA;
  must(seen == job.count + 2, "readdir gave another number of names than were made");
}
void reads(const Job& job) {
  char buffer[kSmallFile];
  for (int i = 0; i < job.count; ++i) {
    const int fd = open(name_of(job, "f", i).c_str(), O_RDONLY);
    must(fd >= 0, "open");
    must(read(fd, buffer, sizeof buffer) == static_cast<ssize_t>(kSmallFile), "read");
    close(fd);
  }
}
void appends(const Job& job) {
  const std::string path = job.folder + "/log";
  const std::string record(kRecord, 'r');
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0644);
  must(fd >= 0, "open " + path);
  for (int i = 0; i < job.count; ++i) must(write(fd, record.data(), kRecord) == static_cast<ssize_t>(kRecord), "append");
  must(close(fd) == 0, "close");
}
void renames(const Job& job) {
  for (int i = 0; i < job.count; ++i) {
    must(rename(name_of(job, "f", i).c_str(), name_of(job, "g", i).c_str()) == 0, "rename");
  }
}
void unlinks(const Job& job) {
  for (int i = 0; i < job.count; ++i) must(unlink(name_of(job, "f", i).c_str()) == 0, "unlink");
}
void sequential_write(const Job& job) {
  const std::string path = job.folder + "/seq";
  const std::string content(kBlock, 'z');
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0644);
  must(fd >= 0, "open " + path);
  for (int i = 0; i < job.count; ++i) must(write(fd, content.data(), kBlock) == static_cast<ssize_t>(kBlock), "write");
  must(fsync(fd) == 0 && close(fd) == 0, "fsync");
}
void sequential_read(const Job& job) {
  const std::string path = job.folder + "/big";
  std::vector<char> buffer(kBlock);
  const int fd = open(path.c_str(), O_RDONLY);
  must(fd >= 0, "open " + path);
  for (int i = 0; i < job.count; ++i) {
    must(pread(fd, buffer.data(), kBlock, static_cast<off_t>(i % 256) * static_cast<off_t>(kBlock)) ==
             static_cast<ssize_t>(kBlock), "read");
  }
  close(fd);
}

void at_random(const Job& job, bool writing, bool sync) {
  const int fd = open((job.folder + "/big").c_str(), O_RDWR);
  must(fd >= 0, "open big");
  std::mt19937 random(static_cast<unsigned>(job.thread) + 1);
  std::string block(kSmallFile, 'q');
  for (int i = 0; i < job.count; ++i) {
    const off_t at = static_cast<off_t>(random() % (256 * kBlock / kSmallFile)) * static_cast<off_t>(kSmallFile);
    const ssize_t n = writing ? pwrite(fd, block.data(), kSmallFile, at) : pread(fd, block.data(), kSmallFile, at);
    must(n == static_cast<ssize_t>(kSmallFile), writing ? "pwrite" : "pread");
    if (sync) must(fsync(fd) == 0, "fsync");
  }
  close(fd);
}

// Fresh descriptors see a cold page cache of this mount; needs root, and is part of the row's preparation.
void drop_caches() {
  const int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
  if (fd < 0) return;
  (void)!write(fd, "1", 1);
  close(fd);
}

struct Row {
  std::function<void(const Job&)> prepare, run;
  double unit = 1;     // operations, or MiB, per counted step
  bool cold = false;
};

const std::map<std::string, Row>& rows() {
  static const std::map<std::string, Row> table = {
      {"mkdir", {nothing, mkdirs}},
      {"create", {nothing, creates}},
      {"stat", {make_files, stats}},
      {"readdir-stat", {make_files, list_and_stat}},
      {"open-read", {make_files, reads}},
      {"append", {nothing, appends}},
      {"rename", {make_files, renames}},
      {"unlink", {make_files, unlinks}},
      {"create-fsync", {nothing, creates_synced}},
      {"write-seq", {nothing, sequential_write}},
      {"read-seq-cold", {make_big_file, sequential_read, 1, true}},
      {"read-seq-hot", {[](const Job& job) { make_big_file(job); sequential_read(job); }, sequential_read}},
      {"read-random", {make_big_file, [](const Job& job) { at_random(job, false, false); }, 1, true}},
      {"write-random", {make_big_file, [](const Job& job) { at_random(job, true, false); }}},
      {"write-random-fsync", {make_big_file, [](const Job& job) { at_random(job, true, true); }}},
  };
  return table;
}

// Processor time of a process so far, µs, in steps of a clock tick (10 ms); 0 once it has ended.
double processor_us(const std::string& pid) {
  std::ifstream in("/proc/" + pid + "/stat");
  std::string text((std::istreambuf_iterator<char>(in)), {});
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;  // state to cmajflt
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) * 1e6 / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// This program and those of FS_BENCH_WATCH: name and number.
std::vector<std::pair<std::string, std::string>> watched() {
  std::vector<std::pair<std::string, std::string>> out = {{"program", "self"}};
  const char* const watch = std::getenv("FS_BENCH_WATCH");
  std::istringstream words(watch == nullptr ? "" : watch);
  for (std::string word; words >> word;) {
    const std::size_t colon = word.find(':');
    if (colon != std::string::npos) out.emplace_back(word.substr(0, colon), word.substr(colon + 1));
  }
  return out;
}

struct Measured {
  double per_second = 0;
  std::vector<std::pair<std::string, double>> costs;  // µs per operation
};

Measured run_row(const Row& row, const std::string& base, int threads, int count) {
  std::vector<Job> jobs;
  for (int t = 0; t < threads; ++t) {
    jobs.push_back({base + "/t" + std::to_string(t), count, t});
    must(mkdir(jobs.back().folder.c_str(), 0755) == 0, "mkdir " + jobs.back().folder);
    row.prepare(jobs.back());
  }
  if (row.cold) drop_caches();
  std::latch ready(threads + 1);
  std::vector<std::thread> workers;
  for (const Job& job : jobs) {
    workers.emplace_back([&row, &job, &ready] {
      ready.arrive_and_wait();
      row.run(job);
    });
  }
  const auto processes = watched();
  std::vector<double> before;
  for (const auto& [name, pid] : processes) before.push_back(processor_us(pid));
  const auto start = std::chrono::steady_clock::now();  // before: workers may be done when this thread runs again
  ready.arrive_and_wait();
  for (std::thread& worker : workers) worker.join();
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  const double done = threads * count * row.unit;
  Measured out{done / spent.count(), {{"wall", spent.count() * 1e6 / done}}};
  for (std::size_t i = 0; i < processes.size(); ++i) {
    out.costs.emplace_back(processes[i].first, (processor_us(processes[i].second) - before[i]) / done);
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5 || !rows().contains(argv[2])) {
    std::fprintf(stderr, "usage: fs_bench DIR ROW THREADS COUNT\nrows:");
    for (const auto& [name, row] : rows()) std::fprintf(stderr, " %s", name.c_str());
    std::fprintf(stderr, "\n");
    return 2;
  }
  const int threads = std::atoi(argv[3]);
  const int count = std::atoi(argv[4]);
  if (threads < 1 || threads > 64 || count < 1) {
    std::fprintf(stderr, "fs_bench: 1 to 64 threads, a count of at least 1\n");
    return 2;
  }
  const Measured measured = run_row(rows().at(argv[2]), argv[1], threads, count);
  std::printf("%.1f\n", measured.per_second);
  if (std::getenv("FS_BENCH_WATCH") == nullptr) return 0;
  for (const auto& [name, us] : measured.costs) std::printf("%s %.1f ", name.c_str(), us);
  std::printf("\n");
  return 0;
}
