// A person of a simulated cluster at a command line: every call begins as a command does, with the roster fetched and
// checked against what this device has seen, and votes are cast by the commands' own code.
#pragma once

#include <string>
#include <vector>

#include "cli/voter.h"
#include "tests/cluster/sim_vault.h"

namespace conclave::sim {

class SimPerson {
 public:
  SimPerson(Simulation& sim, SimVault& vault, const std::string& name);

  [[nodiscard]] const std::string& name() const { return name_; }
  SimScheduler::TaskId spawn(std::function<void()> body) { return node_.spawn("person", std::move(body)); }
  [[nodiscard]] SimNode& node() { return node_; }

  // All from a task of the person. Every request that waits for votes, or every one at all, each verified.
  Result<std::vector<cli::CheckedRequest>> requests(bool all);
  Result<cli::CheckedRequest> approve(const cli::CheckedRequest& request);
  Result<cli::CheckedRequest> deny(const cli::CheckedRequest& request);
  // The shares that this person's votes promise and that are due now; how many were given.
  Result<std::size_t> disclose_due();
  Status put_policy(vault::Policy policy);   // as an admin, who signs it
  // As an author who speaks to the vault with a program of their own: a version under the policy that is in force, without a mount.
  Status put_version(InodeId secret, std::uint64_t version, const std::string& path);
  // Every leaf of the audit log: read, hashed, its root the one that the vault signs, and each one that may stand there.
  Result<std::vector<vault::LogLeaf>> read_log();

 private:
  Result<vault::RosterChain> roster();
  [[nodiscard]] const vault::Device& device() const { return vault_.people().device(name_); }

  Simulation& sim_;
  SimVault& vault_;
  const std::string name_;
  const ClusterFile cluster_;
  SimFiles files_;
  SimNode node_;
  SimTransport transport_;
  vault::VaultClient client_;
  vault::VaultMemory memory_;
};

}  // namespace conclave::sim
