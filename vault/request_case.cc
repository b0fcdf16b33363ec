#include "vault/request_case.h"

#include "base/certificate.h"
#include "vault/fields.h"

namespace conclave::vault {
namespace {

Status check(Status status, const char* what) {
  if (status) return status;
  return in_context(what, std::move(status).error());
}

}  // namespace

Status check_requester(const Request& request, const RosterChain& chain) {
  TRY(verify_signature(request));
  TRY(check_login(chain.current(), request.requester, kRequester, request.filed));
  return {};
}

Result<Case> open_case(ByteView policy, ByteView header, ByteView table, ByteView request, const RosterChain& chain,
                       const SecretProofs& proofs, ByteView claims) {
  Case out;
  out.policy = TRY(parse_policy(policy));
  out.header = TRY(parse_header(header));
  out.table = TRY(parse_share_table(table));
  out.request = TRY(parse_request(request));
  out.rd = out.request.rd();
  if (!claims.empty()) TRY(add_claims(out.request, claims));
  TRY(check(check_policy(out.policy, chain, pointer_to(proofs.policy)), "policy"));
  TRY(check(check_header(out.header, chain, pointer_to(proofs.header)), "secret"));
  TRY(check_share_table(out.table, out.header, out.policy, chain));
  if (out.request.header != out.header.hash() || out.request.table != out.table.hash()) {
    return Error(Errc::kKeyRejected, "the request asks for another version of the secret");
  }
  TRY(check(check_requester(out.request, chain), "requester"));
  TRY(check(check_request_limits(out.request, out.policy), "request"));
  return out;
}

Status check_filing(const Case& a_case, const RosterChain& chain, WallTime now) {
  TRY(check_open(a_case, chain, now));
  if (!a_case.request.claims) return Error(Errc::kInvalid, "the request comes without its claims");
  const std::chrono::seconds skew = kCertificateSkew;
  if (a_case.request.filed + skew < now) {
    return Error(Errc::kKeyRejected, "the request says it was filed at " + time_text(a_case.request.filed) + ", not now");
  }
  return {};
}

Status check_open(const Case& a_case, const RosterChain& chain, WallTime now) {
  const Request& request = a_case.request;
  if (now > request.expires) {
    return Error(Errc::kTimedOut, "request " + short_id(a_case.rd) + " expired at " + time_text(request.expires));
  }
  const std::chrono::seconds skew = kCertificateSkew;
  if (now + skew < request.filed) return Error(Errc::kKeyRejected, "the request was filed in the future");
  const Result<const Person*> requester = standing(chain.current(), request.requester.kid, kRequester, now);
  if (!requester) return in_context("requester", requester.error());
  return {};
}

}  // namespace conclave::vault
