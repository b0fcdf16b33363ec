#include "vault/accounts.h"

#include "base/limits.h"
#include "vault/fields.h"
#include "vault/log_audit.h"

namespace conclave::vault {
namespace {

constexpr std::uint64_t kLongestInvitationS = 30 * 24 * 3600;  // a month: a token that nobody took is a risk
constexpr auto kInvitationKept = std::chrono::seconds(kLongestInvitationS);  // after its end: to say that it has expired
constexpr std::size_t kMaxInvitations = 10000;
constexpr auto kGuestLifetime = std::chrono::hours(24 * 3650);  // it also serves to log in again, years later
// Of a connection's certificate: only the vault knows who is revoked or has logged out, the other servers believe it to
// its end. Longer than a command runs.
constexpr std::chrono::seconds kUserCertificate = std::chrono::minutes(15);
constexpr std::uint64_t kMostSinceNamed = 1000;   // leaves that a roster's signers may not have seen
constexpr std::size_t kMostAnswerBytes = kMaxUnaryBodyBytes / 2;   // with one roster more it fits

Hash login_hash(const LoginCert& cert) { return labelled_hash("logout", encode(cert)); }

}  // namespace

Accounts::Accounts(VaultState& state, CertifiedKey user_issuer, ClusterId cluster)
    : state_(state), user_issuer_(std::move(user_issuer)), cluster_(cluster) {}

Status Accounts::check_admin(const CallContext& context) {
  auto person = standing(state_.roster().current(), context.peer.name, kAdmin, state_.now());
  if (!person) return in_context("only an admin may do this", std::move(person).error());
  return {};
}

Result<v1::InviteResponse> Accounts::invite(const CallContext& context, const v1::InviteRequest& request) {
  TRY(check_admin(context));
  if (!is_person_name(request.name())) {
    return Error(Errc::kInvalid, "a name is " + std::string(kPersonNameRule));
  }
  if (request.lifetime_s() == 0 || request.lifetime_s() > kLongestInvitationS) {
    return Error(Errc::kInvalid, "an invitation lasts at most 30 days");
  }
  if (state_.roster().current().find(request.name()) != nullptr) {
    return Error(Errc::kExists, "'" + request.name() + "' is in the roster already");
  }
  if (TRY(state_.number("SELECT count(*) FROM invitation WHERE admitted = 0")) >= kMaxInvitations) {
    return Error(Errc::kOverloaded, "too many invitations are open");
  }
  v1::InviteResponse response;
  Bytes id(16);
  state_.random().fill(id);
  const WallTime expires = state_.now() + std::chrono::seconds(request.lifetime_s());
  const CertificateSubject guest{.role = Role::kGuest, .name = request.name(), .uid = 0, .gid = 0, .device_kid_hex = ""};
  CertifiedKey certificate = TRY(issue(user_issuer_, cluster_, guest, state_.now(), kGuestLifetime, state_.random()));
  TRY(state_.change([&]() -> Status {
    Statement forget = TRY(state_.prepare("DELETE FROM invitation WHERE expires_ns < ? OR (name = ? AND admitted = 0)"));
    TRY(forget.bind(state_.now().ns - Duration(kInvitationKept).count(), request.name()).run());
    Statement insert = TRY(state_.prepare(
        "INSERT INTO invitation (id, name, uid, gid, roles, expires_ns) VALUES (?, ?, ?, ?, ?, ?)"));
    return insert.bind(id, request.name(), request.uid(), request.gid(), request.roles() & kAllRoles, expires.ns).run();
  }));
  response.set_id(string_of(id));
  response.set_guest_chain_pem(certificate.chain_pem);
  response.set_guest_key_pem(string_of(certificate.key_pem.view()));
  return response;
}

Result<v1::JoinResponse> Accounts::join(const CallContext& context, const v1::JoinRequest& request) {
  TRY(parse_device(view_of(request.device())));
  if (request.mac().size() != sizeof(Mac)) return Error(Errc::kInvalid, "the MAC of a join has 32 bytes");
  Statement find = TRY(state_.prepare("SELECT expires_ns, device, mac, admitted, name FROM invitation WHERE id = ?"));
  find.bind(view_of(request.id()));
  if (!TRY(find.step())) return Error(Errc::kNotFound, "there is no such invitation; ask an admin for a new token");
  if (find.text(4) != context.peer.name) return Error(Errc::kAccess, "this token is another person's");
  const bool same = !find.is_null(1) && text_of(find.blob(1)) == request.device() && text_of(find.blob(2)) == request.mac();
  v1::JoinResponse response;
  response.set_admitted(find.i64(3) != 0);
  if (same) return response;
  if (!find.is_null(1)) return Error(Errc::kExists, "this token was used already; ask an admin for a new one");
  if (find.i64(0) < state_.now().ns) return Error(Errc::kKeyExpired, "this token has expired; ask an admin for a new one");
  find.reset();
  TRY(state_.change([&]() -> Status {
    Statement update = TRY(state_.prepare("UPDATE invitation SET device = ?, mac = ? WHERE id = ?"));
    return update.bind(view_of(request.device()), view_of(request.mac()), view_of(request.id())).run();
  }));
  return response;
}

Result<v1::JoinsResponse> Accounts::joins(const CallContext& context, const v1::JoinsRequest& request) {
  TRY(check_admin(context));
  Statement find = TRY(state_.prepare(
      "SELECT id, name, uid, gid, roles, device, mac FROM invitation "
      "WHERE admitted = 0 AND device IS NOT NULL AND (?1 = '' OR name = ?1) ORDER BY name LIMIT 100"));
  find.bind(request.name());
  v1::JoinsResponse response;
  while (TRY(find.step())) {
    auto* one = response.add_joins();
    one->set_id(string_of(find.blob(0)));
    one->set_name(std::string(find.text(1)));
    one->set_uid(static_cast<std::uint32_t>(find.i64(2)));
    one->set_gid(static_cast<std::uint32_t>(find.i64(3)));
    one->set_roles(static_cast<std::uint32_t>(find.i64(4)));
    one->set_device(string_of(find.blob(5)));
    one->set_mac(string_of(find.blob(6)));
  }
  return response;
}

Result<v1::PutRosterResponse> Accounts::put_roster(const CallContext&, const v1::PutRosterRequest& request) {
  const ByteView bytes = view_of(request.version());
  const RosterVersion next = TRY(parse_roster(bytes));
  const RosterVersion* known = state_.roster().at(next.version);
  if (known != nullptr && encode(*known) == bytes_of(bytes)) return v1::PutRosterResponse();
  TRY(check_put(state_.roster().current(), next, state_.now()));
  TRY(check_log_named(next));
  TRY(state_.change([&]() -> Status {
    Statement insert = TRY(state_.prepare("INSERT INTO roster (version, bytes) VALUES (?, ?)"));
    TRY(insert.bind(next.version, bytes).run());
    Statement admit = TRY(state_.prepare("UPDATE invitation SET admitted = 1 WHERE id = ?"));
    TRY(admit.bind(view_of(request.join_id())).run());
    TRY(state_.log({.kind = LeafKind::kRoster, .person = first_signer(next, next.signatures), .subject = next.hash(),
                    .note = note_of(next), .content = {}}));
    return {};
  }));
  TRY(state_.adopt_roster(bytes));
  return v1::PutRosterResponse();
}

// What was signed by who leaves with this version must be in the log that it names, or nobody could open it any more.
Status Accounts::check_log_named(const RosterVersion& next) {
  if (next.log_size > state_.log_size() || next.log_root != state_.log_root(next.log_size)) {
    return Error(Errc::kKeyRejected, "the roster names another audit log than this vault's");
  }
  const std::uint64_t since = state_.log_size() - next.log_size;
  const Error moved(Errc::kStale, "the audit log has grown meanwhile; make the change again on top of it");
  if (since > kMostSinceNamed) return moved;
  for (const Bytes& bytes : TRY(state_.leaves(next.log_size, since))) {
    const LogLeaf leaf = TRY(parse_leaf(bytes));
    if (leaf.kind == LeafKind::kPolicy || leaf.kind == LeafKind::kPut) return moved;
  }
  return {};
}

Result<v1::GetRosterResponse> Accounts::get_roster(const CallContext&, const v1::GetRosterRequest& request) {
  v1::GetRosterResponse response;
  std::size_t bytes = 0;
  for (std::uint64_t v = std::max<std::uint64_t>(1, request.from_version()); bytes < kMostAnswerBytes; ++v) {
    const RosterVersion* version = state_.roster().at(v);
    if (version == nullptr) break;
    response.add_versions(string_of(encode(*version)));
    bytes += response.versions().rbegin()->size();
  }
  return response;
}

Result<v1::LoginResponse> Accounts::login(const CallContext&, const v1::LoginRequest& request) {
  const LoginCert cert = TRY(parse_login_cert(view_of(request.login_certificate())));
  const Person* person = TRY(check_login(state_.roster().current(), cert, 0, state_.now()));
  TRY(check_not_logged_out(cert));
  const CertificateSubject subject{.role = Role::kUser, .name = person->name, .uid = person->uid, .gid = person->gid,
                                   .device_kid_hex = to_hex(cert.kid)};
  WallTime end = cert.not_after;
  if (person->expires.ns != 0) end = std::min(end, person->expires);
  const auto left = std::min(kUserCertificate, std::chrono::duration_cast<std::chrono::seconds>(Duration(end.ns - state_.now().ns)));
  if (left.count() <= 0) return Error(Errc::kKeyExpired, person->name + "'s login ended at " + time_text(end) + ": log in again");
  v1::LoginResponse response;
  response.set_chain_pem(TRY(issue_for(user_issuer_, cluster_, subject, cert.key, state_.now(), left, state_.random())));
  return response;
}

Result<v1::LogoutResponse> Accounts::logout(const CallContext& context, const v1::LogoutRequest& request) {
  const LoginCert cert = TRY(parse_login_cert(view_of(request.login_certificate())));
  const bool own = context.peer.role == Role::kUser && context.peer.name == cert.person;
  if (!own) TRY(verify_logout(cert, view_of(request.signature())));
  TRY(check_login(state_.roster().current(), cert, 0, state_.now()));
  TRY(state_.change([&]() -> Status {
    Statement forget = TRY(state_.prepare("DELETE FROM logout WHERE expires_ns < ?"));
    TRY(forget.bind(state_.now().ns).run());
    Statement insert = TRY(state_.prepare("INSERT OR IGNORE INTO logout (login, expires_ns) VALUES (?, ?)"));
    return insert.bind(ByteView(login_hash(cert)), (cert.not_after + std::chrono::seconds(kCertificateSkew)).ns).run();
  }));
  return v1::LogoutResponse();
}

Status Accounts::check_not_logged_out(const LoginCert& cert) {
  Statement find = TRY(state_.prepare("SELECT 1 FROM logout WHERE login = ?"));
  const Hash hash = login_hash(cert);
  find.bind(ByteView(hash));
  if (TRY(find.step())) return Error(Errc::kKeyRevoked, cert.person + " has logged out; log in again");
  return {};
}

}  // namespace conclave::vault
