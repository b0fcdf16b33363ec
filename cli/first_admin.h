// The first person of a cluster: an admin, and the only one in version 1 of the roster.
#pragma once

#include <string>

#include "base/ids.h"
#include "cli/context.h"

namespace conclave::cli {

// Makes the identity `name` below Context::home(), sealed under a passphrase that is asked for, and returns version 1 of
// the roster (threshold 1, signed by it), encoded. An identity of that name whose cluster is gone is moved aside
// ("NAME.was-…"), never overwritten; one whose cluster is there is kExists. Call it before anything else of the cluster
// is written: it may ask, and be refused.
Result<Bytes> init_first_admin(Context& context, const ClusterFolder& folder, const ClusterId& cluster,
                               const std::string& name);

// Where the servers are, beside the identity: copies of cluster.toml and ca.pem.
Status copy_cluster_file(Context& context, const ClusterFolder& folder, const IdentityFolder& identity);

}  // namespace conclave::cli
