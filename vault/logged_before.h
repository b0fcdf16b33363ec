// What was signed by who may not sign any more. A signature does not tell when it was made, and who was revoked still has the
// key: it counts only if the audit log had it before. Which log, the admins say who signed the revoking version: it names the
// log as they saw it, so no server can put anything into it afterwards.
#pragma once

#include <optional>

#include "vault/log_leaf.h"
#include "vault/merkle.h"
#include "vault/roster.h"

namespace conclave::vault {

// A leaf of the log and its place in the tree that a roster version names.
struct LogProof {
  Bytes leaf;
  std::uint64_t index = 0;
  std::vector<Hash> inclusion;
};

inline const LogProof* pointer_to(const std::optional<LogProof>& proof) { return proof ? &*proof : nullptr; }

// What goes with a version of a secret whose policy or author was signed by who has left since.
struct SecretProofs {
  std::optional<LogProof> policy, header;
};

// The first version after `named` that `stands` refuses; null if the signers stand in all of them.
template <class Stands>
const RosterVersion* first_refusal(const RosterChain& chain, std::uint64_t named, const Stands& stands) {
  for (std::uint64_t v = named + 1; v <= chain.current().version; ++v) {
    if (!stands(*chain.at(v))) return chain.at(v);
  }
  return nullptr;
}

// The log that `refusing` names has a leaf of that kind and subject. True at once if `refusing` is null. kStale: nothing is
// shown, as when the version came while it was asked for; kKeyRejected: what is shown does not stand there. `what` is for
// people: "the policy of /secrets".
Status check_logged_before(const RosterVersion* refusing, LeafKind kind, const Hash& subject, const LogProof* proof,
                           const std::string& what);

}  // namespace conclave::vault
