// The decision and what follows from it: counting votes by people, handing the vault's `inner` to the request's key,
// and, at the requester's, joining shares and `inner` into the plaintext.
#pragma once

#include <string>
#include <vector>

#include "vault/approval.h"

namespace conclave::vault {

enum class Decision : std::uint8_t { kPending, kApproved, kDenied };

struct GroupCount {
  std::string name;
  std::uint32_t have = 0, need = 0;
};
struct Tally {
  Decision decision = Decision::kPending;
  std::vector<GroupCount> groups;           // as in the policy
  std::vector<std::string> approved, denied;  // people, in the order of their votes
};

// Counts valid votes by different people; votes that check_approval or check_denial refuse do not count, nor does a
// second device of the same person, nor an approval by who also denied. Enough denials end a request whatever the
// approvals; expiry is check_open's.
Tally count_votes(const Case& a_case, const std::vector<Approval>& approvals, const std::vector<Denial>& denials,
                  const RosterChain& chain);

// Vault: `inner` sealed to the request's key. kKeyRejected for a key of small order.
inline constexpr std::size_t kSealedInnerBytes = 48 + kHpkeOverheadBytes;
Result<Bytes> seal_inner(const Case& a_case, ByteView inner, Random& random);
// What a release leaf in the log commits to: the approvals and the sealed inner, in order.
Hash release_hash(const Hash& rd, const std::vector<Approval>& approvals, ByteView sealed_inner);

// Requester: the plaintext of a released request. Verifies each approval and its share, the quorum, S against the
// header's commitment, the DEK against the header's MAC, the payload against its hash. kAccess: no quorum (says how
// many are there); kCorrupt: something is not what was signed.
Result<SecretBytes> open_released(const Case& a_case, const std::vector<Approval>& approvals, ByteView sealed_inner,
                                  ByteView payload, const AgreementKey& request_key, const RosterChain& chain);

}  // namespace conclave::vault
