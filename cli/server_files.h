// The configuration files that we write, as text. What the keys mean: base/cluster_file.h and each server's main.
#pragma once

#include <cstdint>
#include <string>

namespace conclave::cli {

struct ClusterAddresses {
  std::string id_hex;
  std::string dir, lock, vault;  // "HOST:PORT"
  std::string roster_hex;        // of the roster's version 1
  std::string log_key_hex;       // public half of the audit log's key
};
std::string cluster_toml(const ClusterAddresses& addresses);

std::string lockserver_toml(const std::string& listen);
// The tree belongs to `owner`.
std::string dirserver_toml(const std::string& listen, unsigned replicas, unsigned owner_uid, unsigned owner_gid);
std::string vault_toml(const std::string& listen);
std::string fileserver_toml(const std::string& name, const std::string& listen, const std::string& back);
std::string mount_toml();

}  // namespace conclave::cli
