// The two small files that tell a program where it is: cluster.toml, which every client and server of a
// cluster reads (who the servers are, whom to believe), and the part that all servers' configurations share.
#pragma once

#include <cstdint>
#include <string>

#include "base/config.h"
#include "base/connect_server.h"
#include "base/files.h"
#include "base/transport.h"

namespace conclave {

// cluster.toml:
//   [cluster]  id = "32 hexadecimal digits"
//   [servers]  dir = "1@127.0.0.1:7101"   lock = "1@127.0.0.1:7102"   vault = "1@127.0.0.1:7103"
//   [roster]   first = "64 hexadecimal digits" # the hash of the roster's version 1, which everybody pins
//   [log]      key = "64 hexadecimal digits"   # the audit log's Ed25519 public key
//   [tls]      ca = "ca.pem"               # beside cluster.toml, or an absolute path
struct ClusterFile {
  ClusterId id{};
  Endpoint dir, lock, vault;
  Hash roster_1{};           // of the roster's version 1
  SigningPublic log_key{};   // what checkpoints of the audit log are verified with
  std::string ca_pem;

  static Result<ClusterFile> load(Files& files, const std::string& path);
};

// The keys that every server's configuration has; paths are relative to the configuration file:
//   cluster = "cluster.toml"
//   [server]  name = "1"  listen = "127.0.0.1:7101"  data = "data"  log = "info"  threads = 4
//   [tls]     certificate = "server.pem"  key = "server.key"
struct ServerConfig {
  ClusterFile cluster;
  std::string name;
  std::string host;
  std::uint16_t port = 0;
  std::string data;          // made if missing
  std::string log_level;
  unsigned threads = 4;      // of the front pool
  TlsIdentity tls;
  std::string folder;        // of the configuration file

  // Takes its keys out of `config`; the caller takes its own and calls config.finish(). kInvalid, kNotFound, kReadOnly.
  static Result<ServerConfig> read(Config& config, Files& files, const std::string& config_path);
};

// "NAME@HOST:PORT" for a server of `role`; kInvalid.
Result<Endpoint> parse_endpoint(std::string_view text, Role role, const ClusterId& cluster);
// "HOST:PORT"; an IPv6 address stands in brackets. kInvalid.
Result<std::pair<std::string, std::uint16_t>> parse_address(std::string_view text);
// `path` itself if absolute, else below `folder`.
std::string path_below(const std::string& folder, const std::string& path);
std::string folder_of(const std::string& path);

}  // namespace conclave
