#include "client/secrets/program_info.h"

#include <algorithm>

namespace conclave::client {
namespace {

constexpr std::size_t kMaxProcFileBytes = 256 << 10;  // arguments and environment of a long command line
constexpr std::string_view kReason = "CONCLAVE_REASON=";

std::string proc_file(Files& files, std::uint32_t pid, const char* name) {
  return files.read_all("/proc/" + std::to_string(pid) + "/" + name, kMaxProcFileBytes).value_or("");
}

}  // namespace

ProgramInfo program_info(Files& files, std::uint32_t pid, bool with_arguments) {
  ProgramInfo out;
  if (pid == 0) return out;
  out.command = proc_file(files, pid, "cmdline");
  if (!with_arguments) out.command.resize(std::min(out.command.size(), out.command.find('\0')));
  while (!out.command.empty() && out.command.back() == '\0') out.command.pop_back();
  std::replace(out.command.begin(), out.command.end(), '\0', ' ');
  const std::string environment = '\0' + proc_file(files, pid, "environ");
  const auto at = environment.find('\0' + std::string(kReason));
  if (at == std::string::npos) return out;
  const std::size_t begin = at + 1 + kReason.size();
  out.reason = environment.substr(begin, environment.find('\0', begin) - begin);
  return out;
}

}  // namespace conclave::client
