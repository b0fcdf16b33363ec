// All that a mount needs for secrets, wired together: the vault's client, logins, requests and grants, and their places
// in the table of classes and under /.conclave.
#pragma once

#include <string>

#include "fuse/secret_files.h"

namespace conclave::fuse_fs {

class SecretMount {
 public:
  // `memory`: a folder of this mount's own, for what it has seen of the vault.
  SecretMount(Fs& fs, Transport& transport, const ClusterFile& cluster, Clock& clock, Waiter& waiter, Random& random,
              Parking& parking, Files& files, Log& log, std::string memory, std::string host, std::string mount);

  // While wiring: the secret row; login, logout, request, requests and audit/.
  void add_to(FsClasses& classes, StatusFiles& status);
  // Once the mount answers: refuses all secrets if pages of them would stay. Blocks until a child process has tried.
  void test_guard(const std::string& mount);

  SecretFiles& files() { return files_; }
  void wipe() { book_.end_all(); }

 private:
  Result<std::vector<std::string>> audit_paths();

  Log& log_;
  vault::VaultClient client_;
  vault::VaultMemory memory_;
  SecretVault vault_;
  SecretPlaces places_;
  LoginTable logins_;
  SecretBook book_;
  SecretAuthor author_;
  SecretFiles files_;
};

}  // namespace conclave::fuse_fs
