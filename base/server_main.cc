#include "base/server_main.h"

#include <cstdio>

namespace conclave {

int server_main(const std::string& name, const std::vector<std::string>& args, Files& files,
                const std::function<Status(Config& config, const std::string& config_path)>& serve) {
  if (args.size() != 2 || args[0] != "--config") {
    std::fprintf(stderr, "usage: conclave %s --config FILE\n", name.c_str());
    return 2;
  }
  const std::string& path = args[1];
  auto config = Config::load(files, path);
  const Status status = config ? serve(*config, path) : Status(config.error());
  if (status) return 0;
  std::fprintf(stderr, "conclave %s: %s\n", name.c_str(), status.error().message.c_str());
  return 1;
}

Result<LogLevel> parse_log_level(const std::string& text) {
  if (text == "debug") return LogLevel::kDebug;
  if (text == "info") return LogLevel::kInfo;
  if (text == "warning") return LogLevel::kWarning;
  if (text == "error") return LogLevel::kError;
  return Error(Errc::kInvalid, "server.log is '" + text + "'; it must be debug, info, warning or error");
}

}  // namespace conclave
