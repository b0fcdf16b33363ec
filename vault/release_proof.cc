#include "vault/release_proof.h"

#include <algorithm>

#include "vault/log_leaf.h"

namespace conclave::vault {

Result<Checkpoint> check_release_logged(const Case& a_case, const std::vector<Approval>& approvals,
                                        ByteView sealed_inner, const ReleaseProof& proof, std::string_view origin,
                                        const SigningPublic& log_key) {
  const Checkpoint checkpoint = TRY(open_checkpoint(proof.checkpoint, origin, log_key));
  const LogLeaf leaf = TRY(parse_leaf(proof.leaf));
  const Hash released = release_hash(a_case.rd, approvals, sealed_inner);
  const bool is_this = leaf.kind == LeafKind::kRelease && leaf.subject == a_case.rd &&
                       std::equal(leaf.content.begin(), leaf.content.end(), released.begin(), released.end());
  if (!is_this) return Error(Errc::kCorrupt, "the log's leaf is not of this release");
  const Request& request = a_case.request;
  if (checkpoint.size < request.log_size) return Error(Errc::kCorrupt, "the log has become shorter");
  if (request.log_size > 0) {
    TRY(verify_consistency(request.log_size, request.log_root, checkpoint.size, checkpoint.root, proof.consistency));
  }
  TRY(verify_inclusion(leaf_hash(proof.leaf), proof.index, checkpoint.size, proof.inclusion, checkpoint.root));
  return checkpoint;
}

}  // namespace conclave::vault
