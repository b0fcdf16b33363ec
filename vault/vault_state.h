// What all of the vault's operations share: the database, the roster, the log, and the rule that every change is one
// synced transaction with its leaf in it. One operation at a time: whoever calls in (vault_ops, the expiry) takes the
// turn first and keeps it until the answer.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/certificate.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/sqlite.h"
#include "base/turns.h"
#include "vault/logged_before.h"
#include "vault/tlog.h"

namespace conclave::vault {

class VaultState {
 public:
  // Opens or makes the database at `path`. An empty one begins with `first_roster` (its bytes, made by init). kCorrupt,
  // kIo, kBusy (another process has it), kKeyRejected (the database begins with another roster).
  static Result<std::unique_ptr<VaultState>> open(const SqliteVfs& vfs, const std::string& path, ByteView first_roster,
                                                  SigningKey log_key, Clock& clock, Random& random, Waiter& waiter);

  [[nodiscard]] Turns::Turn take_turn() { return turns_.take(); }

  // All below: with the turn held.
  [[nodiscard]] const RosterChain& roster() const { return roster_; }
  [[nodiscard]] WallTime now() const { return clock_.wall(); }
  Random& random() { return random_; }
  // A statement for one use. Ours, so it must be right: a failure to prepare is kInternal.
  Result<Statement> prepare(std::string_view sql) { return db_->prepare(sql); }
  // The one number that a query gives.
  template <class... Values>
  Result<std::uint64_t> number(std::string_view sql, const Values&... values) {
    Statement query = TRY(prepare(sql));
    query.bind(values...);
    if (!TRY(query.step())) return Error(Errc::kInternal, "a query without a row");
    return query.u64(0);
  }
  // Whom a connection may speak for: a user's device and person must be in the newest roster still, whatever its
  // certificate says. kKeyRejected, kKeyRevoked, kKeyExpired. A machine's certificate is TLS's business alone.
  Status check_peer(const Peer& peer) const;

  // Runs `body` as one transaction that survives power loss once this returned; on an error nothing of it has happened,
  // in the database or in the log.
  Status change(const std::function<Status()>& body);
  // Inside change(): appends a leaf, time and limits filled in.
  struct Logged {
    std::uint64_t position = 0;
    Bytes leaf;
  };
  Result<Logged> log(LogLeaf leaf);
  // Inside change(): the signed checkpoint of all leaves so far; one leaf's inclusion proof in it; the proof that it
  // begins with what it was at an earlier size (kInvalid: it never was that long).
  std::string checkpoint() const;
  // A leaf in the log as it was at that size; 0 < size <= log_size(). kInvalid: it was not there yet.
  Result<LogProof> proof_at(std::uint64_t position, std::uint64_t size);
  [[nodiscard]] Hash log_root(std::uint64_t size) const { return size == 0 ? Hash{} : tree_.root(size); }
  Result<std::vector<Hash>> inclusion_proof(std::uint64_t position) const { return tree_.inclusion_proof(position, tree_.size()); }
  Result<std::vector<Hash>> consistency_proof(std::uint64_t earlier_size) const {
    return tree_.consistency_proof(earlier_size, tree_.size());
  }
  // After change() stored the version: takes it into roster().
  Status adopt_roster(ByteView version) { return roster_.append(version); }

  [[nodiscard]] std::uint64_t log_size() const { return tree_.size(); }
  // The leaves [first, first + count). kNotFound: there are not so many.
  Result<std::vector<Bytes>> leaves(std::uint64_t first, std::uint64_t count);
  // A file of the log by its path: tlog-tiles', or roster/VERSION. kNotFound, kInvalid.
  Result<std::string> log_file(const std::string& path);

 private:
  VaultState(std::unique_ptr<Database> db, RosterChain roster, SigningKey log_key, Clock& clock, Random& random,
             Waiter& waiter);
  Status load_log();

  std::unique_ptr<Database> db_;
  RosterChain roster_;
  MerkleTree tree_;
  const SigningKey log_key_;
  std::string origin_;
  Clock& clock_;
  Random& random_;
  Turns turns_;
};

// "conclave/<cluster id in hexadecimal>": the log's name in its checkpoints.
std::string log_origin(const ClusterId& cluster);

}  // namespace conclave::vault
