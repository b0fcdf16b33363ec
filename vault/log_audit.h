// The log's own truth: reads every entry in order and refuses what an honest vault could not have written there. It needs nothing
// but the log, the rosters that lie beside it, and the hash of the first one: signatures are checked against the roster of that
// point of the log, quorums counted by the policy of that time, and each release, opening and end follows what was voted before.
//
// What it cannot know: whether a time-out was told in time, the notes' truth beyond what they follow from, and what was left out.
// Not thread-safe; calls nobody but `rosters`.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vault/log_leaf.h"
#include "vault/merkle.h"
#include "vault/release.h"

namespace conclave::vault {

class LogAudit {
 public:
  // The bytes of a roster version, by its number.
  using RosterFile = std::function<Result<Bytes>(std::uint64_t version)>;
  LogAudit(const Hash& pinned_roster, RosterFile rosters) : pinned_(pinned_roster), rosters_(std::move(rosters)) {}
  LogAudit(LogAudit&&) = default;         // a copy's ballots would point at the versions of the other
  LogAudit& operator=(LogAudit&&) = delete;

  // The next entry. kCorrupt: it may not stand here; the message says which and why. And what `rosters` says.
  Status take(ByteView entry);

  [[nodiscard]] const MerkleTree& tree() const { return tree_; }
  [[nodiscard]] std::uint64_t releases() const { return releases_; }
  // The newest version of each secret, by path.
  struct Secret {
    std::string path, author, quorum;
    std::uint64_t version = 0;
    WallTime written;
    bool after_quorum = false;
    std::vector<std::string> exposed_by;   // release.h; empty: it is not exposed
  };
  [[nodiscard]] std::vector<Secret> secrets() const;

 private:
  // As the vault goes on, entry by entry: what was decided stays so, whoever leaves the roster later.
  enum class Stage : std::uint8_t { kWaiting, kApproved, kDenied, kReleased, kEnded };
  struct Version {
    SecretHeader header;
    Hash table{};
    std::shared_ptr<const Policy> policy;
  };
  struct Ballot {
    Request request;
    const Version* version = nullptr;
    std::vector<Approval> approvals;
    std::vector<Denial> denials;
    std::set<std::string> gave_share;   // also who has left since: what went out is out
    bool approved = false;              // once
    Stage stage = Stage::kWaiting;
    std::uint32_t openings = 0;
  };

  Status check(const LogLeaf& leaf);
  Status roster(const LogLeaf& leaf);
  Status policy(const LogLeaf& leaf);
  Status put(const LogLeaf& leaf);
  Status request(const LogLeaf& leaf);
  [[nodiscard]] Status check_still_opens(const Version& version, const Hash& header) const;
  Status of_request(const LogLeaf& leaf);            // what names one that was made
  Status approve(const LogLeaf& leaf, Ballot& ballot);
  Status deny(const LogLeaf& leaf, Ballot& ballot);
  Status release(const LogLeaf& leaf, Ballot& ballot);
  Status record(const LogLeaf& leaf, Ballot& ballot);
  Status time_out(const LogLeaf& leaf, Ballot& ballot);
  Status check_waits(const LogLeaf& leaf, const Ballot& ballot) const;
  [[nodiscard]] Tally count(const Ballot& ballot) const;   // by the roster of this place
  void decide(Ballot& ballot) const;                       // after a vote

  const Hash pinned_;
  const RosterFile rosters_;
  MerkleTree tree_;
  std::optional<RosterChain> chain_;
  std::map<InodeId, std::shared_ptr<const Policy>> policies_;   // in force
  std::map<Hash, Version> versions_;                            // by the header's hash
  std::map<SecretId, Hash> newest_;
  std::map<Hash, Ballot> ballots_;                              // by rd
  std::uint64_t releases_ = 0;
  std::uint64_t sealed_to_ = 0;                                 // behind the newest policy or put
};

// The notes of entries, as the vault writes them and an audit expects them.
std::string note_of(const RosterVersion& roster);
std::string note_of(const Policy& policy);
std::string note_of(const SecretHeader& header);   // of a put; entries of requests have its path

}  // namespace conclave::vault
