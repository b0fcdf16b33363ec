// Where everything of a cluster lies on this machine. This file makes every path of it.
//
//   D/cluster.toml ca.pem ca.key            who the servers are, whom to believe; the key that makes certificates
//   D/dirserver/ lockserver/ vault/         dirserver.toml, server.pem, server.key, data/
//   D/mount/                                mount.toml, host.pem, host.key
//   D/fileserver-1/ …                       as if joined by a token: nothing in it points out of it
//   D/run/  D/log/                          what runs now; what it said
#pragma once

#include <string>
#include <vector>

#include "base/files.h"

namespace conclave::cli {

struct ClusterFolder {
  std::string path;  // absolute

  [[nodiscard]] std::string cluster_file() const { return path + "/cluster.toml"; }
  [[nodiscard]] std::string ca_certificate() const { return path + "/ca.pem"; }
  [[nodiscard]] std::string ca_key() const { return path + "/ca.key"; }
  [[nodiscard]] std::string next_file_server() const { return path + "/next-fileserver"; }
  [[nodiscard]] std::string server(const std::string& name) const { return path + "/" + name; }
  // "fileserver-2" is configured by fileserver.toml, all others by NAME.toml.
  [[nodiscard]] std::string config(const std::string& name) const {
    return server(name) + "/" + name.substr(0, name.find('-')) + ".toml";
  }
  [[nodiscard]] std::string run() const { return path + "/run"; }
  [[nodiscard]] std::string lock() const { return run() + "/lock"; }
  [[nodiscard]] std::string process(const std::string& name) const { return run() + "/" + name + ".pid"; }
  [[nodiscard]] std::string log(const std::string& name) const { return path + "/log/" + name + ".log"; }

  // "fileserver-1", …: the folders that are there, by number. Not those that were left half made (by a full disk) and
  // never ran: they have neither a configuration, which is written last, nor data.
  [[nodiscard]] Result<std::vector<std::string>> file_servers(Files& files) const;
  // Every server that belongs to this folder, in the order in which they start: each needs those before it.
  [[nodiscard]] Result<std::vector<std::string>> servers(Files& files) const;
};

// Absolute, without "." and ".." and a slash at the end; nothing is looked up.
std::string absolute_path(const std::string& path);

}  // namespace conclave::cli
