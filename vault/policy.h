// A directory's policy: who must agree before one of its secrets opens. Versioned, chained and signed by admins. Its
// hash stands in every share, so a weaker policy later cannot weaken an older secret.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "vault/logged_before.h"

namespace conclave::vault {

inline constexpr std::size_t kMaxGroups = 8;
inline constexpr std::uint32_t kMaxOpenings = 10000;

// "2 of ops": m of these people. All groups of a policy must be satisfied; nobody is in two of them.
struct ApproverGroup {
  std::string name;                     // as a person's name; rising in a policy
  std::uint32_t m = 1;
  std::vector<std::string> approvers;   // people, rising by name
};

// When an approver's share leaves the approver's device: with the vote, or once the device has seen enough votes for this very
// request in the log, so that shares of requests that fail are with nobody.
enum class Disclose : std::uint8_t { kWithVote = 1, kAfterQuorum = 2 };

struct Policy {
  ClusterId cluster{};
  InodeId directory{};
  std::string path;                     // where the directory lay when this was signed; plain text
  std::uint64_t version = 1;
  Hash previous{};                      // of the version before; zeros in version 1
  std::uint64_t roster_version = 1;     // by which approvers and signatures are judged
  WallTime issued;
  std::vector<ApproverGroup> groups;
  bool self_approval = false;
  std::uint32_t veto = 1;               // denials that end a request
  std::chrono::seconds request_lifetime = std::chrono::minutes(15);
  std::chrono::seconds longest_grant = std::chrono::minutes(10);
  std::uint32_t most_openings = 16;     // ssh opens a key twice
  std::uint32_t shortest_reason = 0;    // bytes
  bool auto_request = true;             // open(2) files the request
  Disclose disclose = Disclose::kWithVote;
  bool program_arguments = false;       // requests tell the programs' arguments, not their names alone
  std::vector<AdminSignature> signatures;

  struct Place {
    const ApproverGroup* group = nullptr;
    std::uint8_t group_index = 0;
    std::uint8_t x = 0;                 // of the person's share: the place in the group, from 1
  };
  [[nodiscard]] Place place_of(std::string_view person) const;   // group null: no approver
  [[nodiscard]] Hash hash() const;      // of all but the signatures
};

Bytes encode(const Policy& policy);
Result<Policy> parse_policy(ByteView bytes);   // kCorrupt
// Puts groups and approvers in order and adds the device's signature. Call it once per admin, last.
void sign_policy(Policy& policy, const Device& admin);
// "2 of alice, bob, carol"; groups joined by " and ".
std::string quorum_text(const Policy& policy);

// The roster version after the one it names in which its signers are too few; null if there is none.
const RosterVersion* refused_since(const Policy& policy, const RosterChain& chain);
// The policy by itself, with the roster it names, and with those since: `proof` shows that it was logged before its signers
// left, and is needed only if they have (logged_before.h). kInvalid (m > n, nobody, a person in two groups, an unknown
// approver or one without role or device, limits), kStale (a roster version the chain does not have), kAccess or
// kKeyRejected (signatures), kKeyRejected (another cluster).
Status check_policy(const Policy& policy, const RosterChain& chain, const LogProof* proof = nullptr);
// That it continues `current`: same directory, version + 1, its hash, no older roster, signed by enough admins of the one it
// names. Of a version between two others nothing more is asked: who signed the next one has vouched for it.
Status check_next(const Policy& current, const Policy& next, const RosterChain& chain);
// For who takes a policy in: it must also be signed under the newest roster, by admins who may still sign `now`, or one
// who left could sign under an old one or for a time before; and not issued in the future (more than 5 minutes).
// `current` is null for a directory's first. kStale.
Status check_put(const Policy& next, const Policy* current, const RosterChain& chain, WallTime now);

// For who replaces a secret that was written at that path under `before`: kAccess unless `policy` is the same folder's, or that of
// a folder within in which the secret lay already. Whoever writes under a weaker policy does not replace what lies under a stronger.
Status check_moved_inwards(const Policy& before, std::string_view path_before, const Policy& policy);

// Whether `path` lies below the folder of that path.
bool lies_below(std::string_view path, std::string_view folder);
// kAccess if `other` and not `policy` is the one for a secret at `path`: it names a folder between. Whoever makes a folder
// anew, or says that it is another, does not get the policy above it by that.
Status check_not_nearer(const Policy& other, const Policy& policy, std::string_view path);

}  // namespace conclave::vault
