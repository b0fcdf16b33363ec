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
  out.raw(approval.rd).raw(approval.kid).u8(approval.x);
  put_time(out, approval.at);
  out.raw(approval.share);
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

// A person who may vote on the case at that time, by a device with a share.
Result<const Person*> voter(const Case& a_case, const Kid& kid, const RosterChain& chain, WallTime at) {
  const Person* person = TRY(standing(chain.current(), kid, kApprover, at));
  const std::chrono::seconds skew = kCertificateSkew;
  if (a_case.table.find(kid) == nullptr) {
    return Error(Errc::kAccess, person->name + "'s device " + to_hex(kid) + " holds no share of this secret");
  }
  if (at > a_case.request.expires) {
    return Error(Errc::kTimedOut,
                 person->name + " voted after the request expired at " + time_text(a_case.request.expires));
  }
  if (at + skew < a_case.request.filed) {
    return Error(Errc::kKeyRejected, person->name + " voted before the request was filed");
  }
  return person;
}

Status check_not_requester(const Case& a_case, const Person& person) {
  if (a_case.policy.self_approval || person.name != a_case.request.requester.person) return {};
  return Error(Errc::kAccess, person.name + " cannot approve their own request");
}

template <class Vote>
Status check_signature(const Vote& vote, const Case& a_case, const RosterChain& chain, std::string_view label) {
  if (vote.rd != a_case.rd) return Error(Errc::kKeyRejected, "a vote on another request");
  const auto [person, device] = chain.current().find(vote.kid);
  if (person == nullptr) return Error(Errc::kKeyRejected, "a vote by an unknown device " + to_hex(vote.kid));
  return verify(device->keys.signing, label, body_of(vote), vote.signature);
}

}  // namespace

Bytes encode(const Approval& approval) { return with_signature(approval); }
Bytes encode(const Denial& denial) { return with_signature(denial); }

Result<Approval> parse_approval(ByteView bytes) {
  CanonicalReader in = read_body(bytes);
  Approval out;
  out.rd = in.array<32>();
  out.kid = in.array<16>();
  out.x = in.u8();
  out.at = get_time(in);
  out.share = in.array<kSealedShareBytes>();
  out.signature = in.array<64>();
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

Result<Approval> approve(const Case& a_case, const Device& device, const RosterChain& chain, WallTime now,
                         Random& random) {
  TRY(check_open(a_case, chain, now));
  Approval out;
  out.rd = a_case.rd;
  out.kid = device.kid();
  out.at = now;
  const Person* person = TRY(voter(a_case, out.kid, chain, now));
  TRY(check_not_requester(a_case, *person));
  const Share share = TRY(open_share(device, a_case.header, a_case.table));
  out.x = share.x;
  const Bytes sealed = TRY(hpke_seal(a_case.request.key, view_of(kTransit), transit_aad(out.rd, out.kid, out.x),
                                     share.y.view(), random));
  std::copy(sealed.begin(), sealed.end(), out.share.begin());
  out.signature = sign(device.signing, "approval", body_of(out));
  return out;
}

Result<Denial> deny(const Case& a_case, const Device& device, const RosterChain& chain, std::string_view reason,
                    WallTime now) {
  TRY(check_open(a_case, chain, now));
  Denial out{a_case.rd, device.kid(), now, plain_text(reason, kMaxReasonBytes), {}};
  TRY(voter(a_case, out.kid, chain, now));
  out.signature = sign(device.signing, "denial", body_of(out));
  return out;
}

Result<const Person*> check_approval(const Approval& approval, const Case& a_case, const RosterChain& chain) {
  TRY(check_signature(approval, a_case, chain, "approval"));
  const Person* person = TRY(voter(a_case, approval.kid, chain, approval.at));
  TRY(check_not_requester(a_case, *person));
  if (a_case.table.find(approval.kid)->x != approval.x) {
    return Error(Errc::kKeyRejected, person->name + "'s approval carries another's share");
  }
  return person;
}

Result<const Person*> check_denial(const Denial& denial, const Case& a_case, const RosterChain& chain) {
  TRY(check_signature(denial, a_case, chain, "denial"));
  return voter(a_case, denial.kid, chain, denial.at);
}

Result<Share> open_approval(const Approval& approval, const Case& a_case, const AgreementKey& request_key) {
  const ShareEntry* entry = a_case.table.find(approval.kid);
  const Error bad(Errc::kCorrupt, "the share from device " + to_hex(approval.kid) + " is not the author's");
  if (entry == nullptr || entry->x != approval.x) return bad;
  Result<SecretBytes> y = hpke_open(request_key, view_of(kTransit),
                                    transit_aad(a_case.rd, approval.kid, approval.x), approval.share);
  if (!y || share_commitment(a_case.header.core, entry->group, entry->x, *y) != entry->commitment) return bad;
  return Share{approval.x, std::move(*y)};
}

}  // namespace conclave::vault
