#include "vault/roster.h"

#include <algorithm>
#include <set>

#include "base/certificate.h"
#include "vault/fields.h"

namespace conclave::vault {
namespace {

struct RoleName {
  std::uint32_t role;
  std::string_view name;
};
constexpr RoleName kRoleNames[] = {
    {kAuthor, "author"}, {kApprover, "approver"}, {kAdmin, "admin"}, {kRequester, "requester"}, {kWitness, "witness"}};

constexpr std::size_t kDeviceBytes = 32 + 32 + 1;
constexpr std::size_t kLeastPersonBytes = 4 + 1 + 12 + 8 + 1 + 4;

void write_person(CanonicalWriter& out, const Person& person) {
  out.lv(person.name).u32(person.uid).u32(person.gid).u32(person.roles);
  put_time(out, person.expires);
  put_flag(out, person.revoked);
  out.u32(static_cast<std::uint32_t>(person.devices.size()));
  for (const RosterDevice& device : person.devices) {
    out.raw(device.keys.signing).raw(device.keys.agreement);
    put_flag(out, device.revoked);
  }
}

Person read_person(CanonicalReader& in) {
  Person out;
  out.name = get_person_name(in);
  out.uid = in.u32();
  out.gid = in.u32();
  out.roles = in.u32();
  if ((out.roles & ~kAllRoles) != 0) in.fail();
  out.expires = get_time(in);
  out.revoked = get_flag(in);
  const std::uint32_t devices = in.count(kMaxDevicesPerPerson, kDeviceBytes);
  for (std::uint32_t i = 0; i < devices; ++i) {
    RosterDevice device;
    device.keys.signing = in.array<32>();
    device.keys.agreement = in.array<32>();
    device.revoked = get_flag(in);
    if (!out.devices.empty() && out.devices.back().keys.kid() >= device.keys.kid()) in.fail();
    out.devices.push_back(device);
  }
  return out;
}

Bytes body_of(const RosterVersion& roster) {
  CanonicalWriter out = begin_body();
  out.raw(roster.cluster).u64(roster.version).raw(roster.previous);
  put_time(out, roster.issued);
  out.u32(roster.threshold).u64(roster.log_size).raw(roster.log_root);
  out.u32(static_cast<std::uint32_t>(roster.people.size()));
  for (const Person& person : roster.people) write_person(out, person);
  return std::move(out).bytes();
}

// One device for one person: a kid must name somebody.
bool no_kid_twice(const RosterVersion& roster) {
  std::set<Kid> seen;
  for (const Person& person : roster.people) {
    for (const RosterDevice& device : person.devices) {
      if (!seen.insert(device.keys.kid()).second) return false;
    }
  }
  return true;
}

std::string version_text(const RosterVersion& roster) { return "roster version " + std::to_string(roster.version); }

// Whether a person who was found may act.
Status check_person(const RosterVersion& roster, const Person& person, std::uint32_t roles, WallTime at) {
  if (person.revoked) return Error(Errc::kKeyRevoked, person.name + " was revoked in " + version_text(roster));
  if (person.expires.ns != 0 && at > person.expires) {
    return Error(Errc::kKeyExpired, person.name + "'s account expired at " + time_text(person.expires));
  }
  const std::uint32_t missing = roles & ~person.roles;
  if (missing != 0) {
    return Error(Errc::kAccess, person.name + " lacks the role " + roles_text(missing) + " in " + version_text(roster));
  }
  return {};
}

std::uint32_t count_admins(const RosterVersion& roster, WallTime at) {
  std::uint32_t out = 0;
  for (const Person& person : roster.people) {
    const bool has_device = std::any_of(person.devices.begin(), person.devices.end(),
                                        [](const RosterDevice& device) { return !device.revoked; });
    if (has_device && check_person(roster, person, kAdmin, at)) ++out;
  }
  return out;
}

// What can be said of a version by itself.
Status check_alone(const RosterVersion& roster) {
  if (roster.version == 0 || (roster.version == 1) != (roster.previous == Hash{})) {
    return Error(Errc::kInvalid, version_text(roster) + ": version 1, and only it, has nothing before it");
  }
  if ((roster.version == 1 && roster.log_size != 0) || (roster.log_size == 0) != (roster.log_root == Hash{})) {
    return Error(Errc::kInvalid, version_text(roster) + ": it names a log that cannot be");
  }
  const std::uint32_t admins = count_admins(roster, roster.issued);
  if (roster.threshold == 0 || roster.threshold > admins) {
    return Error(Errc::kInvalid, version_text(roster) + ": a threshold of " + std::to_string(roster.threshold) +
                                     " with " + std::to_string(admins) + " admins");
  }
  return check_admins(roster, "roster", body_of(roster), roster.signatures, roster.issued);
}

}  // namespace

std::string roles_text(std::uint32_t roles) {
  std::string out;
  for (const RoleName& row : kRoleNames) {
    if (roles & row.role) out += (out.empty() ? "" : ",") + std::string(row.name);
  }
  return out.empty() ? "none" : out;
}

Result<std::uint32_t> roles_of_text(std::string_view text) {
  std::uint32_t out = 0;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(','));
    const auto* row = std::find_if(std::begin(kRoleNames), std::end(kRoleNames),
                                   [&](const RoleName& r) { return r.name == word; });
    if (row == std::end(kRoleNames)) {
      return Error(Errc::kInvalid, "no role '" + std::string(word) + "': there are " + roles_text(kAllRoles));
    }
    out |= row->role;
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
  return out;
}

const Person* RosterVersion::find(std::string_view name) const {
  const auto at = std::find_if(people.begin(), people.end(), [&](const Person& p) { return p.name == name; });
  return at == people.end() ? nullptr : &*at;
}

RosterVersion::Found RosterVersion::find(const Kid& kid) const {
  for (const Person& person : people) {
    for (const RosterDevice& device : person.devices) {
      if (device.keys.kid() == kid) return {&person, &device};
    }
  }
  return {};
}

Hash RosterVersion::hash() const { return labelled_hash("roster", body_of(*this)); }

Bytes encode(const RosterVersion& roster) {
  CanonicalWriter out;
  out.raw(body_of(roster));
  write_signatures(out, roster.signatures);
  return std::move(out).bytes();
}

Result<RosterVersion> parse_roster(ByteView bytes) {
  CanonicalReader in = read_body(bytes);
  RosterVersion out;
  out.cluster = in.array<16>();
  out.version = in.u64();
  out.previous = in.array<32>();
  out.issued = get_time(in);
  out.threshold = in.u32();
  out.log_size = in.u64();
  out.log_root = in.array<32>();
  const std::uint32_t people = in.count(kMaxPeople, kLeastPersonBytes);
  for (std::uint32_t i = 0; i < people; ++i) {
    Person person = read_person(in);
    if (!out.people.empty() && out.people.back().name >= person.name) in.fail();
    out.people.push_back(std::move(person));
  }
  out.signatures = read_signatures(in);
  TRY(in.finish("roster"));
  if (!no_kid_twice(out)) return Error(Errc::kCorrupt, version_text(out) + ": two people have the same device");
  return out;
}

void sign_roster(RosterVersion& roster, const Device& admin) {
  std::sort(roster.people.begin(), roster.people.end(),
            [](const Person& a, const Person& b) { return a.name < b.name; });
  for (Person& person : roster.people) {
    std::sort(person.devices.begin(), person.devices.end(),
              [](const RosterDevice& a, const RosterDevice& b) { return a.keys.kid() < b.keys.kid(); });
  }
  add_signature(roster.signatures, admin, "roster", body_of(roster));
}

Result<const Person*> standing(const RosterVersion& roster, const Kid& kid, std::uint32_t roles, WallTime at) {
  const auto [person, device] = roster.find(kid);
  if (person == nullptr) {
    return Error(Errc::kKeyRejected, "no device " + to_hex(kid) + " in " + version_text(roster));
  }
  if (device->revoked) {
    return Error(Errc::kKeyRevoked,
                 person->name + "'s device " + to_hex(kid) + " was revoked in " + version_text(roster));
  }
  TRY(check_person(roster, *person, roles, at));
  return person;
}

Result<const Person*> standing(const RosterVersion& roster, std::string_view name, std::uint32_t roles, WallTime at) {
  const Person* person = roster.find(name);
  if (person == nullptr) {
    return Error(Errc::kNotFound, "nobody named " + std::string(name) + " in " + version_text(roster));
  }
  TRY(check_person(roster, *person, roles, at));
  return person;
}

// By the name, which is found without hashing every device's keys: this is asked of each version since.
bool still_stands(const RosterVersion& later, const std::string& name, const DevicePublic& device, std::uint32_t roles,
                  WallTime at) {
  const Person* person = later.find(name);
  if (person == nullptr || !check_person(later, *person, roles, at)) return false;
  return std::any_of(person->devices.begin(), person->devices.end(),
                     [&](const RosterDevice& one) { return one.keys == device && !one.revoked; });
}

Result<const Person*> check_login(const RosterVersion& roster, const LoginCert& cert, std::uint32_t roles,
                                  WallTime at) {
  if (cert.cluster != roster.cluster) return Error(Errc::kKeyRejected, "a login of another cluster");
  const auto [owner, device] = roster.find(cert.kid);
  if (owner != nullptr) TRY(verify_signature(cert, device->keys));
  const Person* person = TRY(standing(roster, cert.kid, roles, at));
  if (person->name != cert.person) {
    return Error(Errc::kKeyRejected, "a login as " + cert.person + " by a device of " + person->name);
  }
  if (cert.not_after < cert.not_before || cert.not_after > cert.not_before + kMaxLogin) {
    return Error(Errc::kKeyRejected, person->name + "'s login has an impossible lifetime");
  }
  const std::chrono::seconds skew = kCertificateSkew;
  if (at + skew < cert.not_before) return Error(Errc::kKeyRejected, person->name + "'s login is not valid yet");
  if (at > cert.not_after + skew) {
    return Error(Errc::kKeyExpired, person->name + "'s login ended at " + time_text(cert.not_after) + ": log in again");
  }
  return person;
}

Status check_admins(const RosterVersion& roster, std::string_view label, ByteView body,
                    const std::vector<AdminSignature>& signatures, WallTime at) {
  std::set<std::string> admins;
  for (const AdminSignature& one : signatures) {
    const auto [person, device] = roster.find(one.kid);
    if (person == nullptr) continue;
    TRY(verify(device->keys.signing, label, body, one.signature));
    if (standing(roster, one.kid, kAdmin, at)) admins.insert(person->name);
  }
  if (admins.size() >= roster.threshold && roster.threshold > 0) return {};
  return Error(Errc::kAccess, std::to_string(admins.size()) + " of the " + std::to_string(roster.threshold) +
                                  " admins' signatures that " + version_text(roster) + " asks for");
}

bool admins_still_stand(const RosterVersion& named, const RosterVersion& later,
                        const std::vector<AdminSignature>& signatures, WallTime at) {
  std::set<std::string> admins;
  for (const AdminSignature& one : signatures) {
    const auto [person, device] = named.find(one.kid);
    if (person == nullptr || !standing(named, one.kid, kAdmin, at)) continue;
    if (still_stands(later, person->name, device->keys, kAdmin, at)) admins.insert(person->name);
  }
  return admins.size() >= later.threshold;
}

std::string first_signer(const RosterVersion& roster, const std::vector<AdminSignature>& signatures) {
  for (const AdminSignature& one : signatures) {
    if (const auto found = roster.find(one.kid); found.person != nullptr) return found.person->name;
  }
  return "";
}

void write_signatures(CanonicalWriter& out, const std::vector<AdminSignature>& signatures) {
  out.u32(static_cast<std::uint32_t>(signatures.size()));
  for (const AdminSignature& one : signatures) out.raw(one.kid).raw(one.signature);
}

std::vector<AdminSignature> read_signatures(CanonicalReader& in) {
  std::vector<AdminSignature> out;
  const std::uint32_t count = in.count(kMaxAdminSignatures, sizeof(Kid) + sizeof(Signature));
  for (std::uint32_t i = 0; i < count; ++i) {
    AdminSignature one;
    one.kid = in.array<16>();
    one.signature = in.array<64>();
    if (!out.empty() && out.back().kid >= one.kid) in.fail();
    out.push_back(one);
  }
  return out;
}

void add_signature(std::vector<AdminSignature>& signatures, const Device& admin, std::string_view label,
                   ByteView body) {
  const Kid kid = admin.kid();
  const auto at = std::lower_bound(signatures.begin(), signatures.end(), kid,
                                   [](const AdminSignature& one, const Kid& k) { return one.kid < k; });
  const AdminSignature signature{kid, sign(admin.signing, label, body)};
  if (at != signatures.end() && at->kid == kid) {
    *at = signature;
  } else {
    signatures.insert(at, signature);
  }
}

Status check_first(const RosterVersion& first, const Hash& pinned) {
  if (first.hash() != pinned) {
    return Error(Errc::kKeyRejected, "roster version 1 is not the one this cluster began with");
  }
  if (first.version != 1) return Error(Errc::kInvalid, "the roster does not begin with version 1");
  return check_alone(first);
}

Status check_next(const RosterVersion& current, const RosterVersion& next) {
  if (next.cluster != current.cluster) return Error(Errc::kInvalid, "a roster of another cluster");
  if (next.version != current.version + 1) {
    return Error(Errc::kInvalid, version_text(next) + " cannot follow version " + std::to_string(current.version));
  }
  if (next.previous != current.hash()) {
    return Error(Errc::kKeyRejected,
                 version_text(next) + " does not continue version " + std::to_string(current.version));
  }
  if (next.issued < current.issued) {
    return Error(Errc::kInvalid, version_text(next) + " is older than the one before it");
  }
  if (next.log_size < current.log_size) {
    return Error(Errc::kInvalid, version_text(next) + " names less of the audit log than the version before");
  }
  TRY(check_admins(current, "roster", body_of(next), next.signatures, next.issued));
  return check_alone(next);
}

Status check_put(const RosterVersion& current, const RosterVersion& next, WallTime now) {
  if (next.version != current.version + 1) {
    return Error(Errc::kStale, "the roster is at version " + std::to_string(current.version) +
                                   " now; make the change again on top of it");
  }
  const std::chrono::seconds skew = kCertificateSkew;
  if (now + skew < next.issued) {
    return Error(Errc::kInvalid, version_text(next) + " says it was issued at " + time_text(next.issued) + ", in the future");
  }
  TRY(check_next(current, next));
  return check_admins(current, "roster", body_of(next), next.signatures, now);
}

Result<RosterChain> RosterChain::begin(ByteView first, const Hash& pinned) {
  RosterVersion version = TRY(parse_roster(first));
  TRY(check_first(version, pinned));
  RosterChain out;
  out.versions_.push_back(std::move(version));
  return out;
}

Status RosterChain::append(ByteView next) {
  RosterVersion version = TRY(parse_roster(next));
  TRY(check_next(current(), version));
  versions_.push_back(std::move(version));
  return {};
}

const RosterVersion* RosterChain::at(std::uint64_t version) const {
  return version >= 1 && version <= versions_.size() ? &versions_[version - 1] : nullptr;
}

Status RosterChain::check_seen(std::uint64_t version, const Hash& hash) const {
  const RosterVersion* seen = at(version);
  if (seen == nullptr) {
    return Error(Errc::kStale, "the roster ends at version " + std::to_string(current().version) + ", but version " +
                                   std::to_string(version) + " was seen before: the server shows an old one");
  }
  if (seen->hash() != hash) {
    return Error(Errc::kKeyRejected, version_text(*seen) + " is not the one that was seen before");
  }
  return {};
}

}  // namespace conclave::vault
