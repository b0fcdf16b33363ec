// Votes on a request, signed by an approver's device. A yes carries the approver's share beside it, sealed to the request's key,
// or promises it: under a policy that discloses after the quorum the share follows, once the device has seen enough votes. What
// is signed names the share by its hash, so that a log and a screen show the vote and not the share. Who counts them is release.h's.
#pragma once

#include <optional>
#include <string>

#include "base/shamir.h"
#include "vault/request_case.h"

namespace conclave::vault {

enum class Part : std::uint8_t {
  kWhole = 1,                       // a vote with its share
  kVote = 2,                        // a vote alone
  kShare = 3,                       // the share of a vote before
};

struct Approval {
  Hash rd{};
  Kid kid{};
  std::uint8_t x = 0;
  Part part = Part::kWhole;
  WallTime at;                      // by the approver's clock
  Hash share_hash{};                // of the sealed share; zeros in a vote alone
  Signature signature{};
  std::optional<SealedShare> share; // beside what is signed: for the vault, and from it for the requester alone
};
inline constexpr std::size_t kVoteBytes = 158;
inline constexpr std::size_t kApprovalBytes = kVoteBytes + kSealedShareBytes;
Bytes encode(const Approval& approval);            // with the share, if it is there
Bytes encode_vote(const Approval& approval);       // without
Result<Approval> parse_approval(ByteView bytes);   // either; kCorrupt, also for a share that is not the signed one

struct Denial {
  Hash rd{};
  Kid kid{};
  WallTime at;
  std::string reason;               // plain text
  Signature signature{};
};
Bytes encode(const Denial& denial);
Result<Denial> parse_denial(ByteView bytes);       // kCorrupt

// By the approver's own device, after its person has seen the case: opens its share, checks the commitment, and seals it to the
// request, unless the policy discloses after the quorum. kAccess (holds no share, or the requester themself), kTimedOut, kCorrupt
// (a bad share).
Result<Approval> approve(const Case& a_case, const Device& device, const RosterChain& chain, WallTime now,
                         Random& random);
// The share that follows this device's vote. Whether there are enough votes is for the caller (release.h, check_due).
Result<Approval> disclose(const Case& a_case, const Device& device, const RosterChain& chain, WallTime now, Random& random);
Result<Denial> deny(const Case& a_case, const Device& device, const RosterChain& chain, std::string_view reason,
                    WallTime now);

// A vote by what the log shows: this request, by an approver of the policy at their own x, in the part that the policy asks for,
// the signature, the person's standing in the newest roster at the time of the vote, the vote's time within the request's, not the
// requester (unless the policy allows it). kKeyRejected, kKeyRevoked, kAccess, kTimedOut.
struct Asked {
  const Policy& policy;
  const Request& request;
  const Hash& rd;
};
Result<const Person*> check_vote(const Approval& approval, const Asked& asked, const RosterChain& chain);
Result<const Person*> check_vote(const Denial& denial, const Asked& asked, const RosterChain& chain);
// Whose vote it is, once everything that needs no private key was checked: check_vote, and a share of the table for the device.
Result<const Person*> check_approval(const Approval& approval, const Case& a_case, const RosterChain& chain);
Result<const Person*> check_denial(const Denial& denial, const Case& a_case, const RosterChain& chain);

// The share in a checked approval, opened with the request's private key; its commitment is checked. kCorrupt names
// the approver's device, also when the approval has no share.
Result<Share> open_approval(const Approval& approval, const Case& a_case, const AgreementKey& request_key);

}  // namespace conclave::vault
