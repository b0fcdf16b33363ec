#include "cli/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
extern "C" {  // glibc 2.36's header forgets it
#include <sys/pidfd.h>
}

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/descriptor.h"

namespace conclave::cli {
namespace {

constexpr int kReadyDescriptor = 3, kLockDescriptor = 4;
constexpr int kOutOfTheWay = 16;
constexpr auto kEndLimit = std::chrono::seconds(2);
constexpr std::uintmax_t kMaxLogBytes = 16u << 20;  // then it becomes .old: a disk is not filled by a chatty server

Error system_error(const std::string& what, int error) {
  return Error(errc_of_errno(error), what + ": " + strerrordesc_np(error));
}

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string boot_id() {
  std::string id = slurp("/proc/sys/kernel/random/boot_id");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

int wait_milliseconds(Duration limit) {
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(limit).count());
}

}  // namespace

Result<ProcessMark> ProcessMark::of(pid_t pid) {
  const std::string stat = slurp("/proc/" + std::to_string(pid) + "/stat");
  const auto name_end = stat.rfind(')');  // the name before it may hold anything
  if (name_end == std::string::npos) return Error(Errc::kNotFound, "no process " + std::to_string(pid));
  std::istringstream fields(stat.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;  // proc(5): starttime is the 22nd
  ProcessMark mark{pid, 0, boot_id()};
  fields >> mark.start_ticks;
  return mark;
}

Result<ProcessMark> ProcessMark::parse(const std::string& text) {
  std::istringstream in(text);
  ProcessMark mark;
  if (!(in >> mark.pid >> mark.start_ticks >> mark.boot) || mark.pid <= 1) {
    return Error(Errc::kCorrupt, "not a process file");
  }
  return mark;
}

std::string ProcessMark::text() const {
  return std::to_string(pid) + " " + std::to_string(start_ticks) + " " + boot + "\n";
}

// The mark is compared after the descriptor is open: from then on the number cannot become another's.
Result<Process> Process::open(const ProcessMark& mark) {
  const int descriptor = pidfd_open(mark.pid, 0);
  if (descriptor < 0) return Error(Errc::kNotFound, "process " + std::to_string(mark.pid) + " has ended");
  Process process(descriptor, mark.pid);
  const auto now = ProcessMark::of(mark.pid);
  if (!now || *now != mark || process.wait(Duration::zero())) {
    return Error(Errc::kNotFound, "process " + std::to_string(mark.pid) + " has ended");
  }
  return process;
}

Process::Process(Process&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)), pid_(other.pid_) {}

Process& Process::operator=(Process&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(pid_, other.pid_);
  return *this;
}

Process::~Process() {
  if (descriptor_ >= 0) close(descriptor_);
}

Status Process::signal(int number) {
  if (pidfd_send_signal(descriptor_, number, nullptr, 0) != 0 && errno != ESRCH) {
    return system_error("cannot signal process " + std::to_string(pid_), errno);
  }
  return {};
}

bool Process::wait(Duration limit) {
  pollfd ended{descriptor_, POLLIN, 0};
  int ready = -1;
  do {
    ready = poll(&ended, 1, wait_milliseconds(limit));
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

namespace {

// As it is here, but for what a launch tells.
std::vector<std::string> child_environment(const Launch& launch) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view one(*entry);
    if (!one.starts_with("CONCLAVE_READY_FD=") && !one.starts_with("CONCLAVE_PROCESS_")) out.emplace_back(one);
  }
  out.push_back("CONCLAVE_READY_FD=" + std::to_string(kReadyDescriptor));
  out.push_back("CONCLAVE_PROCESS_FILE=" + launch.process_path);
  out.push_back("CONCLAVE_PROCESS_NOTE=" + launch.note);
  return out;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// Descriptors in the child: input is empty, output goes to the log, the pipe's end is number 3, the lock is number 4,
// nothing else is inherited, and no folder is kept busy.
Result<pid_t> spawn(const Launch& launch, int pipe_end) {
  const Descriptor ready_end(fcntl(pipe_end, F_DUPFD_CLOEXEC, kOutOfTheWay));
  const Descriptor lock(fcntl(launch.lock, F_DUPFD_CLOEXEC, kOutOfTheWay));
  if (ready_end.number() < 0 || lock.number() < 0) return system_error("start a process", errno);
  std::vector<std::string> arguments{"conclave"};
  arguments.insert(arguments.end(), launch.arguments.begin(), launch.arguments.end());
  std::vector<std::string> environment = child_environment(launch);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, launch.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ready_end.number(), kReadyDescriptor);
  posix_spawn_file_actions_adddup2(&actions, lock.number(), kLockDescriptor);
  posix_spawn_file_actions_addclosefrom_np(&actions, kLockDescriptor + 1);
  posix_spawn_file_actions_addchdir_np(&actions, "/");
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, pointers_to(arguments).data(),
                                pointers_to(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return system_error("start conclave " + launch.arguments.front(), error);
  return pid;
}

// "ready", or why it cannot be; empty when the other end was closed without a word, or time is over.
std::string read_word(int descriptor, Duration limit) {
  pollfd readable{descriptor, POLLIN, 0};
  int ready = -1;
  do {
    ready = poll(&readable, 1, wait_milliseconds(limit));
  } while (ready < 0 && errno == EINTR);
  std::array<char, 1024> word{};
  const ssize_t size = ready > 0 ? read(descriptor, word.data(), word.size()) : 0;
  return {word.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

// A process that fails closes its end of the pipe a moment before it has ended.
bool ends_soon(pid_t child) {
  const auto mark = ProcessMark::of(child);
  if (!mark) return true;
  auto process = Process::open(*mark);
  return !process || process->wait(kEndLimit);
}

void keep_log_small(const std::string& path) {
  std::ifstream log(path, std::ios::binary | std::ios::ate);
  if (log && static_cast<std::uintmax_t>(log.tellg()) > kMaxLogBytes) {
    static_cast<void>(std::rename(path.c_str(), (path + ".old").c_str()));  // a log is not worth a failed start
  }
}

}  // namespace

Status launch(const Launch& launch) {
  int ends[2];
  keep_log_small(launch.log_path);
  if (pipe2(ends, O_CLOEXEC) != 0) return system_error("make a pipe", errno);
  auto pid = spawn(launch, ends[1]);
  close(ends[1]);
  const std::string word = pid ? read_word(ends[0], launch.limit) : "";
  close(ends[0]);
  if (!pid) return std::move(pid).error();
  if (word.starts_with("ready")) return {};
  const bool ended = ends_soon(*pid);
  if (!ended) {
    kill(*pid, SIGKILL);  // our child and not waited for yet: the number is still its own
  }
  waitpid(*pid, nullptr, 0);
  if (!word.empty()) return Error(Errc::kUnavailable, "conclave " + launch.arguments.front() + " did not start: " + word);
  return Error(Errc::kUnavailable, "conclave " + launch.arguments.front() + (ended ? " did not start" : " was not ready in time") +
                                       "; " + launch.log_path + " ends with:\n" + last_lines(launch.log_path, 5));
}

Status note_own_process(Files& files) {
  const char* const path = std::getenv("CONCLAVE_PROCESS_FILE");
  const char* const note = std::getenv("CONCLAVE_PROCESS_NOTE");
  if (path == nullptr || note == nullptr) return {};
  const ProcessMark mark = TRY(ProcessMark::of(getpid()));
  Status noted = files.write_all(path, mark.text() + note);
  unsetenv("CONCLAVE_PROCESS_FILE");  // not of a child of ours
  unsetenv("CONCLAVE_PROCESS_NOTE");
  close(kLockDescriptor);
  if (noted) return {};
  Error why = in_context("cannot note that it runs", std::move(noted).error());
  (void)!write(kReadyDescriptor, why.message.data(), why.message.size());  // the log may be on the same full disk
  return why;
}

std::string last_lines(const std::string& path, std::size_t lines) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return "  (nothing)";
  const auto size = static_cast<std::streamoff>(in.tellg());
  in.seekg(std::max<std::streamoff>(0, size - 8192));
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::size_t from = text.size();
  while (lines > 0 && from != std::string::npos && from != 0) {
    from = text.rfind('\n', from - 1);
    --lines;
  }
  return from == std::string::npos || from == 0 ? text : text.substr(from + 1);
}

std::uint64_t resident_bytes(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/statm");
  std::uint64_t total = 0, resident = 0;
  in >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace conclave::cli
