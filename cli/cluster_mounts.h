// The mounts of a cluster on this machine, and their control files under /.conclave.
#pragma once

#include <string>
#include <vector>

#include "base/ids.h"
#include "base/secret_bytes.h"

namespace conclave::cli {

// Where this cluster is mounted here by root or by this user, in mount order: others could mount a daemon of their own under
// the name. A mount's source is "conclave:" and the cluster id's first 8 digits.
std::vector<std::string> mounts_of(const ClusterId& cluster);

// One write(2) of `message` to MOUNT/.conclave/NAME; the daemon acts for our uid and refuses with an errno's error.
Status write_control(const std::string& mount, const std::string& name, ByteView message);

// A path of the cluster ("/secrets/prod/db") from what a person gives: that, or a path below one of `mounts`.
std::string cluster_path(const std::string& path, const std::vector<std::string>& mounts);

}  // namespace conclave::cli
