// One command's options and arguments. A thin face over CLI11, which only command_line.cc includes (6 s of compile
// time each); the servers' mains have their own.
//
//   CommandLine line("conclave down", "Unmounts and stops a cluster; its data stay.");
//   line.flag("--force", force, "unmount even what is busy");
//   if (const auto code = line.parse(args)) return *code;
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace conclave::cli {

using Arguments = std::vector<std::string>;  // without the program's and the command's name

// What a process says about how it ended.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;

class CommandLine {
 public:
  CommandLine(const std::string& command, const std::string& about);
  ~CommandLine();

  // Each option or argument is bound to a variable that must outlive parse(); its value before is the default.
  void option(const std::string& name, std::string& into, const std::string& help);
  void option(const std::string& name, unsigned& into, unsigned least, unsigned most, const std::string& help);
  void option(const std::string& name, Duration& into, const std::string& help);  // "10m", as base/config.h reads it
  void option(const std::string& name, std::vector<std::string>& into, const std::string& help);  // "a,b,c"
  void required(const std::string& name, std::string& into, const std::string& help);
  void flag(const std::string& name, bool& into, const std::string& help);
  // Arguments without a name, in the order of these calls.
  void argument(const std::string& name, std::string& into, const std::string& help);
  void optional_argument(const std::string& name, std::string& into, const std::string& help);

  // nullopt: go on. Otherwise the exit code: kDone after --help (printed), kUsage after a mistake (said on stderr).
  [[nodiscard]] std::optional<int> parse(const Arguments& args);
  // For what only the command can judge, after parse(): says it as a usage mistake and returns kUsage.
  [[nodiscard]] int wrong(const std::string& what) const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace conclave::cli
