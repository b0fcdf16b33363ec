// A whole cluster in one process, from one seed: lock server, directory server, file servers and mounts, with what
// programs did to its files beside it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/cluster/file_history.h"
#include "tests/cluster/sim_mount.h"
#include "tests/cluster/sim_servers.h"
#include "tests/cluster/sim_vault.h"

namespace conclave::sim {

class FsWorld {
 public:
  struct Shape {
    int mounts = 1;
    int file_servers = 2;
    unsigned replicas = 2;
    Duration term = 10s;   // of a session
    bool vault = false;
    double drift = 0;      // each file server's clock runs up to this part faster or slower
  };
  FsWorld(std::uint64_t seed, Shape shape);

  Simulation sim;
  SimServer lock, dir;
  std::unique_ptr<SimVault> vault;
  std::vector<std::unique_ptr<SimServer>> files;
  std::vector<std::unique_ptr<SimMount>> mounts;

  // Where everybody is and whom to believe.
  [[nodiscard]] ClusterFile cluster() const;
  // The history of a file, by path.
  FileHistory& history(const std::string& path);
  [[nodiscard]] SimMount& mount(int number) { return *mounts[static_cast<std::size_t>(number)]; }
  // Runs `body` as a program on a mount, to its end.
  void on_mount(int number, const std::function<void(SimMount&)>& body);
  // Until every file server serves and every mount has a session; at most a simulated minute.
  void settle();
  // Once nobody writes: every mount sends what it has, and then holds nothing. All servers must be there.
  void check_nothing_held();

  // A server loses its power: what was not synced on its disk is gone, and what programs wrote is uncertain as far as
  // no fsync covered it. It starts again after `away`.
  void lose_power(SimServer& server, Duration away);
  // kill -9 and a new start: what was answered stays.
  static void crash(SimServer& server, Duration away);

 private:
  std::map<std::string, std::unique_ptr<FileHistory>> histories_;
};

// Runs `scenario` for each seed until one fails: `few` by default, CONCLAVE_SEEDS of them in a campaign, from
// CONCLAVE_FIRST_SEED (1) on.
void for_seeds(std::uint64_t few, const std::function<void(std::uint64_t seed)>& scenario);

}  // namespace conclave::sim
