// Brings a cluster on this machine to the state in which it should be, whatever state it is in: made, half started,
// crashed, or already up.
#pragma once

#include <string>
#include <vector>

#include "cli/cluster_init.h"
#include "cli/cluster_processes.h"

namespace conclave::cli {

struct UpOptions {
  InitOptions init;
  unsigned file_servers = 0;  // at least so many; 0: those that are there, or two in a new cluster
  std::string mount;          // absolute; empty: only the mounts that were up before
};

// Returns when every server is ready, the file servers are known to the directory server, and the mounts answer. If it
// fails on a cluster of which nothing ran before, what it had started is stopped again.
Status bring_up(Context& context, const ClusterFolder& folder, const UpOptions& options);

// Unmounts all, then stops the servers, each before those it needs. A busy mount stops it (kBusy), unless `force`.
Status bring_down(Context& context, const ClusterFolder& folder, bool force);

}  // namespace conclave::cli
