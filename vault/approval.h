// Votes on a request, signed by an approver's device. An approval carries the approver's own share, sealed to the
// request's key: 205 bytes that may travel by file or chat. Who counts them is release.h's.
#pragma once

#include <string>

#include "base/shamir.h"
#include "vault/request_case.h"

namespace conclave::vault {

struct Approval {
  Hash rd{};
  Kid kid{};
  std::uint8_t x = 0;
  WallTime at;                      // by the approver's clock
  SealedShare share{};
  Signature signature{};
};
inline constexpr std::size_t kApprovalBytes = 205;
Bytes encode(const Approval& approval);
Result<Approval> parse_approval(ByteView bytes);   // kCorrupt

struct Denial {
  Hash rd{};
  Kid kid{};
  WallTime at;
  std::string reason;               // plain text
  Signature signature{};
};
Bytes encode(const Denial& denial);
Result<Denial> parse_denial(ByteView bytes);       // kCorrupt

// By the approver's own device, after its person has seen the case: opens its share, checks the commitment, seals it
// to the request. kAccess (holds no share, or the requester themself), kTimedOut, kCorrupt (a bad share).
Result<Approval> approve(const Case& a_case, const Device& device, const RosterChain& chain, WallTime now,
                         Random& random);
Result<Denial> deny(const Case& a_case, const Device& device, const RosterChain& chain, std::string_view reason,
                    WallTime now);

// Whose vote it is, once everything that needs no private key was checked: this request, a share of the table at that
// x, the signature, the person's standing in the newest roster at the time of the vote, the vote's time within the
// request's, not the requester (unless the policy allows it). kKeyRejected, kKeyRevoked, kAccess, kTimedOut.
Result<const Person*> check_approval(const Approval& approval, const Case& a_case, const RosterChain& chain);
Result<const Person*> check_denial(const Denial& denial, const Case& a_case, const RosterChain& chain);

// The share in a checked approval, opened with the request's private key; its commitment is checked. kCorrupt names
// the approver's device.
Result<Share> open_approval(const Approval& approval, const Case& a_case, const AgreementKey& request_key);

}  // namespace conclave::vault
