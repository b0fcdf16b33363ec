#include "vault/approval.h"

#include <algorithm>

#include "base/certificate.h"
#include "base/limits.h"
#include "vault/fields.h"
#include "vault/secret_seal.h"

namespace conclave::vault {
namespace {

constexpr std::string_view kTransit = "ConclaveFS/v1/share in transit";

Bytes body_of(const Approval& approval) {
  CanonicalWriter out = begin_body();
  out.raw(approval.rd).raw(approval.kid).u8(approval.x).u8(static_cast<std::uint8_t>(approval.part));
  put_time(out, approval.at);
  out.raw(approval.share_hash);
  return std::move(out).bytes();
}

Bytes body_of(const Denial& denial) {
  CanonicalWriter out = begin_body();
  out.raw(denial.rd).raw(denial.kid);
  put_time(out, denial.at);
  out.lv(denial.reason);
  return std::move(out).bytes();
}

template <class Vote>
Bytes with_signature(const Vote& vote) {
  Bytes out = body_of(vote);
  out.insert(out.end(), vote.signature.begin(), vote.signature.end());
  return out;
}

Bytes transit_aad(const Hash& rd, const Kid& kid, std::uint8_t x) {
  CanonicalWriter out;
  out.raw(rd).raw(kid).u8(x);
  return std::move(out).bytes();
}

Hash hash_of(const SealedShare& share) { return labelled_hash("sealed share", share); }

// A person who may vote at that time.
Result<const Person*> voter(const Asked& asked, const Kid& kid, const RosterChain& chain, WallTime at) {
  const Person* person = TRY(standing(chain.current(), kid, kApprover, at));
  const std::chrono::seconds skew = kCertificateSkew;
  if (asked.policy.place_of(person->name).group == nullptr) {
    return Error(Errc::kAccess, person->name + " is no approver of the policy of " + asked.policy.path);
  }
  if (at > asked.request.expires) {
    return Error(Errc::kTimedOut,
                 person->name + " voted after the request expired at " + time_text(asked.request.expires));
  }
  if (at + skew < asked.request.filed) {
    return Error(Errc::kKeyRejected, person->name + " voted before the request was filed");
  }
  return person;
}

Asked asked_of(const Case& a_case) { return {a_case.policy, a_case.request, a_case.rd}; }

Status check_has_share(const Case& a_case, const Person& person, const Kid& kid) {
  if (a_case.table.find(kid) != nullptr) return {};
  return Error(Errc::kAccess, person.name + "'s device " + to_hex(kid) + " holds no share of this secret");
}

Status check_not_requester(const Asked& asked, const Person& person) {
  if (asked.policy.self_approval || person.name != asked.request.requester.person) return {};
  return Error(Errc::kAccess, person.name + " cannot approve their own request");
}

// Which parts a policy asks for.
bool fits(Part part, Disclose disclose) { return (part == Part::kWhole) == (disclose == Disclose::kWithVote); }

template <class Vote>
Status check_signature(const Vote& vote, const Asked& asked, const RosterChain& chain, std::string_view label) {
  if (vote.rd != asked.rd) return Error(Errc::kKeyRejected, "a vote on another request");
  const auto [person, device] = chain.current().find(vote.kid);
  if (person == nullptr) return Error(Errc::kKeyRejected, "a vote by an unknown device " + to_hex(vote.kid));
  return verify(device->keys.signing, label, body_of(vote), vote.signature);
}

}  // namespace

Bytes encode_vote(const Approval& approval) { return with_signature(approval); }
Bytes encode(const Approval& approval) {
  Bytes out = encode_vote(approval);
  if (approval.share) out.insert(out.end(), approval.share->begin(), approval.share->end());
  return out;
}
Bytes encode(const Denial& denial) { return with_signature(denial); }

Result<Approval> parse_approval(ByteView bytes) {
  CanonicalReader in = read_body(bytes);
  Approval out;
  out.rd = in.array<32>();
  out.kid = in.array<16>();
  out.x = in.u8();
  const std::uint8_t part = in.u8();
  if (part < 1 || part > static_cast<std::uint8_t>(Part::kShare)) in.fail();
  out.part = static_cast<Part>(part);
  out.at = get_time(in);
  out.share_hash = in.array<32>();
  out.signature = in.array<64>();
  if (bytes.size() > kVoteBytes) out.share = in.array<kSealedShareBytes>();
  if ((out.part == Part::kVote) != (out.share_hash == Hash{})) in.fail();
  if (out.share && (out.part == Part::kVote || hash_of(*out.share) != out.share_hash)) in.fail();
  TRY(in.finish("approval"));
  return out;
}

Result<Denial> parse_denial(ByteView bytes) {
  CanonicalReader in = read_body(bytes);
  Denial out;
  out.rd = in.array<32>();
  out.kid = in.array<16>();
  out.at = get_time(in);
  out.reason = get_plain_text(in, kMaxReasonBytes);
  out.signature = in.array<64>();
  TRY(in.finish("denial"));
  return out;
}

namespace {

// Signed, with this device's share opened and checked whether it goes with it or not: a vote promises a good one.
Result<Approval> make_approval(const Case& a_case, const Device& device, const RosterChain& chain, Part part, WallTime now,
                               Random& random) {
  TRY(check_open(a_case, chain, now));
  Approval out;
  out.rd = a_case.rd;
  out.kid = device.kid();
  out.part = part;
  out.at = now;
  const Person* person = TRY(voter(asked_of(a_case), out.kid, chain, now));
  TRY(check_not_requester(asked_of(a_case), *person));
  TRY(check_has_share(a_case, *person, out.kid));
  const Share share = TRY(open_share(device, a_case.header, a_case.table));
  out.x = share.x;
  if (part != Part::kVote) {
    const Bytes sealed = TRY(hpke_seal(a_case.request.key, view_of(kTransit), transit_aad(out.rd, out.kid, out.x),
                                       share.y.view(), random));
    SealedShare& there = out.share.emplace();
    std::copy(sealed.begin(), sealed.end(), there.begin());
    out.share_hash = hash_of(there);
  }
  out.signature = sign(device.signing, "approval", body_of(out));
  return out;
}

}  // namespace

Result<Approval> approve(const Case& a_case, const Device& device, const RosterChain& chain, WallTime now,
                         Random& random) {
  const Part part = a_case.policy.disclose == Disclose::kWithVote ? Part::kWhole : Part::kVote;
  return make_approval(a_case, device, chain, part, now, random);
}

Result<Approval> disclose(const Case& a_case, const Device& device, const RosterChain& chain, WallTime now, Random& random) {
  if (a_case.policy.disclose == Disclose::kWithVote) return Error(Errc::kInvalid, "under this policy a vote brings its share with it");
  return make_approval(a_case, device, chain, Part::kShare, now, random);
}

Result<Denial> deny(const Case& a_case, const Device& device, const RosterChain& chain, std::string_view reason,
                    WallTime now) {
  TRY(check_open(a_case, chain, now));
  Denial out{a_case.rd, device.kid(), now, plain_text(reason, kMaxReasonBytes), {}};
  const Person* person = TRY(voter(asked_of(a_case), out.kid, chain, now));
  TRY(check_has_share(a_case, *person, out.kid));
  out.signature = sign(device.signing, "denial", body_of(out));
  return out;
}

Result<const Person*> check_vote(const Approval& approval, const Asked& asked, const RosterChain& chain) {
  TRY(check_signature(approval, asked, chain, "approval"));
  const Person* person = TRY(voter(asked, approval.kid, chain, approval.at));
  TRY(check_not_requester(asked, *person));
  if (asked.policy.place_of(person->name).x != approval.x) {
    return Error(Errc::kKeyRejected, person->name + "'s approval carries another's share");
  }
  if (!fits(approval.part, asked.policy.disclose)) {
    return Error(Errc::kInvalid, person->name + "'s approval gives its share at another time than the policy says");
  }
  return person;
}

Result<const Person*> check_vote(const Denial& denial, const Asked& asked, const RosterChain& chain) {
  TRY(check_signature(denial, asked, chain, "denial"));
  return voter(asked, denial.kid, chain, denial.at);
}

Result<const Person*> check_approval(const Approval& approval, const Case& a_case, const RosterChain& chain) {
  const Person* person = TRY(check_vote(approval, asked_of(a_case), chain));
  TRY(check_has_share(a_case, *person, approval.kid));
  return person;
}

Result<const Person*> check_denial(const Denial& denial, const Case& a_case, const RosterChain& chain) {
  const Person* person = TRY(check_vote(denial, asked_of(a_case), chain));
  TRY(check_has_share(a_case, *person, denial.kid));
  return person;
}

Result<Share> open_approval(const Approval& approval, const Case& a_case, const AgreementKey& request_key) {
  const ShareEntry* entry = a_case.table.find(approval.kid);
  const Error bad(Errc::kCorrupt, "the share from device " + to_hex(approval.kid) + " is not the author's");
  if (entry == nullptr || entry->x != approval.x || !approval.share) return bad;
  Result<SecretBytes> y = hpke_open(request_key, view_of(kTransit),
                                    transit_aad(a_case.rd, approval.kid, approval.x), *approval.share);
  if (!y || share_commitment(a_case.header.core, entry->group, entry->x, *y) != entry->commitment) return bad;
  return Share{approval.x, std::move(*y)};
}

}  // namespace conclave::vault
