// A vault server in this process, asked as clients ask it: through Router::serve, with certificates. It begins at kNow
// with the cast's roster. Every message and every file can be searched for what must be in none of them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/connect_wire.h"
#include "base/put_permit.h"
#include "base/token.h"
#include "base/waiter.h"
#include "tests/support/sim_clock.h"
#include "tests/support/sim_files.h"
#include "tests/unit/vault/cast.h"
#include "vault/log_audit.h"
#include "vault/release_proof.h"
#include "vault/vault_ops.h"

namespace conclave::vault {

class VaultWorld {
 public:
  VaultWorld(sim::SimFiles& files, Cast& cast) : cast_(cast), files_(files), vfs_(files, clock_, random_) {
    clock_.advance(Duration(kNow.ns - clock_.wall().ns));
    const CertifiedKey ca = make_ca(cast.cluster, kNow, std::chrono::hours(1000), random_);
    ca_pem_ = ca.chain_pem;
    dir_ = certified(ca, Role::kDir);
    file_ = certified(ca, Role::kFile);
    issuer_ = make_user_issuer(ca, cast.cluster, kNow, std::chrono::hours(1000), random_).value();
    log_seed_ = SecretBytes(32);
    start();
  }

  // A new start on the same disk.
  void start() {
    router_.reset();
    book_.reset();
    events_.reset();
    secrets_.reset();
    accounts_.reset();
    state_.reset();
    auto opened = VaultState::open(vfs_, "/vault.db", encode(cast_.roster), signing_key_of_seed(log_seed_.view()), clock_,
                                   random_, waiter_);
    start_failure_ = opened ? "" : opened.error().message;
    if (!opened) return;
    state_ = std::move(opened).value();
    accounts_ = std::make_unique<Accounts>(*state_, CertifiedKey{issuer_.chain_pem, issuer_.key_pem.clone()}, cast_.cluster);
    secrets_ = std::make_unique<Secrets>(*state_, *accounts_, ca_pem_);
    events_ = std::make_unique<EventHub>();
    book_ = std::make_unique<RequestBook>(*state_, *accounts_, *secrets_, *events_, clock_);
    router_ = std::make_unique<Router>(clock_);
    add_routes(*router_, *state_, *accounts_, *secrets_, *book_);
  }
  [[nodiscard]] const std::string& start_failure() const { return start_failure_; }

  VaultState& state() { return *state_; }
  const Router& router() { return *router_; }
  sim::SimClock& clock() { return clock_; }
  RequestBook& book() { return *book_; }
  [[nodiscard]] SigningPublic log_key() const { return signing_key_of_seed(log_seed_.view()).public_key; }
  std::uint64_t rows(const std::string& table) { return state_->number("SELECT count(*) FROM " + table).value(); }
  // Of all that a call may store; the log's leaves too.
  std::uint64_t all_rows() {
    std::uint64_t out = 0;
    for (const char* table : {"roster", "invitation", "logout", "policy", "secret", "request", "vote", "release", "record", "leaf"}) {
      out += rows(table);
    }
    return out;
  }

  static Peer peer(Role role, const std::string& name) {
    Peer out{role, name, 0, 0, "", {}};
    out.fingerprint[0] = static_cast<std::uint8_t>(role);
    for (std::size_t i = 0; i < name.size() && i < 20; ++i) out.fingerprint[1 + i] = static_cast<std::uint8_t>(name[i]);
    return out;
  }
  Peer user(const std::string& name) const {
    Peer out = peer(Role::kUser, name);
    out.device_kid_hex = to_hex(cast_.device(name).kid());
    return out;
  }
  static Peer host() { return peer(Role::kHost, "desk"); }
  static Peer guest(const std::string& name) { return peer(Role::kGuest, name); }

  HttpReply serve(const Peer& peer, const std::string& method, const std::string& body, std::string_view type = kProtoType) {
    HttpRequest http{"/conclave.vault.v1.VaultService/" + method, {{"content-type", std::string(type)}}, body};
    traffic_ += body;
    HttpReply reply = router_->serve(peer, std::move(http));
    traffic_ += reply.body;
    return reply;
  }
  template <class Response, class Request>
  Result<Response> call(const Peer& peer, const std::string& method, const Request& request) {
    const HttpReply reply = serve(peer, method, request.SerializeAsString());
    if (reply.status != 200) return error_of(reply);
    Response response;
    if (!response.ParseFromString(reply.body)) return Errc::kCorrupt;
    return response;
  }

  // --- What people and mounts do.
  Result<v1::InviteResponse> invite(const std::string& by, const std::string& name, std::uint64_t lifetime_s = 3600) {
    v1::InviteRequest request;
    request.set_name(name);
    request.set_uid(2000);
    request.set_roles(kUsualRoles);
    request.set_lifetime_s(lifetime_s);
    return call<v1::InviteResponse>(user(by), "Invite", request);
  }
  Result<v1::JoinResponse> join(const Peer& as, const std::string& id, const DevicePublic& device, const Mac& mac = {}) {
    v1::JoinRequest request;
    request.set_id(id);
    request.set_device(string_of(encode(device)));
    request.set_mac(string_of(mac));
    return call<v1::JoinResponse>(as, "Join", request);
  }
  Result<v1::JoinsResponse> joins(const std::string& by) {
    return call<v1::JoinsResponse>(user(by), "Joins", v1::JoinsRequest());
  }
  // The newest version of the roster, with a change, by an admin.
  RosterVersion next_roster(const std::function<void(RosterVersion&)>& change, const std::string& by = "ada") {
    RosterVersion next = state_->roster().current();
    next.previous = next.hash();
    next.version += 1;
    next.issued = clock_.wall();
    next.log_size = state_->log_size();
    next.log_root = state_->log_root(next.log_size);
    next.signatures.clear();
    change(next);
    sign_roster(next, cast_.device(by));
    return next;
  }
  Result<v1::PutRosterResponse> put_roster(const std::string& by, const RosterVersion& version, const std::string& join_id = "") {
    v1::PutRosterRequest request;
    request.set_version(string_of(encode(version)));
    request.set_join_id(join_id);
    return call<v1::PutRosterResponse>(user(by), "PutRoster", request);
  }
  void change_roster(const std::function<void(RosterVersion&)>& change) {
    ASSERT_TRUE(put_roster("ada", next_roster(change)));
  }
  static Person& person_in(RosterVersion& roster, std::string_view name) { return const_cast<Person&>(*roster.find(name)); }

  Result<v1::LoginResponse> login(const Peer& as, const LoginCert& cert) {
    v1::LoginRequest request;
    request.set_login_certificate(string_of(encode(cert)));
    return call<v1::LoginResponse>(as, "Login", request);
  }
  Result<v1::LogoutResponse> logout(const Peer& as, const LoginCert& cert, ByteView signature = {}) {
    v1::LogoutRequest request;
    request.set_login_certificate(string_of(encode(cert)));
    request.set_signature(string_of(signature));
    return call<v1::LogoutResponse>(as, "Logout", request);
  }
  Result<v1::PutPolicyResponse> put_policy(const Policy& policy, const std::string& by = "ada") {
    folders_.push_back(policy);
    v1::PutPolicyRequest request;
    request.set_policy(string_of(encode(policy)));
    return call<v1::PutPolicyResponse>(user(by), "PutPolicy", request);
  }
  // What the directory server says of this world's one secret, wherever the header has it: folders lie where policies name them.
  PutPermit permit_for(const SealedVersion& sealed, const Peer& as) {
    PutPermit out{cast_.cluster, clock_.wall(), holder_of(as.fingerprint), 1002, sealed.header.hash(), sealed.header.path, {}};
    for (const char c : out.path) {
      if (c == '/') out.inodes.push_back(InodeId{1000 + out.inodes.size()});
    }
    out.inodes.back() = kSecretInode;
    for (const Policy& policy : folders_) {
      const auto depth = static_cast<std::size_t>(std::count(policy.path.begin(), policy.path.end(), '/'));
      if (lies_below(out.path, policy.path)) out.inodes.at(depth - 1) = policy.directory;
    }
    return out;
  }
  Result<v1::PutSecretResponse> put_secret(const SealedVersion& sealed) {
    return put_secret(sealed, host(), seal(permit_for(sealed, host()), dir_).value());
  }
  Result<v1::PutSecretResponse> put_secret(const SealedVersion& sealed, const Peer& as, ByteView permit) {
    v1::PutSecretRequest request;
    request.set_header(string_of(encode(sealed.header)));
    request.set_share_table(string_of(encode(sealed.table)));
    request.set_inner(string_of(sealed.inner));
    request.set_permit(string_of(permit));
    return call<v1::PutSecretResponse>(as, "PutSecret", request);
  }
  [[nodiscard]] const CertifiedKey& dir() const { return dir_; }
  [[nodiscard]] const CertifiedKey& file_server() const { return file_; }
  [[nodiscard]] const CertifiedKey& users() const { return issuer_; }
  sim::SimRandom& random() { return random_; }
  Result<v1::RequestView> file(const Request& request, std::uint64_t session = 0, bool older = false) {
    v1::FileRequestRequest filing;
    filing.set_request(string_of(encode(request)));
    if (request.claims) filing.set_claims(string_of(encode(*request.claims)));
    filing.set_path_now("/secrets/prod/db");
    filing.set_session(session);
    filing.set_older(older);
    return call<v1::RequestView>(host(), "FileRequest", filing);
  }
  Result<v1::RequestView> approve(const std::string& by, const Approval& approval) {
    v1::ApproveRequest request;
    request.set_approval(string_of(encode(approval)));
    return call<v1::RequestView>(user(by), "Approve", request);
  }
  Result<v1::RequestView> deny(const std::string& by, const Denial& denial) {
    v1::DenyRequest request;
    request.set_denial(string_of(encode(denial)));
    return call<v1::RequestView>(user(by), "Deny", request);
  }
  Result<v1::ReleaseResponse> release(const Hash& rd) {
    v1::ReleaseRequest request;
    request.set_rd(string_of(rd));
    return call<v1::ReleaseResponse>(host(), "Release", request);
  }
  Result<v1::RecordResponse> record(const Record& record) {
    v1::RecordRequest request;
    request.set_record(string_of(encode(record)));
    return call<v1::RecordResponse>(host(), "Record", request);
  }
  Result<v1::RequestView> cancel(const Record& record) {
    v1::CancelRequest request;
    request.set_cancellation(string_of(encode(record)));
    return call<v1::RequestView>(host(), "Cancel", request);
  }
  Result<v1::RequestView> view(const Peer& as, const Hash& rd) {
    v1::GetRequestRequest request;
    request.set_id(to_hex(rd));
    return call<v1::RequestView>(as, "GetRequest", request);
  }
  v1::State state_of(const Hash& rd) {
    v1::GetRequestRequest request;
    request.set_id(to_hex(rd));
    auto view = call<v1::RequestView>(host(), "GetRequest", request);
    return view ? view->state() : v1::REVOKED;  // which nothing has yet
  }
  Result<std::string> log_file(const std::string& path) {
    v1::GetLogFileRequest request;
    request.set_path(path);
    auto answer = call<v1::GetLogFileResponse>(host(), "GetLogFile", request);
    if (!answer) return std::move(answer).error();
    return answer->content();
  }

  // Every file of the log, read and hashed as an auditor would: its leaves.
  std::vector<LogLeaf> verified_log() {
    std::vector<LogLeaf> leaves;
    MerkleTree tree;
    auto note = log_file("checkpoint");
    const auto checkpoint = open_checkpoint(std::move(note).value_or(""), log_origin(cast_.cluster), log_key());
    EXPECT_TRUE(checkpoint);
    if (!checkpoint) return leaves;
    std::vector<TilePath> hashes;
    for (const TilePath& tile : tiles_of(checkpoint->size)) {
      const std::string content = log_file(path_of(tile)).value_or("");
      if (!tile.entries) {
        hashes.push_back(tile);
        continue;
      }
      auto bundle = parse_bundle(view_of(content), tile.width);
      EXPECT_TRUE(bundle) << path_of(tile);
      for (const Bytes& bytes : std::move(bundle).value_or({})) {
        tree.append(leaf_hash(bytes));
        leaves.push_back(parse_leaf(bytes).value());
      }
    }
    EXPECT_EQ(tree.root(), checkpoint->root);
    EXPECT_EQ(tree.size(), checkpoint->size);
    for (const TilePath& tile : hashes) {
      EXPECT_EQ(log_file(path_of(tile)).value_or(""), string_of(tile_content(tree, tree.size(), tile).value_or({})));
    }
    return leaves;
  }
  std::vector<Bytes> entries() { return state_->leaves(0, state_->log_size()).value(); }
  // An audit of these entries, with this vault's rosters beside them and no memory.
  Result<LogAudit> audit(const std::vector<Bytes>& entries) {
    LogAudit out(cast_.roster.hash(), [this](std::uint64_t version) -> Result<Bytes> {
      return bytes_of(view_of(TRY(log_file(roster_file(version)))));
    });
    for (const Bytes& entry : entries) TRY(out.take(entry));
    return out;
  }
  std::size_t leaves_of(LeafKind kind) {
    std::size_t out = 0;
    for (const LogLeaf& leaf : verified_log()) out += leaf.kind == kind ? 1 : 0;
    return out;
  }

  // Whether these bytes lie in a file, or went through a message of this world.
  bool is_anywhere(ByteView needle) {
    const std::string_view text = text_of(needle);
    if (traffic_.find(text) != std::string::npos) return true;
    for (const std::string& name : files_.list("/").value()) {
      if (files_.read_all("/" + name, 1u << 30).value_or("").find(text) != std::string::npos) return true;
    }
    return false;
  }

 private:
  Cast& cast_;
  sim::SimFiles& files_;
  sim::SimClock clock_;
  sim::SimRandom random_{7};
  SystemWaiter waiter_;
  SqliteVfs vfs_;
  CertifiedKey certified(const CertifiedKey& ca, Role role) {
    const CertificateSubject subject{.role = role, .name = "1", .device_kid_hex = ""};
    return issue(ca, cast_.cluster, subject, kNow, std::chrono::hours(1000), random_).value();
  }

  CertifiedKey issuer_, dir_, file_;
  std::string ca_pem_;
  std::vector<Policy> folders_;
  SecretBytes log_seed_;
  std::unique_ptr<VaultState> state_;
  std::unique_ptr<Accounts> accounts_;
  std::unique_ptr<Secrets> secrets_;
  std::unique_ptr<EventHub> events_;
  std::unique_ptr<RequestBook> book_;
  std::unique_ptr<Router> router_;
  std::string start_failure_;
  std::string traffic_;
};

// A client's way to the world's vault.
class WorldTransport final : public Transport {
 public:
  WorldTransport(VaultWorld& world, Peer peer) : world_(world), peer_(std::move(peer)) {}
  Result<HttpReply> call(const Endpoint&, const HttpRequest& request, MonoTime) override {
    return world_.router().serve(peer_, HttpRequest(request));
  }
  Status stream(const Endpoint&, const HttpRequest&, const std::function<bool(std::string_view)>&) override {
    return Errc::kNotSupported;
  }

 private:
  VaultWorld& world_;
  const Peer peer_;
};

// A story that the vault knows: the policy and the secret are put, nothing is asked yet.
struct ServedStory : ::testing::Test {
  sim::SimFiles files;
  Story story;
  VaultWorld world{files, story};

  void SetUp() override {
    ASSERT_EQ(world.start_failure(), "");
    ASSERT_TRUE(world.put_policy(story.rules));
    ASSERT_TRUE(world.put_secret(story.sealed));
  }
  Hash rd() const { return story.request.rd(); }
  void file() { ASSERT_TRUE(world.file(story.request)); }
  Result<v1::RequestView> approve(const std::string& by) { return world.approve(by, story.approval_of(by, world.clock().wall())); }
  Result<v1::RequestView> deny(const std::string& by) { return world.deny(by, story.denial_of(by, world.clock().wall())); }
  void file_and_approve() {
    file();
    ASSERT_TRUE(approve("bob"));
    ASSERT_EQ(approve("carol")->state(), v1::APPROVED);
  }
  // What the requester's mount makes of a release: the plaintext, or why not.
  Result<std::string> opened(const v1::ReleaseResponse& answer) {
    const Case a_case = story.a_case();
    std::vector<Approval> approvals;
    for (const std::string& bytes : answer.approvals()) approvals.push_back(TRY(parse_approval(view_of(bytes))));
    ReleaseProof proof{bytes_of(view_of(answer.leaf())), answer.leaf_index(), answer.checkpoint(), {}, {}};
    const auto hash_of = [](const std::string& bytes) {
      Hash out{};
      std::copy(bytes.begin(), bytes.end(), out.begin());
      return out;
    };
    for (const std::string& node : answer.proof()) proof.inclusion.push_back(hash_of(node));
    for (const std::string& node : answer.consistency()) proof.consistency.push_back(hash_of(node));
    const Bytes inner = bytes_of(view_of(answer.sealed_inner()));
    TRY(check_release_logged(a_case, approvals, inner, proof, log_origin(story.cluster), world.log_key()));
    const SecretBytes plain = TRY(open_released(a_case, approvals, inner, story.sealed.payload, story.request_key, story.chain()));
    return string_of(plain.view());
  }
};

}  // namespace conclave::vault
