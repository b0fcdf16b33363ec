#include "vault/request.h"

#include <algorithm>

#include "base/limits.h"
#include "vault/fields.h"

namespace conclave::vault {
namespace {

Bytes body_of(const Request& request) {
  CanonicalWriter out = begin_body();
  out.raw(request.id).raw(request.header).raw(request.table).lv(encode(request.requester));
  out.raw(request.claims_hash).raw(request.key);
  put_time(out, request.filed);
  put_time(out, request.expires);
  put_seconds(out, request.grant);
  out.u32(request.openings).u64(request.log_size).raw(request.log_root);
  return std::move(out).bytes();
}

Bytes body_of(const Record& record) {
  CanonicalWriter out = begin_body();
  out.raw(record.rd).u8(static_cast<std::uint8_t>(record.happening));
  put_time(out, record.at);
  return std::move(out).bytes();
}

template <class Signed>
Bytes with_signature(const Signed& what) {
  Bytes out = body_of(what);
  out.insert(out.end(), what.signature.begin(), what.signature.end());
  return out;
}

}  // namespace

Hash Request::rd() const { return labelled_hash("request", body_of(*this)); }

Bytes encode(const Request& request) { return with_signature(request); }

Result<Request> parse_request(ByteView bytes) {
  CanonicalReader in = read_body(bytes);
  Request out;
  out.id = in.array<16>();
  out.header = in.array<32>();
  out.table = in.array<32>();
  const ByteView requester = in.lv(kMaxLoginCertBytes);
  out.claims_hash = in.array<32>();
  out.key = in.array<32>();
  out.filed = get_time(in);
  out.expires = get_time(in);
  out.grant = get_seconds(in);
  out.openings = in.u32();
  out.log_size = in.u64();
  out.log_root = in.array<32>();
  out.signature = in.array<64>();
  TRY(in.finish("request"));
  out.requester = TRY(parse_login_cert(requester));
  return out;
}

Bytes encode(const Claims& claims) {
  CanonicalWriter out = begin_body();
  out.raw(claims.salt).lv(claims.host).u32(claims.uid).lv(claims.program).lv(claims.reason);
  return std::move(out).bytes();
}

Result<Claims> parse_claims(ByteView bytes) {
  CanonicalReader in = read_body(bytes);
  Claims out;
  out.salt = in.array<16>();
  out.host = get_plain_text(in, kMaxHostBytes);
  out.uid = in.u32();
  out.program = get_plain_text(in, kMaxProgramBytes);
  out.reason = get_plain_text(in, kMaxReasonBytes);
  TRY(in.finish("claims of a request"));
  return out;
}

Status add_claims(Request& request, ByteView claims) {
  if (labelled_hash("claims", claims) != request.claims_hash) {
    return Error(Errc::kKeyRejected, "what is said of the request is not what its requester said");
  }
  request.claims = TRY(parse_claims(claims));
  return {};
}

std::string short_id(const Hash& rd) { return to_hex(ByteView(rd).first(kShortIdBytes)); }

Request make_request(const SecretHeader& header, const ShareTable& table, const Policy& policy, const Login& login,
                     const AgreementPublic& key, const Wish& wish, WallTime now, Random& random) {
  Request out;
  random.fill(out.id);
  out.header = header.hash();
  out.table = table.hash();
  out.requester = login.cert;
  Claims claims{{}, plain_text(wish.host, kMaxHostBytes), wish.uid, plain_text(wish.program, kMaxProgramBytes),
                plain_text(wish.reason, kMaxReasonBytes)};
  random.fill(claims.salt);
  out.claims_hash = labelled_hash("claims", encode(claims));
  out.claims = std::move(claims);
  out.key = key;
  out.filed = now;
  out.expires = now + policy.request_lifetime;
  out.grant = wish.grant.count() <= 0 ? policy.longest_grant : std::min(wish.grant, policy.longest_grant);
  out.openings = wish.openings == 0 ? policy.most_openings : std::min(wish.openings, policy.most_openings);
  out.log_size = wish.log_size;
  out.log_root = wish.log_root;
  out.signature = sign(login.key, "request", body_of(out));
  return out;
}

Status check_request_limits(const Request& request, const Policy& policy) {
  if (request.claims && request.claims->reason.size() < policy.shortest_reason) {
    return Error(Errc::kInvalid, "the policy asks for a reason of at least " + std::to_string(policy.shortest_reason) +
                                     " bytes");
  }
  if (request.expires < request.filed || request.filed + policy.request_lifetime < request.expires) {
    return Error(Errc::kInvalid, "the request would wait longer than its policy lets it");
  }
  if (request.grant < std::chrono::seconds(1) || request.grant > policy.longest_grant) {
    return Error(Errc::kInvalid, "the request asks for more time than its policy grants");
  }
  if (request.openings < 1 || request.openings > policy.most_openings) {
    return Error(Errc::kInvalid, "the request asks for more openings than its policy grants");
  }
  return {};
}

Status verify_signature(const Request& request) {
  return verify(request.requester.key, "request", body_of(request), request.signature);
}

Bytes encode(const Record& record) { return with_signature(record); }

Result<Record> parse_record(ByteView bytes) {
  CanonicalReader in = read_body(bytes);
  Record out;
  out.rd = in.array<32>();
  const std::uint8_t happening = in.u8();
  if (happening < 1 || happening > static_cast<std::uint8_t>(Happening::kExpired)) in.fail();
  out.happening = static_cast<Happening>(happening);
  out.at = get_time(in);
  out.signature = in.array<64>();
  TRY(in.finish("record"));
  return out;
}

Record make_record(const Hash& rd, Happening happening, WallTime at, const SigningKey& login_key) {
  Record out{rd, happening, at, {}};
  out.signature = sign(login_key, "record", body_of(out));
  return out;
}

Status check_record(const Record& record, const Request& request) {
  if (record.rd != request.rd()) return Error(Errc::kKeyRejected, "a record of another request");
  return verify(request.requester.key, "record", body_of(record), record.signature);
}

}  // namespace conclave::vault
