// The roster: who is who, as a chain of versions signed by admins. Version 1 is pinned by its hash; version v+1
// needs t signatures of v's admins and t of its own, so no server can add anybody.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/canonical.h"
#include "vault/identity.h"

namespace conclave::vault {

// What a person may do, as bits of Person::roles.
inline constexpr std::uint32_t kAuthor = 1;      // write secrets
inline constexpr std::uint32_t kApprover = 2;    // hold shares and vote
inline constexpr std::uint32_t kAdmin = 4;       // sign rosters and policies
inline constexpr std::uint32_t kRequester = 8;   // ask for an opening
inline constexpr std::uint32_t kWitness = 16;    // cosign the log
inline constexpr std::uint32_t kAllRoles = 31;
inline constexpr std::uint32_t kUsualRoles = kAuthor | kApprover | kRequester;
// "author,approver"; kInvalid names the roles there are.
std::string roles_text(std::uint32_t roles);
Result<std::uint32_t> roles_of_text(std::string_view text);

struct RosterDevice {
  DevicePublic keys;
  bool revoked = false;
};

struct Person {
  std::string name;
  std::uint32_t uid = 0, gid = 0;
  std::uint32_t roles = 0;
  WallTime expires;                  // 0: never
  bool revoked = false;
  std::vector<RosterDevice> devices; // rising by kid
};

struct AdminSignature {
  Kid kid{};
  Signature signature{};
};

struct RosterVersion {
  ClusterId cluster{};
  std::uint64_t version = 1;
  Hash previous{};                   // of the version before; zeros in version 1
  WallTime issued;                   // expiries are judged at this time where nothing else is said
  std::uint32_t threshold = 1;       // t
  // The audit log as its signers saw it: what stands in that was there before this version took anybody's rights away. 0 and
  // zeros in version 1.
  std::uint64_t log_size = 0;
  Hash log_root{};
  std::vector<Person> people;        // rising by name
  std::vector<AdminSignature> signatures;  // rising by kid

  [[nodiscard]] const Person* find(std::string_view name) const;
  struct Found {
    const Person* person = nullptr;
    const RosterDevice* device = nullptr;
  };
  [[nodiscard]] Found find(const Kid& kid) const;  // both null if unknown
  [[nodiscard]] Hash hash() const;                 // of all but the signatures
};

Bytes encode(const RosterVersion& roster);
// kCorrupt: cut short, out of order, a name, kid or signature twice, more than the limits.
Result<RosterVersion> parse_roster(ByteView bytes);
// Puts people and devices in order and adds (or renews) the device's signature. Call it once per admin, last.
void sign_roster(RosterVersion& roster, const Device& admin);

// Who stands behind a device at a time, if it may act in all of `roles` (0: just belong). kKeyRejected (no such
// device or another person's), kKeyRevoked, kKeyExpired, kAccess (a role is missing).
Result<const Person*> standing(const RosterVersion& roster, const Kid& kid, std::uint32_t roles, WallTime at);
// The same for a person by name, whichever device: kNotFound, kKeyRevoked, kKeyExpired, kAccess.
Result<const Person*> standing(const RosterVersion& roster, std::string_view name, std::uint32_t roles, WallTime at);
// Whether who stood in an earlier roster, by that device, still does in this one: the device is still that person's.
bool still_stands(const RosterVersion& later, const std::string& person, const DevicePublic& device, std::uint32_t roles,
                  WallTime at);
// The person that a login speaks for at a time: the device's signature, its standing, the cluster, the lifetime
// (5 minutes of difference between clocks are allowed). Errors as above, and kKeyExpired.
Result<const Person*> check_login(const RosterVersion& roster, const LoginCert& cert, std::uint32_t roles, WallTime at);

// At least `roster.threshold` different admins' signatures over `body`, as of `at`. Signatures of devices that the
// roster does not know are skipped; one that does not fit is kKeyRejected; too few kAccess.
Status check_admins(const RosterVersion& roster, std::string_view label, ByteView body,
                    const std::vector<AdminSignature>& signatures, WallTime at);
// Whether the admins who signed something under `named` are still enough for a later version; the signatures were checked.
bool admins_still_stand(const RosterVersion& named, const RosterVersion& later,
                        const std::vector<AdminSignature>& signatures, WallTime at);
// The person whose signature comes first and whom the roster knows; empty if there is none.
std::string first_signer(const RosterVersion& roster, const std::vector<AdminSignature>& signatures);
void write_signatures(CanonicalWriter& out, const std::vector<AdminSignature>& signatures);
std::vector<AdminSignature> read_signatures(CanonicalReader& in);
void add_signature(std::vector<AdminSignature>& signatures, const Device& admin, std::string_view label, ByteView body);

// kKeyRejected unless its hash is the pinned one; otherwise as check_next of itself.
Status check_first(const RosterVersion& first, const Hash& pinned);
// kInvalid (another cluster, no successor, a threshold nobody can meet), kKeyRejected, kAccess; the message says why.
Status check_next(const RosterVersion& current, const RosterVersion& next);

// For who takes a version in: check_next, and that its admins may still sign `now`, or one whose account ended could sign
// for a time before; and not issued in the future (more than 5 minutes), which would shut out every later one. kStale
// unless it follows `current`.
Status check_put(const RosterVersion& current, const RosterVersion& next, WallTime now);

// All versions from 1, each checked. What was signed long ago is judged by the version it names and by every later one
// (logged_before.h).
class RosterChain {
 public:
  static Result<RosterChain> begin(ByteView first, const Hash& pinned);
  // kCorrupt, or as check_next; the chain is then unchanged.
  Status append(ByteView next);
  [[nodiscard]] const RosterVersion& current() const { return versions_.back(); }
  [[nodiscard]] const RosterVersion* at(std::uint64_t version) const;  // null if there is none
  // What a client remembers of the newest version it has seen: kStale if this chain ends before it, kKeyRejected if
  // it has another version there.
  [[nodiscard]] Status check_seen(std::uint64_t version, const Hash& hash) const;

 private:
  std::vector<RosterVersion> versions_;  // version v at v − 1
};

}  // namespace conclave::vault
