// Processes that outlive the command that started them. A process is known by more than its number, so that a number
// that was given to another program since is never signalled.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/files.h"

namespace conclave::cli {

// "PID START BOOT" in a file: the number, its start in clock ticks since boot, and which boot.
struct ProcessMark {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;
  std::string boot;

  static Result<ProcessMark> of(pid_t pid);            // kNotFound
  static Result<ProcessMark> parse(const std::string& text);
  [[nodiscard]] std::string text() const;
  friend bool operator==(const ProcessMark&, const ProcessMark&) = default;
};

// A descriptor of a running process (pidfd_open(2)): it never means another one.
class Process {
 public:
  // kNotFound when it has ended, or the number is another's now.
  static Result<Process> open(const ProcessMark& mark);
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process();

  [[nodiscard]] pid_t pid() const { return pid_; }
  Status signal(int number);
  // Blocks until it has ended, or `limit` is over: false.
  [[nodiscard]] bool wait(Duration limit);

 private:
  Process(int descriptor, pid_t pid) : descriptor_(descriptor), pid_(pid) {}
  int descriptor_;
  pid_t pid_;
};

struct Launch {
  std::vector<std::string> arguments;  // of this same program: {"dirserver", "--config", "…"}
  std::string log_path;                // appended to; standard error and output
  Duration limit = std::chrono::seconds(30);
  // Where the process notes its mark and `note` before it does anything else: it lives on if whoever launches it is killed.
  std::string process_path, note;
  int lock = -1;  // a descriptor of what the launcher has locked: the process keeps it until it is noted
};

// Starts this program again in a session of its own, and returns when it wrote "ready" to the descriptor that
// CONCLAVE_READY_FD names. kUnavailable with the last lines of its log when it ended or was not ready in time (it is
// then killed). Not thread-safe.
Status launch(const Launch& launch);
// In a process that was launched: notes it, as Launch says. In others it does nothing.
Status note_own_process(Files& files);

// The end of a log file as a person wants to read it: at most `lines` lines.
std::string last_lines(const std::string& path, std::size_t lines);

// Resident size in bytes; 0 if unknown.
std::uint64_t resident_bytes(pid_t pid);

}  // namespace conclave::cli
