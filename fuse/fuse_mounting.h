// Putting the mount into the tree: mount(2) for root, fusermount3 for everybody else.
#pragma once

#include <string>

#include "base/result.h"

namespace conclave::fuse_fs {

struct MountOptions {
  std::string fs_name;                // "conclave:1a2b3c4d", as mount(8) shows it
  bool default_permissions = true;    // the kernel checks modes and ACLs
  bool read_only = false;
};

// Mounts at `path`, a folder, and returns the open descriptor of /dev/fuse behind it, which the caller owns. Root's
// mount is open to all users; an ordinary user's to himself, unless /etc/fuse.conf has user_allow_other. Before any
// thread is started: fusermount3 is a child. kNotPermitted, kBusy, kNotDirectory, kNotFound, kNoDevice (no FUSE in this
// kernel); an ordinary user's refusal has been said on standard error by fusermount3. Nothing is mounted after an error.
Result<int> mount_fuse(const std::string& path, const MountOptions& options);

}  // namespace conclave::fuse_fs
