// Policies and secret versions at the vault. Handlers of VaultService, called with the turn held (vault_state.h).
#pragma once

#include <optional>

#include "base/router.h"
#include "conclave/vault/v1/vault.pb.h"
#include "vault/accounts.h"
#include "vault/secret_version.h"

namespace conclave::vault {

// A version with what it was sealed under, as canonical bytes.
struct StoredSecret {
  Bytes header, table, policy, inner;
  std::uint64_t position = 0;   // of its leaf
};

class Secrets {
 public:
  // `ca_pem`: who made the directory server's certificate.
  Secrets(VaultState& state, Accounts& accounts, std::string ca_pem)
      : state_(state), accounts_(accounts), ca_pem_(std::move(ca_pem)) {}

  // The directory's next policy, judged by its signatures and the chain. The same again is done already.
  Result<v1::PutPolicyResponse> put_policy(const CallContext& context, const v1::PutPolicyRequest& request);
  Result<v1::GetPolicyResponse> get_policy(const CallContext& context, const v1::GetPolicyRequest& request);
  Result<v1::ListPoliciesResponse> list_policies(const CallContext& context, const v1::ListPoliciesRequest& request);

  // Makes a version current; its payload is already at the file servers. kStale (not the next version, or the policy or
  // roster has moved on: seal again), kAccess (no permit of the directory server for this put; another policy is nearer to the
  // secret's path, or its versions so far lie under a folder that does not hold this policy's), and as check_put.
  // The same again is done already.
  Result<v1::PutSecretResponse> put_secret(const CallContext& context, const v1::PutSecretRequest& request);
  // `inner` is never in the answer.
  Result<v1::GetSecretResponse> get_secret(const CallContext& context, const v1::GetSecretRequest& request);

  // What shows that policy and header were logged before their signers left; nothing while they stand.
  Result<SecretProofs> proofs(const StoredSecret& secret);

  // For who asks for this version, and again for who is to get it. An older one than the newest: kAccess unless its policy is in
  // force still, is that of the newest version's folder, and no other is nearer to the path by now. What was sealed again, or
  // would be, under a stronger policy does not open by the weaker one that it had.
  Status check_still_opens(const SecretHeader& header, const Policy& policy);

  // kNotFound.
  Result<StoredSecret> find_by_header(const Hash& header);
  Result<std::uint64_t> newest_version(const SecretId& secret);   // 0: none
  Result<std::uint64_t> count();

 private:
  Result<std::optional<Policy>> current_policy(InodeId directory);
  Result<std::optional<LogProof>> proof_of(const Policy& policy);
  Result<std::optional<LogProof>> proof_before(const RosterVersion* refusing, std::uint64_t position);
  Status check_permit(const Peer& peer, const SecretHeader& header, const Policy& policy, ByteView sealed);
  Status check_nearest(const SecretHeader& header, const Policy& policy);
  Status check_moved_inwards(const SecretHeader& header, const Policy& policy);

  VaultState& state_;
  Accounts& accounts_;
  const std::string ca_pem_;
};

}  // namespace conclave::vault
