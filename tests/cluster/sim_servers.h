// The servers of a simulated cluster: the real ones, wired as their mains wire them, each a SimNode with a disk of its
// own that outlives it. kill() is kill -9, power_loss() also takes what the disk was not synced to keep; restart()
// begins anew from the disk.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/ids.h"
#include "base/log.h"
#include "base/tls.h"
#include "dirserver/dir_rows.h"
#include "tests/support/simulation.h"

namespace conclave::sim {

inline constexpr ClusterId kSimCluster{7, 7};
inline constexpr std::uint16_t kFrontPort = 1;
inline constexpr std::uint16_t kBackPort = 2;

// CONCLAVE_SIM_LOG=info shows what the servers and mounts log; otherwise nothing is shown.
LogLevel sim_log_level();
Peer sim_peer(Role role, const std::string& name);
// The directory server's certificate, and the CA's: the network simulates TLS, but permits to put are signed.
const TlsIdentity& sim_dir_identity();

// A server process. What runs in it is built by `build` at each start and lives until its tasks have ended.
class SimServer {
 public:
  using Build = std::function<std::shared_ptr<void>(SimServer&)>;
  SimServer(Simulation& sim, Role role, const std::string& name, std::uint64_t disk_seed);
  ~SimServer() { kill(); }
  SimServer(const SimServer&) = delete;

  void start_with(Build build);   // the first start
  void kill();
  void power_loss();
  void restart();                 // after kill() or power_loss()
  // After kill(): a power loss that, as it happens, lost nothing.
  void forget_run() { ++machine_runs_; }
  void pause() { node_.pause(); }
  void resume() { node_.resume(); }

  [[nodiscard]] Endpoint endpoint() const { return node_.endpoint(kFrontPort); }
  [[nodiscard]] const std::string& name() const { return node_.name(); }
  [[nodiscard]] Simulation& sim() { return sim_; }
  // What start_with()'s function made, while it runs.
  [[nodiscard]] void* parts() { return parts_.get(); }
  [[nodiscard]] SimFiles& disk() { return disk_; }
  [[nodiscard]] SimNode& node() { return node_; }
  [[nodiscard]] SimTransport& transport() { return transport_; }
  [[nodiscard]] Log& log() { return log_; }
  [[nodiscard]] std::string machine_run() const { return "run" + std::to_string(machine_runs_); }

 private:
  Simulation& sim_;
  SimFiles disk_;
  Log log_;
  Build build_;
  std::shared_ptr<void> parts_;
  SimNode node_;
  SimTransport transport_;
  int machine_runs_ = 1;
};

// For SimServer::start_with.
SimServer::Build lock_server(Duration term);
SimServer::Build dir_server(const Endpoint& lock, unsigned replicas);
// `instance`: 16 bytes that stay the same over restarts. `clock_rate`: of the clock by which it serves (drifting_clock.h).
SimServer::Build file_server(const Endpoint& dir, const std::string& instance, double clock_rate = 1);

// Every chunk as the directory server has it.
std::vector<dir::Chunk> chunks_at(SimServer& dir_server);
// Copies that are missing, or at servers that are drained.
std::uint64_t chunks_to_heal(SimServer& dir_server);
// As if clients had used so many inodes there as a file server remembers the leases of.
void use_many_inodes(SimServer& file_server);
// Moves everything away from a file server, by its certificate's name.
void drain(SimServer& dir_server, const std::string& name);
// All members of all chunks hold the same, whole. Failures are test failures.
void check_copies_are_equal(SimServer& dir_server, const std::vector<std::unique_ptr<SimServer>>& file_servers);

}  // namespace conclave::sim
