// Sealing a secret to its approvers and opening it again: the payload's stream, DEK under S, S in shares. Pure; every
// key lives in a SecretBytes.
#pragma once

#include <vector>

#include "base/shamir.h"
#include "vault/secret_version.h"

namespace conclave::vault {

// Four parts for four places: payload and share table may lie anywhere; `inner` goes to the vault alone.
inline constexpr std::size_t kInnerBytes = 32 + kAeadTagBytes;
struct SealedVersion {
  Bytes payload;
  SecretHeader header;
  ShareTable table;
  Bytes inner;              // the DEK locked under S
};

// Which version of what is sealed.
struct SealPlace {
  SecretId secret{};
  std::uint64_t version = 1;
  InodeId directory{};
  std::string path;
};

// Seals under a policy that the caller has checked and found current. kFileTooBig above kMaxSecretBytes; kAccess if
// the author may not write or the policy is another directory's; kKeyRejected for an approver's unusable key.
Result<SealedVersion> seal_secret(const SecretBytes& plaintext, const SealPlace& place, const Policy& policy,
                                  const RosterVersion& roster, const Login& author, WallTime now, Random& random);

// The bytes of a payload: chunks of 64 KiB of ChaCha20-Poly1305, each with nonce counter ‖ last-flag (age's STREAM),
// over plaintext ‖ zeros ‖ its length in 4 bytes, padded to a power of two from 256 to 64 KiB, then to whole 64 KiB.
std::size_t padded_size(std::size_t plaintext_bytes);
std::size_t payload_size(std::size_t padded_bytes);
// kCorrupt for any byte that is not the author's.
Result<SecretBytes> open_payload(const SecretHeader& header, const SecretBytes& dek, ByteView payload);

// A device's own share, its commitment checked. kAccess: the table has none for it. kCorrupt: not sealed to it, or a
// share that does not fit its commitment.
Result<Share> open_share(const Device& device, const SecretHeader& header, const ShareTable& table);

// S from the shares of all groups (shares[g] are those of group g), each already checked against its commitment.
// kInvalid: a group without shares; kCorrupt: together they are not what the header commits to (too few, say).
Result<SecretBytes> join_quorum(const SecretHeader& header, const std::vector<std::vector<Share>>& shares);

// The DEK from `inner`, and the header's MAC checked under it. kCorrupt.
Result<SecretBytes> open_inner(const SecretHeader& header, const SecretBytes& quorum_secret, ByteView inner);

}  // namespace conclave::vault
