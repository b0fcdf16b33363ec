// The self-test behind secrets: tries every way by which bytes of a direct_io file still enter the kernel's page cache
// (private mapping, readahead hint, splice, sendfile) on a file of the mount itself, and looks whether a page stayed.
#pragma once

#include <string>

#include "base/result.h"

namespace conclave::fuse_fs {

// `path`: a status file of the mount, which answers reads as secrets do (EINVAL without a lock owner). Success: read(2)
// gave bytes and no page is resident after all of the rest. kNotSupported names the way that kept a page. Blocks on the
// mount: call it from a thread that serves no request.
Status test_page_cache_guard(const std::string& path);

}  // namespace conclave::fuse_fs
