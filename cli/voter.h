// A person's vote, from what was verified to its place in the audit log: what `conclave approve` and `conclave deny` do
// once the person has decided.
#pragma once

#include <string>
#include <vector>

#include "base/cluster_file.h"
#include "base/random.h"
#include "cli/request_text.h"
#include "vault/log_check.h"
#include "vault/vault_client.h"

namespace conclave::cli {

// The request that `id` names, verified. kNotFound, kInvalid, kKeyRejected, and Transport's.
Result<CheckedRequest> find_request(vault::VaultClient& vault, const std::string& id, const vault::RosterChain& roster);

class Voter {
 public:
  struct Seams {
    Clock& clock;
    Random& random;
  };
  // `roster`: the newest, checked. `memory`: of this device. All outlive the voter.
  Voter(Seams seams, vault::VaultClient& vault, const ClusterFile& cluster, const vault::RosterChain& roster,
        const vault::Device& device, vault::VaultMemory& memory);

  // The request after the vote, once the vote stands in the log that the vault signs. kUnknown: it may count; kCorrupt,
  // kKeyRejected: the vault has taken it and shows a log without it, or one that does not continue what was seen; and as
  // vault::approve, vault::deny and RequestBook say. Blocks on the vault.
  // Under a policy that discloses after the quorum, the vote; and the share at once if this vote was the last that was missing.
  Result<CheckedRequest> approve(const CheckedRequest& request);
  // The share that follows this device's vote, once the signed votes that make the quorum of this very request were seen in the
  // log. kWouldBlock: it is not due.
  Result<CheckedRequest> disclose(const CheckedRequest& request);
  // The same for every request that waits for this person's share; those that were given it. One that does not verify, or that
  // was decided meanwhile, is passed over.
  Result<std::vector<CheckedRequest>> disclose_due(const std::string& person);
  Result<CheckedRequest> deny(const CheckedRequest& request, const std::string& reason);

 private:
  [[nodiscard]] bool share_is_due(const CheckedRequest& request) const;
  Status check_votes_logged(const CheckedRequest& request);
  Result<CheckedRequest> send(vault::LeafKind kind, const vault::Approval& approval);
  template <class Send>
  Result<CheckedRequest> cast(vault::LeafKind kind, const Hash& rd, const Bytes& vote, const Send& send);

  const Seams seams_;
  vault::VaultClient& vault_;
  const vault::RosterChain& roster_;
  const vault::Device& device_;
  vault::LogCheck log_;
};

}  // namespace conclave::cli
