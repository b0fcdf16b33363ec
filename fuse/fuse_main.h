// `conclave mount-daemon --config FILE MOUNTPOINT`: one mount in the foreground, until it is unmounted or SIGTERM.
#pragma once

#include <string>
#include <vector>

namespace conclave::fuse_fs {

// Returns the exit code: 0 after a clean end, 1 after an error (said on standard error), 2 for a wrong command line.
int run_mount(const std::vector<std::string>& args);

}  // namespace conclave::fuse_fs
