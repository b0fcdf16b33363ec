#include "vault/logged_before.h"

namespace conclave::vault {

Status check_logged_before(const RosterVersion* refusing, LeafKind kind, const Hash& subject, const LogProof* proof,
                           const std::string& what) {
  if (refusing == nullptr) return {};
  const std::string whose = what + " was signed by who may not sign since roster version " + std::to_string(refusing->version);
  if (proof == nullptr) {
    return Error(Errc::kStale, whose + ", and the vault does not show that the audit log had it before: it may have been made "
                                       "afterwards. If asking again does not help, an admin signs a new one");
  }
  const Error rejected(Errc::kKeyRejected, whose + ", and was not in the audit log before that: do not trust it, and ask an "
                                                   "admin to look at the vault");
  const auto leaf = parse_leaf(proof->leaf);
  if (!leaf || leaf->kind != kind || leaf->subject != subject) return rejected;
  if (!verify_inclusion(leaf_hash(proof->leaf), proof->index, refusing->log_size, proof->inclusion, refusing->log_root)) {
    return rejected;
  }
  return {};
}

}  // namespace conclave::vault
