#include "vault/release.h"

#include <algorithm>

#include "vault/fields.h"
#include "vault/secret_seal.h"

namespace conclave::vault {
namespace {

constexpr std::string_view kTransit = "ConclaveFS/v1/inner in transit";

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Bytes inner_aad(const Case& a_case) {
  CanonicalWriter out;
  out.raw(a_case.rd).raw(a_case.request.header);
  return std::move(out).bytes();
}

std::string counts_text(const Tally& tally) {
  std::string out;
  for (const GroupCount& group : tally.groups) {
    out += (out.empty() ? "" : ", ") + std::to_string(std::min(group.have, group.shares)) + " of " + std::to_string(group.need) + " in " +
           group.name;
  }
  return out;
}

// By group, one share of each person who approved. A share that does not open is left out and, if that breaks the
// quorum, named. More than m lie on the same polynomial.
Result<std::vector<std::vector<Share>>> open_shares(const Case& a_case, const std::vector<Approval>& approvals,
                                                    const AgreementKey& request_key, const RosterChain& chain) {
  std::vector<std::vector<Share>> out(a_case.policy.groups.size());
  Error problem(Errc::kCorrupt, "too few shares");
  for (const Approval& approval : approvals) {
    if (approval.part == Part::kVote || !check_approval(approval, a_case, chain)) continue;
    std::vector<Share>& group = out[a_case.table.find(approval.kid)->group];
    const bool there = std::any_of(group.begin(), group.end(), [&](const Share& s) { return s.x == approval.x; });
    if (there) continue;
    Result<Share> share = open_approval(approval, a_case, request_key);
    if (share) {
      group.push_back(std::move(*share));
    } else {
      problem = share.error();
    }
  }
  for (std::size_t g = 0; g < out.size(); ++g) {
    if (out[g].size() < a_case.policy.groups[g].m) return problem;
  }
  return out;
}

}  // namespace

bool Tally::can_release() const {
  return decision == Decision::kApproved &&
         std::all_of(groups.begin(), groups.end(), [](const GroupCount& g) { return g.shares >= g.need; });
}

Tally tally_of(const Policy& policy, const std::vector<Yes>& yes, const std::vector<std::string>& no) {
  Tally out;
  for (const ApproverGroup& group : policy.groups) out.groups.push_back({group.name, 0, group.m, 0});
  for (const std::string& person : no) {
    if (!contains(out.denied, person)) out.denied.push_back(person);
  }
  for (const Yes& one : yes) {
    const Policy::Place place = policy.place_of(one.person);
    if (place.group == nullptr || contains(out.denied, one.person)) continue;
    GroupCount& group = out.groups[place.group_index];
    if (one.part != Part::kShare && !contains(out.approved, one.person)) {
      out.approved.push_back(one.person);
      ++group.have;
    }
    if (one.part != Part::kVote && contains(out.approved, one.person) && !contains(out.gave_share, one.person)) {
      out.gave_share.push_back(one.person);
      ++group.shares;
    }
  }
  const bool enough =
      std::all_of(out.groups.begin(), out.groups.end(), [](const GroupCount& g) { return g.have >= g.need; });
  if (enough) out.decision = Decision::kApproved;
  if (out.denied.size() >= policy.veto) out.decision = Decision::kDenied;
  return out;
}

Tally count_votes(const Case& a_case, const std::vector<Approval>& approvals, const std::vector<Denial>& denials,
                  const RosterChain& chain) {
  std::vector<Yes> yes;
  for (const Approval& approval : approvals) {
    if (const auto person = check_approval(approval, a_case, chain)) yes.push_back({(*person)->name, approval.part});
  }
  std::vector<std::string> no;
  for (const Denial& denial : denials) {
    if (const auto person = check_denial(denial, a_case, chain)) no.push_back((*person)->name);
  }
  return tally_of(a_case.policy, yes, no);
}

bool share_is_due(const Policy& policy, const Tally& tally, std::string_view person) {
  const std::string name(person);
  return policy.disclose == Disclose::kAfterQuorum && tally.decision == Decision::kApproved && contains(tally.approved, name) &&
         !contains(tally.gave_share, name);
}

std::vector<std::string> exposed_by(const Policy& policy, const std::vector<SharesOut>& requests) {
  std::set<std::string> out;
  for (const SharesOut& request : requests) {
    if (request.quorum || request.people.empty()) continue;
    out.insert(request.people.begin(), request.people.end());
    if (policy.place_of(request.requester).group != nullptr) out.insert(request.requester);
  }
  for (const ApproverGroup& group : policy.groups) {
    const auto have = std::count_if(group.approvers.begin(), group.approvers.end(), [&](const auto& name) { return out.contains(name); });
    if (static_cast<std::uint32_t>(have) < group.m) return {};
  }
  return {out.begin(), out.end()};
}

Result<Bytes> seal_inner(const Case& a_case, ByteView inner, Random& random) {
  return hpke_seal(a_case.request.key, view_of(kTransit), inner_aad(a_case), inner, random);
}

Hash release_hash(const Hash& rd, const std::vector<Approval>& approvals, ByteView sealed_inner) {
  CanonicalWriter out = begin_body();
  out.raw(rd).u32(static_cast<std::uint32_t>(approvals.size()));
  for (const Approval& approval : approvals) out.lv(encode(approval));
  out.lv(sealed_inner);
  return labelled_hash("release", out.bytes());
}

Result<SecretBytes> open_released(const Case& a_case, const std::vector<Approval>& approvals, ByteView sealed_inner,
                                  ByteView payload, const AgreementKey& request_key, const RosterChain& chain) {
  const Tally tally = count_votes(a_case, approvals, {}, chain);
  if (!tally.can_release()) {
    return Error(Errc::kAccess, "released without a quorum: " + counts_text(tally));
  }
  const auto shares = TRY(open_shares(a_case, approvals, request_key, chain));
  const SecretBytes quorum_secret = TRY(join_quorum(a_case.header, shares));
  const SecretBytes inner = TRY(hpke_open(request_key, view_of(kTransit), inner_aad(a_case), sealed_inner));
  const SecretBytes dek = TRY(open_inner(a_case.header, quorum_secret, inner.view()));
  return open_payload(a_case.header, dek, payload);
}

}  // namespace conclave::vault
