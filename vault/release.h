// The decision and what follows from it: counting votes by people, handing the vault's `inner` to the request's key,
// and, at the requester's, joining shares and `inner` into the plaintext.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "vault/approval.h"

namespace conclave::vault {

enum class Decision : std::uint8_t { kPending, kApproved, kDenied };

struct GroupCount {
  std::string name;
  std::uint32_t have = 0, need = 0;
  std::uint32_t shares = 0;                 // of those who have voted, that were given
};
struct Tally {
  Decision decision = Decision::kPending;
  std::vector<GroupCount> groups;           // as in the policy
  std::vector<std::string> approved, denied;  // people, in the order of their votes
  std::vector<std::string> gave_share;
  // Approved, and every group's shares are there.
  [[nodiscard]] bool can_release() const;
};

// An approval whose vote was checked, and whose it is.
struct Yes {
  std::string person;
  Part part = Part::kWhole;
};
// The rule: votes by different people. A second vote of one person does not count, nor an approval by who also denied, nor a share
// of who has not voted. Enough denials end a request whatever the approvals; expiry is check_open's.
Tally tally_of(const Policy& policy, const std::vector<Yes>& yes, const std::vector<std::string>& no);
// The same over what check_approval and check_denial let pass; others do not count.
Tally count_votes(const Case& a_case, const std::vector<Approval>& approvals, const std::vector<Denial>& denials,
                  const RosterChain& chain);
// Whether this person's share is to follow: enough people have voted for this very request, nobody's veto stands, and the person
// is one of them and has not given it. Where the policy discloses with the vote, never.
bool share_is_due(const Policy& policy, const Tally& tally, std::string_view person);

// Rule: whether shares that went out for requests of one version can be put together by their requesters (and a vault in league
// with them) although no request of theirs had its quorum. Whose shares these are, if so. A requester who is an approver, too,
// has their own share beside those that were given.
struct SharesOut {
  std::set<std::string> people;             // whose shares went out for one request
  std::string requester;
  bool quorum = false;                      // it had its own, once
};
std::vector<std::string> exposed_by(const Policy& policy, const std::vector<SharesOut>& requests);

// Vault: `inner` sealed to the request's key. kKeyRejected for a key of small order.
inline constexpr std::size_t kSealedInnerBytes = 48 + kHpkeOverheadBytes;
Result<Bytes> seal_inner(const Case& a_case, ByteView inner, Random& random);
// What a release leaf in the log commits to: the approvals with their shares and the sealed inner, in order.
Hash release_hash(const Hash& rd, const std::vector<Approval>& approvals, ByteView sealed_inner);

// Requester: the plaintext of a released request. Verifies each approval and its share, the quorum, S against the
// header's commitment, the DEK against the header's MAC, the payload against its hash. kAccess: no quorum (says how
// many are there); kCorrupt: something is not what was signed.
Result<SecretBytes> open_released(const Case& a_case, const std::vector<Approval>& approvals, ByteView sealed_inner,
                                  ByteView payload, const AgreementKey& request_key, const RosterChain& chain);

}  // namespace conclave::vault
