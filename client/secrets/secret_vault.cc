#include "client/secrets/secret_vault.h"

#include <algorithm>

#include "vault/fields.h"
#include "vault/policy_client.h"
#include "vault/proof_message.h"

namespace conclave::client {
namespace {

Hash hash_of(std::string_view bytes) {
  Hash hash{};
  if (bytes.size() == hash.size()) std::copy(bytes.begin(), bytes.end(), hash.begin());
  return hash;
}

}  // namespace

vault::SecretId SecretVault::id_of(InodeId inode) const { return vault::secret_id_of(cluster_.id, inode); }

Result<vault::RosterChain> SecretVault::roster() {
  std::optional<vault::RosterChain> chain;
  {
    const std::lock_guard lock(mutex_);
    chain = roster_;
  }
  if (!chain) {
    chain = TRY(vault::fetch_roster(client_, cluster_.roster_1));
  } else {
    const std::uint64_t known = chain->current().version;
    TRY(vault::refresh_roster(client_, *chain));
    if (chain->current().version == known) return std::move(*chain);
  }
  vault::LogCheck log = log_check();
  TRY(vault::accept_roster(*chain, memory_, log));
  const std::lock_guard lock(mutex_);
  if (!roster_ || roster_->current().version < chain->current().version) roster_ = chain;
  return std::move(*chain);
}

vault::LogCheck SecretVault::log_check() {
  return {[this](const std::string& path) { return client_.log_file(path); }, vault::log_origin(cluster_.id), cluster_.log_key,
          memory_};
}

// Once more if it is stale: a roster version may have come between the two answers, and what needs a proof since.
Result<SecretOnFile> SecretVault::version(InodeId inode, std::uint64_t number) {
  auto found = version_once(inode, number);
  if (!found && found.error().code == Errc::kStale) found = version_once(inode, number);
  return found;
}

Result<SecretOnFile> SecretVault::version_once(InodeId inode, std::uint64_t number) {
  vault::v1::GetSecretRequest request;
  request.set_secret(string_of(id_of(inode)));
  request.set_version(number);
  const auto answer = TRY(client_.get_secret(request));
  const vault::RosterChain chain = TRY(roster());
  SecretOnFile out;
  out.header_bytes = bytes_of(view_of(answer.header()));
  out.table_bytes = bytes_of(view_of(answer.share_table()));
  out.policy_bytes = bytes_of(view_of(answer.policy()));
  out.proofs = vault::proofs_in(answer.proofs());
  out.header = TRY(vault::parse_header(out.header_bytes));
  out.table = TRY(vault::parse_share_table(out.table_bytes));
  out.policy = TRY(vault::parse_policy(out.policy_bytes));
  TRY(vault::check_policy(out.policy, chain, pointer_to(out.proofs.policy)));
  TRY(vault::check_header(out.header, chain, pointer_to(out.proofs.header)));
  TRY(vault::check_share_table(out.table, out.header, out.policy, chain));
  const bool asked_for = out.header.core.secret == id_of(inode) && (number == 0 || out.header.core.version == number);
  if (!asked_for) return Error(Errc::kKeyRejected, "the vault answered with another secret, or another version");
  return out;
}

Result<vault::Policy> SecretVault::policy(InodeId directory) {
  const vault::RosterChain chain = TRY(roster());
  auto policy = vault::fetch_policy(client_, chain, memory_, directory);
  if (policy || policy.error().code != Errc::kStale) return policy;
  return vault::fetch_policy(client_, TRY(roster()), memory_, directory);  // signed under a roster that came meanwhile
}

Result<std::vector<vault::Policy>> SecretVault::policies() {
  std::vector<vault::Policy> out;
  const auto answer = TRY(client_.list_policies());
  for (const std::string& bytes : answer.policies()) out.push_back(TRY(vault::parse_policy(view_of(bytes))));
  return out;
}

Result<vault::Checkpoint> SecretVault::newest_checkpoint() {
  {
    const std::lock_guard lock(mutex_);
    if (seen_.size > 0) return seen_;
  }
  const vault::Checkpoint remembered = TRY(memory_.checkpoint());
  const std::lock_guard lock(mutex_);
  if (remembered.size > seen_.size) seen_ = remembered;
  return seen_;
}

// A memory that cannot be written is as good as none: what was verified holds all the same.
Status SecretVault::saw(const vault::Checkpoint& checkpoint, std::uint64_t proven) {
  const vault::Checkpoint seen = TRY(newest_checkpoint());
  if (seen.size > proven) {  // another release has shown more meanwhile
    TRY(log_check().check_same_log(seen, checkpoint));
  }
  {
    const std::lock_guard lock(mutex_);
    if (checkpoint.size <= seen_.size) return {};
    seen_ = checkpoint;
  }
  static_cast<void>(memory_.remember(checkpoint));
  return {};
}

Status SecretVault::check_login(const vault::LoginCert& cert, std::uint32_t roles) {
  const vault::RosterChain chain = TRY(roster());
  TRY(vault::check_login(chain.current(), cert, roles, clock_.wall()));
  return {};
}

Result<FiledRequest> SecretVault::file(SecretOnFile secret, const vault::Login& login, const vault::Wish& wish,
                                       const std::string& path_now, SessionId session, bool older) {
  FiledRequest out{.secret = std::move(secret), .request = {}, .bytes = {}, .key = make_agreement_key(random_)};
  vault::Wish full = wish;
  const vault::Checkpoint seen = TRY(newest_checkpoint());
  full.log_size = seen.size;
  full.log_root = seen.size == 0 ? Hash{} : seen.root;
  out.request = vault::make_request(out.secret.header, out.secret.table, out.secret.policy, login, out.key.public_key, full,
                                    clock_.wall(), random_);
  TRY(vault::check_request_limits(out.request, out.secret.policy));
  out.bytes = encode(out.request);
  vault::v1::FileRequestRequest filing;
  filing.set_request(string_of(out.bytes));
  filing.set_claims(string_of(encode(*out.request.claims)));
  filing.set_path_now(vault::plain_text(path_now, vault::kMaxPathBytes));
  filing.set_session(raw(session));
  filing.set_older(older);
  TRY(client_.file_request(filing));
  return out;
}

Result<vault::v1::State> SecretVault::state(const Hash& rd) {
  return TRY(client_.get_request(to_hex(rd))).state();
}

// Under the newest roster. If who signed has left since the request was filed, the proof is fetched.
Result<vault::Case> SecretVault::case_of(const FiledRequest& filed) {
  const SecretOnFile& secret = filed.secret;
  const vault::RosterChain chain = TRY(roster());
  const auto open = [&](const vault::SecretProofs& proofs) {
    return vault::open_case(secret.policy_bytes, secret.header_bytes, secret.table_bytes, filed.bytes, chain, proofs);
  };
  auto out = open(secret.proofs);
  if (out || out.error().code != Errc::kStale) return out;
  return open(vault::proofs_in(TRY(client_.get_request(to_hex(filed.request.rd()))).proofs()));
}

Result<ReleasedKey> SecretVault::release(const FiledRequest& filed) {
  vault::v1::ReleaseRequest request;
  request.set_rd(string_of(filed.request.rd()));
  const auto answer = TRY(client_.release(request));
  ReleasedKey out;
  out.a_case = TRY(case_of(filed));
  out.sealed_inner = bytes_of(view_of(answer.sealed_inner()));
  for (const std::string& bytes : answer.approvals()) out.approvals.push_back(TRY(vault::parse_approval(view_of(bytes))));
  vault::ReleaseProof proof{.leaf = bytes_of(view_of(answer.leaf())), .index = answer.leaf_index(),
                            .checkpoint = answer.checkpoint(), .inclusion = {}, .consistency = {}};
  for (const std::string& node : answer.proof()) proof.inclusion.push_back(hash_of(node));
  for (const std::string& node : answer.consistency()) proof.consistency.push_back(hash_of(node));
  const vault::Checkpoint checkpoint = TRY(vault::check_release_logged(
      out.a_case, out.approvals, out.sealed_inner, proof, vault::log_origin(cluster_.id), cluster_.log_key));
  TRY(saw(checkpoint, filed.request.log_size));
  return out;
}

Result<SecretBytes> SecretVault::open(const FiledRequest& filed, const ReleasedKey& released, ByteView payload) {
  return vault::open_released(released.a_case, released.approvals, released.sealed_inner, payload, filed.key, TRY(roster()));
}

void SecretVault::cancel(const FiledRequest& filed, const vault::Login& login) {
  vault::v1::CancelRequest request;
  request.set_cancellation(
      string_of(encode(vault::make_record(filed.request.rd(), vault::Happening::kCancelled, clock_.wall(), login.key))));
  static_cast<void>(client_.cancel(request));
}

void SecretVault::record(const FiledRequest& filed, const vault::Login& login, vault::Happening happening) {
  vault::v1::RecordRequest request;
  request.set_record(string_of(encode(vault::make_record(filed.request.rd(), happening, clock_.wall(), login.key))));
  static_cast<void>(client_.record(request));
}

Result<vault::SealedVersion> SecretVault::seal(const SecretBytes& plaintext, const vault::SealPlace& place,
                                               const vault::Policy& policy, const vault::Login& author) {
  const vault::RosterChain chain = TRY(roster());
  return vault::seal_secret(plaintext, place, policy, chain.current(), author, clock_.wall(), random_);
}

Status SecretVault::put(const vault::SealedVersion& sealed, const std::string& permit) {
  vault::v1::PutSecretRequest request;
  request.set_header(string_of(encode(sealed.header)));
  request.set_share_table(string_of(encode(sealed.table)));
  request.set_inner(string_of(sealed.inner));
  request.set_permit(permit);
  return client_.put_secret(request);
}

void SecretVault::logout(const vault::Login& login) {
  vault::v1::LogoutRequest request;
  request.set_login_certificate(string_of(encode(login.cert)));
  request.set_signature(string_of(vault::sign_logout(login)));
  static_cast<void>(client_.logout(request));
}

}  // namespace conclave::client
