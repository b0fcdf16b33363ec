// The plain status files of a mount: what it counts, what the servers say, what it holds. Lines "name value".
#pragma once

#include "fuse/flusher.h"
#include "fuse/status_files.h"
#include "lockserver/lock_client.h"

namespace conclave::fuse_fs {

struct MountNumbers {
  std::uint64_t requests = 0, recalls = 0;
  std::size_t leases = 0, inodes = 0, descriptors = 0, parked = 0;
  Flusher::Counters writes;
};
std::string stats_text(const MountNumbers& numbers);
// The directory server's and the lock server's own words; a server that does not answer is a line too.
std::string health_text(const Result<dir::v1::HealthResponse>& names, const Result<lock::v1::HealthResponse>& locks);
std::string leases_text(const Result<lock::v1::HealthResponse>& locks);

}  // namespace conclave::fuse_fs
