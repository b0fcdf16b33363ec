// What every server's main begins and ends with: its one option, its configuration, and how it says what went wrong.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/cluster_file.h"
#include "base/log.h"

namespace conclave {

// `args` must be `--config FILE`. Reads that file, takes what all servers share out of it and calls `serve` with the
// rest. Returns the exit code: 0 after a stop, 1 after an error (said on standard error as "conclave NAME: …"), 2 for
// a wrong command line.
int server_main(const std::string& name, const std::vector<std::string>& args, Files& files,
                const std::function<Status(Config& config, const std::string& config_path)>& serve);

// "debug", "info", "warning", "error"; kInvalid.
Result<LogLevel> parse_log_level(const std::string& text);

}  // namespace conclave
