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

// The same to each of `mounts`, whatever another answers; the first error of one that did not take it.
Status write_control_to_all(const std::vector<std::string>& mounts, const std::string& name, ByteView message);

// Where what a person gives lies: a path of the cluster ("/secrets/prod/db"), or one below one of `mounts`.
struct PathOnMount {
  std::string mount;  // the one it is below, else the first; empty if there is none
  std::string path;   // of the cluster
};
PathOnMount path_on_mount(const std::string& given, const std::vector<std::string>& mounts);

}  // namespace conclave::cli
