// Ends a mount whose daemon was killed. The kernel does that when the daemon's last thread is gone, but a thread that
// empties a page (an invalidation) waits for whoever holds it, and if that is a READ which nobody will answer any more, it
// waits for ever, and with it every program at work on the mount. So a child process outlives the daemon by a moment, and
// ends what is left.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace conclave::fuse_fs {

// Starts that child for the mount whose `device` is "0:57" (mount_table.h). It is told when the calling thread ends: call
// it from the daemon's first one. It needs the superuser's rights, or the kernel's control files of FUSE where the
// system has them mounted (/sys/fs/fuse/connections): a user's own mount on a system without is not helped.
Status watch_mount(const std::string& device);

// `conclave mount-watch PARENT CONNECTION`, that child: exit code 0 when the connection is no more, 1 if it cannot bring that
// about, which it knows at once.
int run_mount_watch(const std::vector<std::string>& args);

}  // namespace conclave::fuse_fs
