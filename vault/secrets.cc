#include "vault/secrets.h"

#include <algorithm>

#include "base/limits.h"
#include "base/put_permit.h"
#include "base/token.h"
#include "vault/fields.h"
#include "vault/log_audit.h"
#include "vault/proof_message.h"
#include "vault/secret_seal.h"

namespace conclave::vault {
namespace {

constexpr std::string_view kCurrentPolicies =
    "SELECT bytes FROM policy AS p WHERE version = (SELECT max(version) FROM policy WHERE directory = p.directory) "
    "ORDER BY directory";

}  // namespace

Result<std::optional<Policy>> Secrets::current_policy(InodeId directory) {
  Statement find = TRY(state_.prepare("SELECT bytes FROM policy WHERE directory = ? ORDER BY version DESC LIMIT 1"));
  find.bind(raw(directory));
  if (!TRY(find.step())) return std::optional<Policy>();
  return std::optional<Policy>(TRY(parse_policy(find.blob(0))));
}

Result<v1::PutPolicyResponse> Secrets::put_policy(const CallContext&, const v1::PutPolicyRequest& request) {
  const ByteView bytes = view_of(request.policy());
  const Policy next = TRY(parse_policy(bytes));
  const std::optional<Policy> current = TRY(current_policy(next.directory));
  if (current && encode(*current) == bytes_of(bytes)) return v1::PutPolicyResponse();
  TRY(check_put(next, current ? &*current : nullptr, state_.roster(), state_.now()));
  TRY(state_.change([&]() -> Status {
    const auto logged = TRY(state_.log({.kind = LeafKind::kPolicy,
                                        .person = first_signer(state_.roster().current(), next.signatures),
                                        .subject = next.hash(), .note = note_of(next), .content = bytes_of(bytes)}));
    Statement insert = TRY(state_.prepare("INSERT INTO policy (directory, version, bytes, position) VALUES (?, ?, ?, ?)"));
    return insert.bind(raw(next.directory), next.version, bytes, logged.position).run();
  }));
  return v1::PutPolicyResponse();
}

// What was logged only after the version was made has no proof: it does not count any more.
Result<std::optional<LogProof>> Secrets::proof_before(const RosterVersion* refusing, std::uint64_t position) {
  if (refusing == nullptr || position >= refusing->log_size) return std::optional<LogProof>();
  return std::optional(TRY(state_.proof_at(position, refusing->log_size)));
}

Result<std::optional<LogProof>> Secrets::proof_of(const Policy& policy) {
  const RosterVersion* refusing = refused_since(policy, state_.roster());
  if (refusing == nullptr) return std::optional<LogProof>();
  return proof_before(refusing, TRY(state_.number("SELECT position FROM policy WHERE directory = ? AND version = ?",
                                                  raw(policy.directory), policy.version)));
}

Result<SecretProofs> Secrets::proofs(const StoredSecret& secret) {
  const Policy policy = TRY(parse_policy(secret.policy));
  const SecretHeader header = TRY(parse_header(secret.header));
  SecretProofs out;
  out.policy = TRY(proof_of(policy));
  out.header = TRY(proof_before(refused_since(header, state_.roster()), secret.position));
  return out;
}

Result<v1::GetPolicyResponse> Secrets::get_policy(const CallContext&, const v1::GetPolicyRequest& request) {
  const std::optional<Policy> current = TRY(current_policy(InodeId{request.directory()}));
  if (!current) return Error(Errc::kNotFound, "no policy is set for this directory; an admin sets one with 'conclave policy set'");
  v1::GetPolicyResponse response;
  response.set_newest(current->version);
  const std::uint64_t from = request.from_version() == 0 ? current->version : request.from_version();
  Statement find = TRY(state_.prepare("SELECT bytes FROM policy WHERE directory = ? AND version >= ? ORDER BY version"));
  find.bind(request.directory(), from);
  std::size_t bytes = 0;
  while (bytes < kMaxUnaryBodyBytes / 2 && TRY(find.step())) {
    response.add_policies(string_of(find.blob(0)));
    bytes += find.blob(0).size();
  }
  if (response.policies().empty()) return response;
  const Policy last = TRY(parse_policy(view_of(*response.policies().rbegin())));
  if (const auto proof = TRY(proof_of(last))) *response.mutable_proof() = message_of(*proof);
  return response;
}

Result<v1::ListPoliciesResponse> Secrets::list_policies(const CallContext&, const v1::ListPoliciesRequest&) {
  Statement find = TRY(state_.prepare(kCurrentPolicies));
  std::vector<Policy> found;
  std::size_t bytes = 0;
  while (bytes < kMaxUnaryBodyBytes / 2 && TRY(find.step())) {
    found.push_back(TRY(parse_policy(find.blob(0))));
    bytes += find.blob(0).size();
  }
  v1::ListPoliciesResponse response;
  for (const Policy& policy : found) {
    response.add_policies(string_of(encode(policy)));
    const auto proof = TRY(proof_of(policy));
    *response.add_proofs() = proof ? message_of(*proof) : v1::LogProof();
  }
  return response;
}

Result<v1::PutSecretResponse> Secrets::put_secret(const CallContext& context, const v1::PutSecretRequest& request) {
  const SecretHeader header = TRY(parse_header(view_of(request.header())));
  const ShareTable table = TRY(parse_share_table(view_of(request.share_table())));
  const Hash header_hash = header.hash();
  if (find_by_header(header_hash)) return v1::PutSecretResponse();
  const std::optional<Policy> policy = TRY(current_policy(header.directory));
  if (!policy) return Error(Errc::kNotFound, "no policy is set for the secret's directory");
  TRY(check_put(header, table, *policy, state_.roster(), state_.now()));
  TRY(check_permit(context.peer, header, *policy, view_of(request.permit())));
  TRY(accounts_.check_not_logged_out(header.author));
  if (request.inner().size() != kInnerBytes) return Error(Errc::kInvalid, "the locked data key has the wrong length");
  TRY(check_nearest(header, *policy));
  TRY(check_moved_inwards(header, *policy));
  const std::uint64_t newest = TRY(newest_version(header.core.secret));
  if (header.core.version != newest + 1) {
    return Error(Errc::kStale, "version " + std::to_string(newest) + " is current now; write the secret again");
  }
  TRY(state_.change([&]() -> Status {
    const auto logged = TRY(state_.log({.kind = LeafKind::kPut, .person = header.author.person, .subject = header_hash,
                                        .note = note_of(header), .content = encode(LoggedPut{header, head_of(table)})}));
    Statement insert = TRY(state_.prepare(
        "INSERT INTO secret (secret, version, header, header_hash, share_table, policy, position, inner) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
    return insert.bind(ByteView(header.core.secret), header.core.version, view_of(request.header()), ByteView(header_hash),
                       view_of(request.share_table()), encode(*policy), logged.position, view_of(request.inner())).run();
  }));
  return v1::PutSecretResponse();
}

// The vault knows no names: that this is a secret, at this path, below the policy's own folder, and that who puts it may write it,
// is the directory server's word, given for this very version, to this very caller, now.
Status Secrets::check_permit(const Peer& peer, const SecretHeader& header, const Policy& policy, ByteView sealed) {
  const ClusterId& cluster = state_.roster().current().cluster;
  const PutPermit permit = TRY(open_put_permit(sealed, cluster, ca_pem_, state_.now()));
  const std::chrono::seconds skew = kCertificateSkew;
  const bool fresh = state_.now() <= permit.at + skew && permit.at <= state_.now() + skew;
  if (!fresh) return Error(Errc::kStale, "the permit to put is not of now");
  if (permit.holder != holder_of(peer.fingerprint)) return Error(Errc::kStale, "the permit to put was given to another certificate");
  if (permit.version != header.hash() || permit.inodes.empty() ||
      secret_id_of(cluster, permit.inodes.back()) != header.core.secret || plain_text(permit.path, kMaxPathBytes) != header.path) {
    return Error(Errc::kAccess, "the permit to put is for another version, secret or path");
  }
  if (peer.role == Role::kUser && peer.name != header.author.person) {
    return Error(Errc::kAccess, peer.name + " puts what " + header.author.person + " wrote");
  }
  const auto depth = static_cast<std::size_t>(std::ranges::count(policy.path, '/'));   // of a folder's path, as of a name in "/"
  const bool below = lies_below(header.path, policy.path) && depth < permit.inodes.size();
  const bool of_root = policy.path == "/" && policy.directory == kRootInode;
  if (of_root || (below && permit.inodes[depth - 1] == policy.directory)) return {};
  return Error(Errc::kAccess, "the policy of " + policy.path + " is not that of a folder on the way to " + header.path);
}

Status Secrets::check_nearest(const SecretHeader& header, const Policy& policy) {
  Statement all = TRY(state_.prepare(kCurrentPolicies));
  while (TRY(all.step())) {
    const Policy other = TRY(parse_policy(all.blob(0)));
    TRY(check_not_nearer(other, policy, header.path));
  }
  return {};
}

// An author under a weaker policy must not be the one who replaces what lies under a stronger. But a policy that was set
// since on a folder within holds for what lies there as soon as it is written again.
Status Secrets::check_moved_inwards(const SecretHeader& header, const Policy& policy) {
  Statement find = TRY(state_.prepare("SELECT policy, header FROM secret WHERE secret = ? ORDER BY version DESC LIMIT 1"));
  find.bind(ByteView(header.core.secret));
  if (!TRY(find.step())) return {};
  const Policy before = TRY(parse_policy(find.blob(0)));
  const std::string path_before = TRY(parse_header(find.blob(1))).path;
  return vault::check_moved_inwards(before, path_before, policy);
}

Result<v1::GetSecretResponse> Secrets::get_secret(const CallContext&, const v1::GetSecretRequest& request) {
  Statement find = TRY(state_.prepare(
      "SELECT header, share_table, policy, position FROM secret WHERE secret = ?1 AND (?2 = 0 OR version = ?2) "
      "ORDER BY version DESC LIMIT 1"));
  find.bind(view_of(request.secret()), request.version());
  if (!TRY(find.step())) return Error(Errc::kNotFound, "the vault has no such secret");
  v1::GetSecretResponse response;
  const StoredSecret secret{.header = bytes_of(find.blob(0)), .table = bytes_of(find.blob(1)), .policy = bytes_of(find.blob(2)),
                            .inner = {}, .position = find.u64(3)};
  response.set_header(string_of(secret.header));
  response.set_share_table(string_of(secret.table));
  response.set_policy(string_of(secret.policy));
  *response.mutable_proofs() = message_of(TRY(proofs(secret)));
  return response;
}

Status Secrets::check_still_opens(const SecretHeader& header, const Policy& policy) {
  Statement find = TRY(state_.prepare("SELECT version, policy FROM secret WHERE secret = ? ORDER BY version DESC LIMIT 1"));
  find.bind(ByteView(header.core.secret));
  if (!TRY(find.step()) || find.u64(0) == header.core.version) return {};
  const Policy newest = TRY(parse_policy(find.blob(1)));
  const auto current = TRY(current_policy(policy.directory));
  if (!current || current->hash() != policy.hash() || newest.directory != policy.directory) {
    return Error(Errc::kAccess, "that version was sealed under version " + std::to_string(policy.version) + " of the policy of " +
                                policy.path + ", which is not in force for it any more");
  }
  return check_nearest(header, policy);
}

Result<StoredSecret> Secrets::find_by_header(const Hash& header) {
  Statement find = TRY(state_.prepare("SELECT header, share_table, policy, inner, position FROM secret WHERE header_hash = ?"));
  find.bind(ByteView(header));
  if (!TRY(find.step())) return Error(Errc::kNotFound, "the vault has no such version of a secret");
  return StoredSecret{bytes_of(find.blob(0)), bytes_of(find.blob(1)), bytes_of(find.blob(2)), bytes_of(find.blob(3)), find.u64(4)};
}

Result<std::uint64_t> Secrets::newest_version(const SecretId& secret) {
  return state_.number("SELECT coalesce(max(version), 0) FROM secret WHERE secret = ?", ByteView(secret));
}

Result<std::uint64_t> Secrets::count() { return state_.number("SELECT count(DISTINCT secret) FROM secret"); }

}  // namespace conclave::vault
