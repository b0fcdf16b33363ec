// The vault as this mount speaks to it: every answer is checked against the roster before it is believed. All calls
// block on the vault; thread-safe.
#pragma once

#include <mutex>
#include <string>

#include "base/cluster_file.h"
#include "base/guarded.h"
#include "vault/release_proof.h"
#include "vault/roster_client.h"
#include "vault/secret_seal.h"
#include "vault/log_check.h"

namespace conclave::client {

// A version of a secret as the vault has it, checked.
struct SecretOnFile {
  vault::SecretHeader header;
  vault::ShareTable table;
  vault::Policy policy;             // under which it was sealed
  Bytes header_bytes, table_bytes, policy_bytes;
  vault::SecretProofs proofs;
};

// A request of this mount, with what only this mount has: the key that the answer is sealed to.
struct FiledRequest {
  SecretOnFile secret;
  vault::Request request;
  Bytes bytes;
  AgreementKey key;
};

// What came of a release, before the payload is opened.
struct ReleasedKey {
  vault::Case a_case;
  std::vector<vault::Approval> approvals;
  Bytes sealed_inner;
};

class SecretVault {
 public:
  SecretVault(vault::VaultClient& client, const ClusterFile& cluster, vault::VaultMemory& memory, Clock& clock, Random& random)
      : client_(client), cluster_(cluster), memory_(memory), clock_(clock), random_(random) {}

  [[nodiscard]] vault::SecretId id_of(InodeId inode) const;

  // The newest version; or one by its number. kNotFound: none was ever put.
  Result<SecretOnFile> newest(InodeId inode) { return version(inode, 0); }
  Result<SecretOnFile> version(InodeId inode, std::uint64_t number);
  // The policy in force of a directory itself, not of those above (vault/policy_client.h).
  Result<vault::Policy> policy(InodeId directory);
  Result<std::vector<vault::Policy>> policies();   // all that the vault names
  // A login as its device certifies it: kKeyRejected, kKeyRevoked, kKeyExpired, kAccess (a role is missing).
  Status check_login(const vault::LoginCert& cert, std::uint32_t roles);

  // Makes a request under a fresh key, and files it. `session` gets its events. `older`: the version need not be the newest.
  Result<FiledRequest> file(SecretOnFile secret, const vault::Login& login, const vault::Wish& wish,
                            const std::string& path_now, SessionId session, bool older);
  Result<vault::v1::State> state(const Hash& rd);
  // The release of an approved request, its place in the log verified. kWouldBlock: votes are missing; kAccess, kTimedOut.
  Result<ReleasedKey> release(const FiledRequest& filed);
  // The plaintext. kCorrupt.
  Result<SecretBytes> open(const FiledRequest& filed, const ReleasedKey& released, ByteView payload);
  // Told to the vault, as the next: a failure changes nothing here. It is not to be decided any more.
  void cancel(const FiledRequest& filed, const vault::Login& login);
  void record(const FiledRequest& filed, const vault::Login& login, vault::Happening happening);

  // Seals under the policy and the newest roster; nothing is sent yet.
  Result<vault::SealedVersion> seal(const SecretBytes& plaintext, const vault::SealPlace& place, const vault::Policy& policy,
                                    const vault::Login& author);
  // Makes the version current; its payload must be durable at the file servers. `permit`: the directory server's, for this header.
  // kStale: seal it again.
  Status put(const vault::SealedVersion& sealed, const std::string& permit);

  // Told to the vault; a failure changes nothing here.
  void logout(const vault::Login& login);
  vault::VaultClient& client() { return client_; }

 private:
  vault::LogCheck log_check();
  Result<SecretOnFile> version_once(InodeId inode, std::uint64_t number);
  Result<vault::Case> case_of(const FiledRequest& filed);
  // The roster now; fetched once, then what has come since.
  Result<vault::RosterChain> roster();
  Result<vault::Checkpoint> newest_checkpoint();
  // Remembers it, if it is of the log that was seen. `proven`: up to where that is known.
  Status saw(const vault::Checkpoint& checkpoint, std::uint64_t proven);

  vault::VaultClient& client_;
  const ClusterFile& cluster_;
  vault::VaultMemory& memory_;
  Clock& clock_;
  Random& random_;
  std::mutex mutex_;
  std::optional<vault::RosterChain> roster_ GUARDED_BY(mutex_);
  vault::Checkpoint seen_ GUARDED_BY(mutex_);                    // of the log, the newest verified
};

}  // namespace conclave::client
