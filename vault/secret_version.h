// One version of a secret, as signed by its author: the header, which commits to the payload, to the data key (DEK)
// and to the quorum secret S, and the share table, which holds S in sealed shares. Making and opening them is
// secret_seal.h's; here is what everybody can check without any key.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/hpke.h"
#include "base/ids.h"
#include "vault/policy.h"

namespace conclave::vault {

// A secret's name: the first 16 bytes of the labelled hash of cluster and inode, so that nothing has to be kept. Inode
// numbers are never given out twice.
using SecretId = std::array<std::uint8_t, 16>;
SecretId secret_id_of(const ClusterId& cluster, InodeId inode);

// What is locked under S and bound to it; knows no policy, so that re-sharing touches nothing of it.
struct IdCore {
  SecretId secret{};
  std::uint64_t version = 1;
  Hash payload_hash{};
  std::array<std::uint8_t, 16> nonce{};            // salt of every key derived from the DEK
  std::uint64_t padded_bytes = 0;                  // of the plaintext
  friend bool operator==(const IdCore&, const IdCore&) = default;
};
Bytes encode(const IdCore& core);

struct SecretHeader {
  IdCore core;
  Hash quorum_commitment{};                        // of S
  InodeId directory{};
  std::string path;                                // of the secret, when it was written; plain text: people read it
  std::uint64_t roster_version = 1;                // by which the author is judged
  WallTime written;
  LoginCert author;
  Mac mac{};                                       // under a key from the DEK, over all before it
  Signature signature{};                           // by the author's login key, over all before it
  [[nodiscard]] Hash hash() const;                 // of all but the signature
};
Bytes encode(const SecretHeader& header);
Result<SecretHeader> parse_header(ByteView bytes); // kCorrupt
Bytes mac_body_of(const SecretHeader& header);
void sign_header(SecretHeader& header, const Login& author);

// One share of one group's secret, sealed to one device. A person with several devices has the same share on each.
inline constexpr std::size_t kShareBytes = 32;
inline constexpr std::size_t kSealedShareBytes = kShareBytes + kHpkeOverheadBytes;
using SealedShare = std::array<std::uint8_t, kSealedShareBytes>;
struct ShareEntry {
  std::uint8_t group = 0;                          // the group's place in the policy
  std::uint8_t x = 0;                              // the person's place in the group, from 1
  Kid kid{};
  Hash commitment{};                               // to the share
  SealedShare sealed{};
};

struct ShareTable {
  Hash header{};
  Hash policy{};
  std::uint64_t roster_version = 1;                // whose devices hold the shares
  std::vector<ShareEntry> entries;                 // rising by group, x, kid
  Signature signature{};                           // by the login key of the header's author
  [[nodiscard]] const ShareEntry* find(const Kid& kid) const;
  [[nodiscard]] Hash hash() const;                 // of all but the signature
};
// What the author signs of a table: its entries by their hash, so that a log need not hold them.
struct TableHead {
  Hash header{}, policy{};
  std::uint64_t roster_version = 1;
  Hash entries{};
  Signature signature{};
  [[nodiscard]] Hash hash() const;                 // the table's
};
TableHead head_of(const ShareTable& table);
// The header's author has signed the head, which is of this header. kKeyRejected.
Status verify_signature(const TableHead& head, const SecretHeader& header);

// A put as the log holds it: all that tells who wrote which version under which policy, and no share.
struct LoggedPut {
  SecretHeader header;
  TableHead table;
};
Bytes encode(const LoggedPut& put);
Result<LoggedPut> parse_put(ByteView bytes);       // kCorrupt

Bytes encode(const ShareTable& table);
Result<ShareTable> parse_share_table(ByteView bytes);  // kCorrupt
void sign_share_table(ShareTable& table, const Login& author);

// What a share's sealing is bound to, and what its commitment hashes.
Bytes share_aad(const SecretHeader& header, const Hash& policy, const ShareEntry& entry);
Hash share_commitment(const IdCore& core, std::uint8_t group, std::uint8_t x, const SecretBytes& share);
Hash quorum_commitment(const IdCore& core, const SecretBytes& quorum_secret);

// The roster version after the one it names in which its author may not write; null if there is none.
const RosterVersion* refused_since(const SecretHeader& header, const RosterChain& chain);
// The author's signature, login and role as of the roster that the header names and of those since: `proof` shows that it was
// logged before the author left, and is needed only then (logged_before.h). kStale, kKeyRejected, or as check_login.
Status check_header(const SecretHeader& header, const RosterChain& chain, const LogProof* proof = nullptr);
// The table belongs to the header and the policy, is signed by the header's author, and gives every approver of every
// group one share, at the person's own x, on devices of that person. kKeyRejected, kStale, kInvalid.
Status check_share_table(const ShareTable& table, const SecretHeader& header, const Policy& policy,
                         const RosterChain& chain);
// For who takes a version in: all of the above, the policy is the directory's current one, the roster the newest,
// and `written` within 5 minutes of now. kStale, kInvalid, kKeyRejected.
Status check_put(const SecretHeader& header, const ShareTable& table, const Policy& current_policy,
                 const RosterChain& chain, WallTime now);

}  // namespace conclave::vault
