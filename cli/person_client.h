// A person at work: the identity unlocked, a login of some minutes, the vault spoken to as that person, and the roster
// checked from its pinned beginning. What a command needs to sign something.
#pragma once

#include <memory>

#include "cli/context.h"
#include "vault/identity.h"
#include "vault/roster_client.h"
#include "vault/log_check.h"

namespace conclave::cli {

class PersonClient {
 public:
  // Asks for the passphrase of Context::identity(). kKeyRejected (wrong passphrase), kAccess (not yet admitted),
  // kKeyRevoked, kKeyExpired, kStale (the vault shows an older roster than this device has seen), and the vault's errors.
  static Result<std::unique_ptr<PersonClient>> open(Context& context);

  // The same person with a new login, without asking again.
  static Result<std::unique_ptr<PersonClient>> renew(Context& context, std::unique_ptr<PersonClient> old);

  [[nodiscard]] const std::string& name() const { return identity_.person; }
  [[nodiscard]] const vault::Identity& identity() const { return identity_; }
  [[nodiscard]] const vault::Login& login() const { return login_; }
  [[nodiscard]] const IdentityFolder& folder() const { return folder_; }
  [[nodiscard]] const ClusterFile& cluster() const { return cluster_; }
  vault::RosterChain& roster() { return roster_; }
  vault::VaultClient& vault() { return *vault_; }
  vault::VaultMemory& memory() { return *memory_; }   // of this device, in its folder
  Transport& transport() { return *transport_; }

 private:
  static Result<std::unique_ptr<PersonClient>> enter(Context& context, const IdentityFolder& folder, vault::Identity identity);
  PersonClient(IdentityFolder folder, ClusterFile cluster, vault::Identity identity, vault::Login login,
               std::unique_ptr<Transport> transport, std::unique_ptr<vault::VaultClient> vault, vault::RosterChain roster,
               std::unique_ptr<vault::VaultMemory> memory)
      : folder_(std::move(folder)), cluster_(std::move(cluster)), identity_(std::move(identity)), login_(std::move(login)),
        transport_(std::move(transport)), vault_(std::move(vault)), roster_(std::move(roster)),
        memory_(std::move(memory)) {}

  IdentityFolder folder_;
  ClusterFile cluster_;
  vault::Identity identity_;
  vault::Login login_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<vault::VaultClient> vault_;
  vault::RosterChain roster_;
  std::unique_ptr<vault::VaultMemory> memory_;
};

// Of the log that this vault shows, against what `memory` holds. Both outlive it.
vault::LogCheck log_check(vault::VaultClient& vault, const ClusterFile& cluster, vault::VaultMemory& memory);

// The identity of Context::identity(), its passphrase asked for.
Result<vault::Identity> unlock_identity(Context& context, const IdentityFolder& folder);
// A transport that may knock: the identity's guest certificate, or this machine's host certificate.
Result<std::unique_ptr<Transport>> knocking_transport(Context& context, const IdentityFolder& folder);

// Reading without a passphrase: with the machine's host certificate where this machine has one, else as the person. Either
// remembers what it has seen, as PersonClient::open does.
struct VaultReader {
  std::unique_ptr<Transport> transport;
  std::unique_ptr<PersonClient> person;    // null with a host certificate
  std::unique_ptr<vault::VaultClient> vault;
  std::unique_ptr<vault::VaultMemory> own_memory;   // of this machine's commands; null for a person
  vault::RosterChain roster;
  ClusterFile cluster;
  vault::VaultMemory& memory() { return own_memory ? *own_memory : person->memory(); }
};
Result<VaultReader> open_vault_reader(Context& context);

// Where what was seen of the vault is kept: by this person's device, and by this machine's commands if they are the caller's.
std::vector<std::string> memory_folders(Context& context);

}  // namespace conclave::cli
