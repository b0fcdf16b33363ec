// A case: one request with all that it rests on (policy, header, share table), every signature and link checked once.
// Votes, releases and screens take a Case, so nobody decides on something that was not verified.
#pragma once

#include "vault/request.h"

namespace conclave::vault {

// The requester's login, role and signature. kKeyRejected, kKeyRevoked, kKeyExpired, kAccess.
Status check_requester(const Request& request, const RosterChain& chain);

struct Case {
  Policy policy;
  SecretHeader header;
  ShareTable table;
  Request request;
  Hash rd{};
};

// Parses and checks the four against each other and the roster: the policy's admins, the header's author, the table's
// shares, the requester's login and role at filing, the request's limits. Errors are those of the parsers and checks,
// with what was checked in front. It does not look at the time: see check_open.
// `proofs`: of what was signed by who has left since. `claims`: empty if they are not shown.
Result<Case> open_case(ByteView policy, ByteView header, ByteView table, ByteView request, const RosterChain& chain,
                       const SecretProofs& proofs = {}, ByteView claims = {});

// For who takes a request in: check_open, and that it was filed within 5 minutes of now, or a login that has ended could
// file for a time before. kKeyRejected.
Status check_filing(const Case& a_case, const RosterChain& chain, WallTime now);

// Whether the request can still be decided: kTimedOut after `expires`; kKeyRejected filed in the future (more than 5
// minutes); kKeyRevoked, kKeyExpired, kAccess if the requester has lost standing since in the newest roster.
Status check_open(const Case& a_case, const RosterChain& chain, WallTime now);

}  // namespace conclave::vault
