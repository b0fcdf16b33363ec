// The servers' mains, which live with their parts. Only server_mains.cc includes them.
#pragma once

#include "cli/command_line.h"

namespace conclave::cli {

// Each runs one server in the foreground until SIGTERM or SIGINT; {"--config", FILE}. Returns the exit code.
int serve_names(const Arguments& args);
int serve_locks(const Arguments& args);
int serve_files(const Arguments& args);
int serve_vault(const Arguments& args);
int serve_mount(const Arguments& args);   // {"--config", FILE, MOUNT}

}  // namespace conclave::cli
