// All that a mount needs for secrets, wired together: the vault's client, logins, requests and grants, and their places
// in the table of classes and under /.conclave.
#pragma once

#include <string>

#include "client/secrets/secret_files.h"
#include "client/status/status_files.h"

namespace conclave::client {

class SecretMount {
 public:
  struct Parts {
    const Servers& servers;
    const ClientSession& session;
    LeaseCache& leases;
    LeasedInodes& inodes;
    InodeTable& table;
    ChunkIo& chunks;
    Names& names;
    Transport& transport;
    const ClusterFile& cluster;
    Clock& clock;
    Waiter& waiter;
    Random& random;
    Parking& parking;
    Files& files;
    Log& log;
    std::string memory;   // a folder of this mount's own, for what it has seen of the vault
    std::string host;     // shown to approvers
    std::string mount;    // where programs see it
  };
  explicit SecretMount(const Parts& parts);

  // While wiring: the secret row; login, logout, request, requests and audit/.
  void add_to(FileClasses& classes, StatusFiles& status);

  SecretFiles& files() { return files_; }
  void wipe() { book_.end_all(); }

 private:
  Result<std::vector<std::string>> audit_paths();

  vault::VaultClient client_;
  vault::VaultMemory memory_;
  SecretVault vault_;
  SecretPlaces places_;
  LoginTable logins_;
  SecretBook book_;
  SecretAuthor author_;
  SecretFiles files_;
};

}  // namespace conclave::client
