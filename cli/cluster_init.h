// Makes a cluster's folder, and what a file server needs to join it.
#pragma once

#include <string>

#include "base/certificate.h"
#include "cli/context.h"
#include "cli/join_token.h"

namespace conclave::cli {

struct InitOptions {
  std::string address = "127.0.0.1";  // where this machine's servers listen, and others reach them
  unsigned replicas = 2;
  std::string admin;                  // the first person; empty: named after the Unix user
};

// kExists when the folder holds a cluster, or anything else.
Status check_empty(Files& files, const ClusterFolder& folder);

// Writes everything; cluster.toml last, so that a folder that has it is whole. Refuses (kExists) a folder that is not
// empty. Durable once it returned.
Status init_cluster(Context& context, const ClusterFolder& folder, const InitOptions& options);

// A certificate under the next unused name. Needs the CA's key: kNotFound when that was taken away from the folder.
Result<JoinToken> make_join_token(Context& context, const ClusterFolder& folder);

// Writes fileserver.toml and what it names into `data`. `listen`: "HOST:PORT" of the front port or just "HOST"; empty:
// the address that leads to the directory server. kExists if `data` already belongs to a file server.
Status install_file_server(Context& context, const JoinToken& token, const std::string& data, const std::string& listen);

}  // namespace conclave::cli
