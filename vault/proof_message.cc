#include "vault/proof_message.h"

#include <algorithm>

namespace conclave::vault {

v1::LogProof message_of(const LogProof& proof) {
  v1::LogProof out;
  out.set_leaf(string_of(proof.leaf));
  out.set_index(proof.index);
  for (const Hash& node : proof.inclusion) out.add_inclusion(string_of(node));
  return out;
}

v1::SecretProofs message_of(const SecretProofs& proofs) {
  v1::SecretProofs out;
  if (proofs.policy) *out.mutable_policy() = message_of(*proofs.policy);
  if (proofs.header) *out.mutable_header() = message_of(*proofs.header);
  return out;
}

std::optional<LogProof> proof_in(const v1::LogProof& message) {
  if (message.leaf().empty()) return std::nullopt;
  LogProof out{bytes_of(view_of(message.leaf())), message.index(), {}};
  for (const std::string& node : message.inclusion()) {
    Hash hash{};
    if (node.size() == hash.size()) std::copy(node.begin(), node.end(), hash.begin());
    out.inclusion.push_back(hash);
  }
  return out;
}

SecretProofs proofs_in(const v1::SecretProofs& message) {
  return {proof_in(message.policy()), proof_in(message.header())};
}

}  // namespace conclave::vault
