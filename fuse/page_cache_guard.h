// The self-test behind secrets: tries every way by which bytes of a direct_io file still enter the kernel's page cache
// (private mapping, readahead hint, splice, sendfile) on a file of the mount itself, and looks whether a page stayed.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"

namespace conclave::fuse_fs {

// `path`: a file of a page, with direct I/O, that answers reads as secrets do (EINVAL without a lock owner; the status file
// "page-cache-test") and belongs to this process's user (of others' files mincore(2) says that all is resident). Success: read(2) gave bytes and no page is
// resident after all of the rest. kNotSupported names the way that kept a page. Blocks on the mount: a process that
// serves it and waits here when it is killed would wait for itself for ever, for the kernel ends a mount only when the
// last thread of its server has gone.
Status test_page_cache_guard(const std::string& path);

inline constexpr std::size_t kGuardTestBytes = 4096;

// The same by a child process that has nothing of the mount's server but its program; blocks until that has ended.
Status test_page_cache_guard_apart(const std::string& path);
// `conclave page-cache-test PATH`, that child: exit code 0, or 1 with the reason on standard output.
int run_page_cache_test(const std::vector<std::string>& args);

}  // namespace conclave::fuse_fs
