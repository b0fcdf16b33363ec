// fs_bench DIR ROW THREADS COUNT [wait]: runs one row of names and small files of the benchmark table in DIR and prints
// operations per second. An mdtest-like tool of our own: each thread works in a folder of its own, all start together,
// and what a row needs is made before its clock starts; with `wait` it says "ready" then, and goes on at a line of input.
//
// Exit 0 with one number on standard output; exit 1 with a sentence when a system call failed: a file system
// that fails an operation has no speed.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <latch>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kSmallFile = 4096;
constexpr std::size_t kRecord = 100;

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
};

std::string name_of(const Job& job, const char* kind, int i) { return job.folder + "/" + kind + std::to_string(i); }

void write_file(const std::string& path, bool sync) {
  static const std::string content(kSmallFile, 'x');
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0644);
  must(fd >= 0, "open " + path);
  must(write(fd, content.data(), kSmallFile) == static_cast<ssize_t>(kSmallFile), "write " + path);
  if (sync) must(fsync(fd) == 0, "fsync " + path);
  must(close(fd) == 0, "close " + path);
}

void make_files(const Job& job) {
  for (int i = 0; i < job.count; ++i) write_file(name_of(job, "f", i), false);
}

void nothing(const Job&) {}

void mkdirs(const Job& job) {
  for (int i = 0; i < job.count; ++i) must(mkdir(name_of(job, "d", i).c_str(), 0755) == 0, "mkdir");
}
void creates(const Job& job) { make_files(job); }
void creates_synced(const Job& job) {
  for (int i = 0; i < job.count; ++i) write_file(name_of(job, "s", i), true);
}
void stats(const Job& job) {
  struct stat st {};
  for (int i = 0; i < job.count; ++i) must(stat(name_of(job, "f", i).c_str(), &st) == 0, "stat");
}
void list_and_stat(const Job& job) {
  DIR* dir = opendir(job.folder.c_str());
  must(dir != nullptr, "opendir");
  const int folder = dirfd(dir);
  must(folder >= 0, "dirfd");
  int seen = 0;
  while (const dirent* entry = readdir(dir)) {
    struct stat st {};
    must(fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0, "fstatat");
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
struct Row {
  std::function<void(const Job&)> prepare, run;
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
  };
  return table;
}

void wait_for_a_line() {
  std::puts("ready");
  std::fflush(stdout);
  for (int c = 0; c != '\n' && c != EOF;) c = std::getchar();
}

double run_row(const Row& row, const std::string& base, int threads, int count, bool wait) {
  std::vector<Job> jobs;
  for (int t = 0; t < threads; ++t) {
    jobs.push_back({base + "/t" + std::to_string(t), count});
    must(mkdir(jobs.back().folder.c_str(), 0755) == 0, "mkdir " + jobs.back().folder);
    row.prepare(jobs.back());
  }
  std::latch ready(threads + 1);
  std::vector<std::thread> workers;
  for (const Job& job : jobs) {
    workers.emplace_back([&row, &job, &ready] {
      ready.arrive_and_wait();
      row.run(job);
    });
  }
  if (wait) wait_for_a_line();
  const auto start = std::chrono::steady_clock::now();  // before: workers may be done when this thread runs again
  ready.arrive_and_wait();
  for (std::thread& worker : workers) worker.join();
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  return threads * count / spent.count();
}

}  // namespace

int main(int argc, char** argv) {
  const bool wait = argc == 6 && std::strcmp(argv[5], "wait") == 0;
  if (argc != (wait ? 6 : 5) || !rows().contains(argv[2])) {
    std::fprintf(stderr, "usage: fs_bench DIR ROW THREADS COUNT [wait]\nrows:");
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
  std::printf("%.1f\n", run_row(rows().at(argv[2]), argv[1], threads, count, wait));
  return 0;
}
