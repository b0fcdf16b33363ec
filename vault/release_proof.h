// What a requester asks of the log before any plaintext: no proof, no plaintext.
#pragma once

#include <string>
#include <vector>

#include "vault/release.h"
#include "vault/tlog.h"

namespace conclave::vault {

struct ReleaseProof {
  Bytes leaf;                        // a LogLeaf of kRelease whose content is release_hash
  std::uint64_t index = 0;
  std::string checkpoint;            // signed by the log
  std::vector<Hash> inclusion;
  std::vector<Hash> consistency;     // from the log that the request named; empty if it named none
};

// This very release stands in the log that the checkpoint signs, and that log begins with the one the request named.
// Returns the checkpoint, to be remembered. kCorrupt, kKeyRejected.
Result<Checkpoint> check_release_logged(const Case& a_case, const std::vector<Approval>& approvals,
                                        ByteView sealed_inner, const ReleaseProof& proof, std::string_view origin,
                                        const SigningPublic& log_key);

}  // namespace conclave::vault
