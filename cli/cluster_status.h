// What `conclave status` says: asked of each server, with what this machine knows of their processes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/cluster_processes.h"
#include "conclave/dir/v1/dir.pb.h"
#include "conclave/lock/v1/lock.pb.h"
#include "conclave/vault/v1/vault.pb.h"

namespace conclave::cli {

struct ServerStatus {
  std::string name;            // "dirserver", "fileserver-2"
  std::string address;
  bool answers = false;
  std::string problem;         // why it does not
  std::optional<pid_t> pid;    // if it runs here as a process of this folder
  std::uint64_t resident_bytes = 0;
};

struct MountStatus {
  std::string path;
  bool alive = false;
  std::optional<pid_t> pid;
  std::uint64_t resident_bytes = 0;
};

struct ClusterStatus {
  std::string folder;
  std::vector<ServerStatus> servers;
  std::vector<MountStatus> mounts;
  std::optional<dir::v1::HealthResponse> dir;
  std::optional<lock::v1::HealthResponse> lock;
  std::optional<vault::v1::HealthResponse> vault;
  std::vector<std::string> warnings;

  // Asks each server for at most two seconds. kNotFound if the folder holds no cluster; a server that does not answer
  // is part of the status, not an error.
  static Result<ClusterStatus> ask(Context& context, const ClusterFolder& folder);
  [[nodiscard]] bool healthy() const;   // every server answers, every mount is alive
  [[nodiscard]] std::string json() const;
  void print() const;
};

}  // namespace conclave::cli
