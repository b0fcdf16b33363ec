#include "vault/policy.h"

#include <algorithm>
#include <set>

#include "base/certificate.h"
#include "base/limits.h"
#include "vault/fields.h"

namespace conclave::vault {
namespace {

constexpr std::size_t kLeastNameBytes = 4 + 1;
constexpr std::size_t kLeastGroupBytes = kLeastNameBytes + 4 + 4 + kLeastNameBytes;

void write_group(CanonicalWriter& out, const ApproverGroup& group) {
  out.lv(group.name).u32(group.m).u32(static_cast<std::uint32_t>(group.approvers.size()));
  for (const std::string& name : group.approvers) out.lv(name);
}

ApproverGroup read_group(CanonicalReader& in) {
  ApproverGroup out;
  out.name = get_person_name(in);
  out.m = in.u32();
  const std::uint32_t approvers = in.count(kMaxApprovers, kLeastNameBytes);
  for (std::uint32_t i = 0; i < approvers; ++i) {
    std::string name = get_person_name(in);
    if (!out.approvers.empty() && out.approvers.back() >= name) in.fail();
    out.approvers.push_back(std::move(name));
  }
  return out;
}

Bytes body_of(const Policy& policy) {
  CanonicalWriter out = begin_body();
  out.raw(policy.cluster).u64(raw(policy.directory)).lv(policy.path).u64(policy.version).raw(policy.previous);
  out.u64(policy.roster_version);
  put_time(out, policy.issued);
  out.u32(static_cast<std::uint32_t>(policy.groups.size()));
  for (const ApproverGroup& group : policy.groups) write_group(out, group);
  put_flag(out, policy.self_approval);
  out.u32(policy.veto);
  put_seconds(out, policy.request_lifetime);
  put_seconds(out, policy.longest_grant);
  out.u32(policy.most_openings).u32(policy.shortest_reason);
  put_flag(out, policy.auto_request);
  out.u8(static_cast<std::uint8_t>(policy.disclose));
  put_flag(out, policy.program_arguments);
  return std::move(out).bytes();
}

Error invalid(const Policy& policy, const std::string& why) {
  return {Errc::kInvalid, "the policy of " + policy.path + ": " + why};
}

Status check_groups(const Policy& policy) {
  if (policy.groups.empty()) return invalid(policy, "no approvers");
  if (policy.groups.size() > kMaxGroups) return invalid(policy, "more than " + std::to_string(kMaxGroups) + " groups");
  std::set<std::string> people;
  for (const ApproverGroup& group : policy.groups) {
    if (group.m < 1 || group.m > group.approvers.size()) {
      return invalid(policy, "group " + group.name + " asks for " + std::to_string(group.m) + " of " +
                                 std::to_string(group.approvers.size()) + " approvers");
    }
    for (const std::string& name : group.approvers) {
      if (!people.insert(name).second) return invalid(policy, name + " is named twice");
    }
  }
  if (people.size() > kMaxApprovers) {
    return invalid(policy, "more than " + std::to_string(kMaxApprovers) + " approvers");
  }
  return {};
}

Status check_limits(const Policy& policy) {
  if (policy.version == 0 || (policy.version == 1) != (policy.previous == Hash{})) {
    return invalid(policy, "version 1, and only it, has nothing before it");
  }
  if (policy.veto < 1) return invalid(policy, "a veto of no denials would end every request");
  for (const std::chrono::seconds span : {policy.request_lifetime, policy.longest_grant}) {
    if (span < std::chrono::seconds(1)) return invalid(policy, "requests or grants would expire at once");
    if (span > kMaxLifetime) return invalid(policy, "requests or grants would last longer than 10 years");
  }
  if (policy.most_openings < 1 || policy.most_openings > kMaxOpenings) {
    return invalid(policy, "1 to " + std::to_string(kMaxOpenings) + " openings can be granted");
  }
  if (policy.shortest_reason > kMaxReasonBytes) {
    return invalid(policy, "a reason is at most " + std::to_string(kMaxReasonBytes) + " bytes");
  }
  return {};
}

Status check_approvers(const Policy& policy, const RosterVersion& roster) {
  for (const ApproverGroup& group : policy.groups) {
    for (const std::string& name : group.approvers) {
      const Result<const Person*> person = standing(roster, name, kApprover, policy.issued);
      if (!person) return invalid(policy, person.error().message);
      const auto& devices = (*person)->devices;
      const bool live = std::any_of(devices.begin(), devices.end(), [](const auto& device) { return !device.revoked; });
      if (!live) return invalid(policy, name + " has no device to hold a share");
    }
  }
  return {};
}

}  // namespace

Policy::Place Policy::place_of(std::string_view person) const {
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const auto& names = groups[g].approvers;
    const auto at = std::find(names.begin(), names.end(), person);
    if (at != names.end()) {
      return {&groups[g], static_cast<std::uint8_t>(g), static_cast<std::uint8_t>(at - names.begin() + 1)};
    }
  }
  return {};
}

Hash Policy::hash() const { return labelled_hash("policy", body_of(*this)); }

Bytes encode(const Policy& policy) {
  CanonicalWriter out;
  out.raw(body_of(policy));
  write_signatures(out, policy.signatures);
  return std::move(out).bytes();
}

Result<Policy> parse_policy(ByteView bytes) {
  CanonicalReader in = read_body(bytes);
  Policy out;
  out.cluster = in.array<16>();
  out.directory = InodeId{in.u64()};
  out.path = get_plain_text(in, kMaxPathBytes);
  out.version = in.u64();
  out.previous = in.array<32>();
  out.roster_version = in.u64();
  out.issued = get_time(in);
  const std::uint32_t groups = in.count(kMaxGroups, kLeastGroupBytes);
  for (std::uint32_t i = 0; i < groups; ++i) {
    ApproverGroup group = read_group(in);
    if (!out.groups.empty() && out.groups.back().name >= group.name) in.fail();
    out.groups.push_back(std::move(group));
  }
  out.self_approval = get_flag(in);
  out.veto = in.u32();
  out.request_lifetime = get_seconds(in);
  out.longest_grant = get_seconds(in);
  out.most_openings = in.u32();
  out.shortest_reason = in.u32();
  out.auto_request = get_flag(in);
  const std::uint8_t disclose = in.u8();
  if (disclose < 1 || disclose > static_cast<std::uint8_t>(Disclose::kAfterQuorum)) in.fail();
  out.disclose = static_cast<Disclose>(disclose);
  out.program_arguments = get_flag(in);
  out.signatures = read_signatures(in);
  TRY(in.finish("policy"));
  return out;
}

void sign_policy(Policy& policy, const Device& admin) {
  for (ApproverGroup& group : policy.groups) std::sort(group.approvers.begin(), group.approvers.end());
  std::sort(policy.groups.begin(), policy.groups.end(),
            [](const ApproverGroup& a, const ApproverGroup& b) { return a.name < b.name; });
  add_signature(policy.signatures, admin, "policy", body_of(policy));
}

std::string quorum_text(const Policy& policy) {
  std::string out;
  for (const ApproverGroup& group : policy.groups) {
    out += (out.empty() ? "" : " and ") + std::to_string(group.m) + " of ";
    for (const std::string& name : group.approvers) out += name + (&name == &group.approvers.back() ? "" : ", ");
  }
  return out;
}

namespace {

Status check_under_named(const Policy& policy, const RosterChain& chain) {
  if (policy.cluster != chain.current().cluster) return Error(Errc::kKeyRejected, "a policy of another cluster");
  TRY(check_limits(policy));
  TRY(check_groups(policy));
  const RosterVersion* roster = chain.at(policy.roster_version);
  if (roster == nullptr) {
    return Error(Errc::kStale, "the policy was signed under roster version " + std::to_string(policy.roster_version) +
                                   ", and only " + std::to_string(chain.current().version) + " are known");
  }
  TRY(check_approvers(policy, *roster));
  return check_admins(*roster, "policy", body_of(policy), policy.signatures, policy.issued);
}

}  // namespace

const RosterVersion* refused_since(const Policy& policy, const RosterChain& chain) {
  const RosterVersion* named = chain.at(policy.roster_version);
  if (named == nullptr) return nullptr;
  return first_refusal(chain, policy.roster_version, [&](const RosterVersion& later) {
    return admins_still_stand(*named, later, policy.signatures, policy.issued);
  });
}

Status check_policy(const Policy& policy, const RosterChain& chain, const LogProof* proof) {
  TRY(check_under_named(policy, chain));
  return check_logged_before(refused_since(policy, chain), LeafKind::kPolicy, policy.hash(), proof, "the policy of " + policy.path);
}

Status check_next(const Policy& current, const Policy& next, const RosterChain& chain) {
  if (next.directory != current.directory) return Error(Errc::kInvalid, "a policy of another directory");
  if (next.version != current.version + 1 || next.previous != current.hash()) {
    return Error(Errc::kStale, "policy version " + std::to_string(next.version) + " does not continue version " +
                                   std::to_string(current.version) + ": read the current one and change that");
  }
  if (next.roster_version < current.roster_version || next.issued < current.issued) {
    return Error(Errc::kInvalid, "the policy is older than the one it would replace");
  }
  return check_under_named(next, chain);
}

Status check_put(const Policy& next, const Policy* current, const RosterChain& chain, WallTime now) {
  if (next.roster_version != chain.current().version) {
    return Error(Errc::kStale, "the policy was signed under roster version " + std::to_string(next.roster_version) +
                                   "; version " + std::to_string(chain.current().version) +
                                   " holds now: sign it again");
  }
  const std::chrono::seconds skew = kCertificateSkew;
  if (now + skew < next.issued) return invalid(next, "issued at " + time_text(next.issued) + ", in the future");
  if (encode(next).size() > kMaxLeafContentBytes) return invalid(next, "too many approvers and signatures to be logged");
  if (current == nullptr && next.version != 1) return Error(Errc::kStale, "a directory's first policy has version 1");
  TRY(current == nullptr ? check_under_named(next, chain) : check_next(*current, next, chain));
  return check_admins(chain.current(), "policy", body_of(next), next.signatures, now);
}

Status check_moved_inwards(const Policy& before, std::string_view path_before, const Policy& policy) {
  if (before.directory == policy.directory) return {};
  if (lies_below(policy.path, before.path) && lies_below(path_before, policy.path)) return {};
  return Error(Errc::kAccess, "a secret stays under the policy of " + before.path + ", which it was written under; to have it "
                              "under another, remove it and write a new one");
}

bool lies_below(std::string_view path, std::string_view folder) {
  if (folder == "/") return path.size() > 1;
  return path.starts_with(folder) && path.substr(folder.size()).starts_with('/');
}

Status check_not_nearer(const Policy& other, const Policy& policy, std::string_view path) {
  if (other.path.size() <= policy.path.size() || !lies_below(path, other.path)) return {};
  return Error(Errc::kAccess, "the policy of " + other.path + " is nearer than that of " + policy.path +
                                  "; if the folder is a new one, an admin sets its policy with `conclave policy set " + other.path + "`");
}

}  // namespace conclave::vault
