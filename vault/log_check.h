// A client's eye on the audit log: each new checkpoint must continue the one it has seen, and what it did itself must stand
// in it. Fetches a few tiles, not the log. The vault's and the memory's errors, and kCorrupt, kKeyRejected.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "vault/log_leaf.h"
#include "vault/vault_memory.h"

namespace conclave::vault {

// A file of the log by its tlog-tiles path.
using LogFile = std::function<Result<std::string>(const std::string& path)>;

class LogCheck {
 public:
  LogCheck(LogFile file, std::string origin, const SigningPublic& log_key, VaultMemory& memory)
      : file_(std::move(file)), origin_(std::move(origin)), log_key_(log_key), memory_(memory) {}

  // The newest checkpoint, verified to be signed by the log's key and to begin with what was remembered; then remembered.
  Result<Checkpoint> advance();

  // A log that admins signed for is the one that was seen; then it is remembered. kCorrupt: it is another.
  Status check_named(std::uint64_t size, const Hash& root);

  // The log of the larger of two verified checkpoints begins with that of the smaller. kCorrupt: they are two logs.
  Status check_same_log(const Checkpoint& one, const Checkpoint& other);

  // One leaf of [from, checkpoint.size) is this one and is in the tree that the checkpoint signs. kCorrupt: none is, or more
  // than kMostLeaves would have to be looked at.
  static constexpr std::uint64_t kMostLeaves = 4096;
  Status check_logged(std::uint64_t from, const Checkpoint& checkpoint, LeafKind kind, const Hash& subject, ByteView content);
  // The leaf at exactly that place, however long ago. kCorrupt: it is another.
  Status check_logged_at(std::uint64_t index, const Checkpoint& checkpoint, LeafKind kind, const Hash& subject, ByteView content);

 private:
  Status check_included(ByteView leaf, std::uint64_t index, const Checkpoint& checkpoint);
  Result<Hash> subtree(unsigned level, std::uint64_t index, std::uint64_t size);
  Result<std::vector<Bytes>> bundle(std::uint64_t number, std::uint64_t size);

  const LogFile file_;
  const std::string origin_;
  const SigningPublic log_key_;
  VaultMemory& memory_;
  std::map<std::string, std::string> tiles_;   // fetched, by path; what is in them is believed by nobody
};

// For who has fetched a roster that `memory` may not know yet: the log that its newest version names is the one that was seen,
// and it is no older than what was seen. Remembers both, where there is room. As VaultMemory::check_roster, and kCorrupt.
Status accept_roster(const RosterChain& chain, VaultMemory& memory, LogCheck& log);

}  // namespace conclave::vault
