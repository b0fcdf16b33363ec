// A directory server in this process, asked as clients ask it: through Router::serve, with certificates, passes,
// tokens and operation ids.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/connect_wire.h"
#include "base/waiter.h"
#include "dirserver/dir_ops.h"
#include "dirserver/named_inodes.h"
#include "tests/support/sim_clock.h"
#include "tests/support/sim_files.h"
#include "tests/support/sim_random.h"

namespace conclave::dir {

inline Peer peer_named(Role role, const std::string& name, std::uint32_t uid = 0, std::uint32_t gid = 0) {
  Peer peer{role, name, uid, gid, "", {}};
  peer.fingerprint[0] = static_cast<std::uint8_t>(role);
  peer.fingerprint[1] = static_cast<std::uint8_t>(uid);
  for (std::size_t i = 0; i < name.size() && i < 6; ++i) peer.fingerprint[2 + i] = static_cast<std::uint8_t>(name[i]);
  return peer;
}

// The tree is root's, as tests about permission bits want it; its group tells that the owner was heard.
inline constexpr TreeOwner kMaker{0, 77};

class DirWorld {
 public:
  explicit DirWorld(sim::SimFiles& files, unsigned replicas = 2, unsigned min_insync = 1)
      : replicas_(replicas), min_insync_(min_insync), vfs_(files, clock_, random_) {
    take_keys(1, {});
    start();
  }

  // A new start on the same disk; sessions live on.
  void start() {
    ops_.reset();
    store_.reset();
    router_ = std::make_unique<Router>(clock_);
    servers_ = std::make_unique<ServerTable>(7);
    jobs_ = std::make_unique<HealJobs>();
    const Change::Placing placing{*servers_, clock_, replicas_, min_insync_};
    auto opened = DirStore::open(vfs_, "/dir.db", 3, placing, kMaker, clock_, waiter_, log_);
    start_failure_ = opened ? std::string() : opened.error().message;
    if (!opened) return;
    store_ = std::move(opened).value();
    ops_ = std::make_unique<DirOps>(*store_, gate_, placing, *jobs_, 60, 42, self_, log_);
    ops_->add_to(*router_);
    auto rows = store_->read<std::vector<ServerRow>>([](View& view) { return view.servers(); });
    if (rows) {
      for (const ServerRow& row : *rows) servers_->know(row, clock_.now());
    }
  }
  [[nodiscard]] const std::string& start_failure() const { return start_failure_; }
  DirStore& store() { return *store_; }
  SessionGate& gate() { return gate_; }
  // Its certificate, and the CA's.
  [[nodiscard]] const TlsIdentity& self() const { return self_; }
  ServerTable& servers() { return *servers_; }
  HealJobs& jobs() { return *jobs_; }
  sim::SimClock& clock() { return clock_; }
  Waiter& waiter() { return waiter_; }
  Log& log() { return log_; }
  const EpochKeys& keys() { return *keys_; }
  const Router& router() { return *router_; }

  SessionGate::News take_keys(std::uint32_t epoch, const std::vector<std::uint64_t>& live,
                              const std::vector<std::uint64_t>& fenced = {}, std::uint64_t newest_fence = 0) {
    lock::v1::SyncResponse sync;
    sync.set_epoch(epoch);
    sync.set_key(std::string(32, static_cast<char>(epoch)));
    sync.set_newest_fence(newest_fence);
    for (const auto id : live) sync.add_live(id);
    for (const auto id : fenced) sync.add_fenced(id);
    keys_ = std::make_unique<EpochKeys>(
        ClusterId{}, EpochKeys::Key{epoch, SecretBytes::copy_of(view_of(sync.key()))});
    return gate_.take(sync, clock_.now()).value();
  }

  // A file server that is up.
  void add_server(const std::string& name, const std::string& host = "127.0.0.1") {
    v1::RegisterRequest request;
    request.set_host(host);
    request.set_port(7200);
    request.set_instance(name + std::string(16 - name.size(), '.'));
    request.set_boot(1);
    request.set_total_bytes(100ull << 30);
    request.set_free_bytes(50ull << 30);
    auto answer = call<v1::RegisterResponse>(peer_named(Role::kFile, name), "Register", request);
    ASSERT_TRUE(answer) << answer.error().message;
  }

  template <class Response, class Request>
  Result<Response> call(const Peer& peer, const std::string& method, const Request& request,
                        const std::vector<Header>& headers = {}) {
    HttpRequest http{"/conclave.dir.v1.DirService/" + method, headers, request.SerializeAsString()};
    http.headers.emplace_back("content-type", std::string(kProtoType));
    const HttpReply reply = router_->serve(peer, std::move(http));
    if (reply.status != 200) return error_of(reply);
    Response response;
    if (!response.ParseFromString(reply.body)) return Errc::kCorrupt;
    return response;
  }

 private:
  TlsIdentity identity() {
    constexpr auto kLong = std::chrono::hours(1000);
    const CertifiedKey ca = make_ca(ClusterId{}, clock_.wall(), kLong, random_);
    return {ClusterId{}, ca.chain_pem, issue(ca, ClusterId{}, {.role = Role::kDir, .name = "1", .device_kid_hex = ""},
                                             clock_.wall(), kLong, random_).value()};
  }

  const unsigned replicas_, min_insync_;
  sim::SimClock clock_;
  SystemWaiter waiter_;
  Log log_{"test", LogLevel::kError};
  sim::SimRandom random_{7};
  const TlsIdentity self_ = identity();
  SqliteVfs vfs_;
  SessionGate gate_{ClusterId{}};
  std::unique_ptr<EpochKeys> keys_;
  std::unique_ptr<ServerTable> servers_;
  std::unique_ptr<HealJobs> jobs_;
  std::unique_ptr<DirStore> store_;
  std::unique_ptr<DirOps> ops_;
  std::unique_ptr<Router> router_;
  std::string start_failure_;
};

// One session of one certificate; not thread-safe.
class DirSession {
 public:
  DirSession(DirWorld& world, Peer peer, std::uint64_t id) : world_(world), peer_(std::move(peer)), id_{id} {}

  // The operation id of the last change; setting `repeat` sends it again.
  bool repeat = false;
  // Whether a user shows a ticket for each inode it names, as if it had come by the path.
  bool shows_tickets = true;

  template <class Response, class Request>
  Result<Response> read(const std::string& method, const Request& request) {
    return world_.call<Response>(peer_, method, with_tickets(request), {pass()});
  }
  template <class Response, class Request>
  Result<Response> change(const std::string& method, const Request& request) {
    if (!repeat) ++sequence_;
    const OpId op{id_, 1, slot, sequence_};
    return world_.call<Response>(peer_, method, with_tickets(request), {pass(), {std::string(kOpHeader), to_text(op)}});
  }
  std::uint32_t slot = 0;

  [[nodiscard]] Header pass() const {
    const SessionPass pass{id_, 1, holder_of(peer_.fingerprint), world_.keys().epoch()};
    return {std::string(kPassHeader), to_base64url(world_.keys().seal(pass))};
  }
  [[nodiscard]] std::string lease(std::uint64_t inode, LeaseMode mode, std::uint64_t seq = 1) const {
    return string_of(world_.keys().seal(LeaseToken{id_, holder_of(peer_.fingerprint), InodeId{inode}, mode, seq}));
  }

  template <class Request>
  Request with_tickets(Request request) const {
    if constexpr (requires { request.mutable_caller(); }) {
      if (peer_.role != Role::kUser || !shows_tickets) return request;
      for (const InodeId inode : named_inodes(request)) {
        request.mutable_caller()->add_tickets(string_of(world_.keys().seal(Ticket{id_, inode, 0})));
      }
    }
    return request;
  }

  // As whom a host calls.
  v1::Caller as;

  Result<v1::Entry> look(std::uint64_t parent, const std::string& name) {
    v1::LookupRequest request;
    *request.mutable_caller() = as;
    request.set_parent(parent);
    request.set_name(name);
    return read<v1::Entry>("Lookup", request);
  }
  Result<v1::Attr> attr(std::uint64_t inode) {
    v1::GetAttrRequest request;
    *request.mutable_caller() = as;
    request.add_inodes(inode);
    auto answer = read<v1::GetAttrResponse>("GetAttr", request);
    if (!answer) return std::move(answer).error();
    if (answer->entries_size() == 0) return Errc::kStale;
    return answer->entries(0).attr();
  }
  v1::CreateRequest create_request(std::uint64_t parent, const std::string& name, std::uint32_t mode) {
    v1::CreateRequest request;
    *request.mutable_caller() = as;
    request.set_parent(parent);
    request.set_name(name);
    request.set_mode(mode);
    request.set_exclusive(true);
    if (S_ISLNK(mode)) request.set_target("target");
    return request;
  }
  Result<v1::CreateResponse> create(std::uint64_t parent, const std::string& name, std::uint32_t mode) {
    return change<v1::CreateResponse>("Create", create_request(parent, name, mode));
  }
  // The inode of what was made; 0 if it was refused.
  std::uint64_t make(std::uint64_t parent, const std::string& name, std::uint32_t mode) {
    auto made = create(parent, name, mode);
    EXPECT_TRUE(made) << name << ": " << made.error().message;
    return made ? made->entry().attr().inode() : 0;
  }
  Result<v1::Entry> link(std::uint64_t inode, std::uint64_t parent, const std::string& name) {
    v1::LinkRequest request;
    *request.mutable_caller() = as;
    request.set_inode(inode);
    request.set_parent(parent);
    request.set_name(name);
    return change<v1::Entry>("Link", request);
  }
  Result<v1::RemoveResponse> remove(std::uint64_t parent, const std::string& name, bool directory = false) {
    v1::RemoveRequest request;
    *request.mutable_caller() = as;
    request.set_parent(parent);
    request.set_name(name);
    request.set_directory(directory);
    return change<v1::RemoveResponse>("Remove", request);
  }
  // Victim and inode as looked up just before.
  Result<v1::RenameResponse> rename(std::uint64_t from, const std::string& from_name, std::uint64_t to,
                                    const std::string& to_name, bool exchange = false, bool no_replace = false) {
    v1::RenameRequest request;
    *request.mutable_caller() = as;
    request.set_from_parent(from);
    request.set_from_name(from_name);
    request.set_to_parent(to);
    request.set_to_name(to_name);
    request.set_exchange(exchange);
    request.set_no_replace(no_replace);
    const auto victim = look(to, to_name);
    if (victim) request.set_victim(victim->attr().inode());
    return change<v1::RenameResponse>("Rename", request);
  }
  v1::SetAttrRequest set_request(std::uint64_t inode) {
    v1::SetAttrRequest request;
    *request.mutable_caller() = as;
    request.set_inode(inode);
    return request;
  }
  Result<v1::Entry> set(const v1::SetAttrRequest& request) { return change<v1::Entry>("SetAttr", request); }
  Result<v1::Entry> chmod(std::uint64_t inode, std::uint32_t mode) {
    auto request = set_request(inode);
    request.set_mode(mode);
    return set(request);
  }
  Result<v1::Entry> chown(std::uint64_t inode, std::optional<std::uint32_t> uid, std::optional<std::uint32_t> gid) {
    auto request = set_request(inode);
    if (uid) request.set_uid(*uid);
    if (gid) request.set_gid(*gid);
    return set(request);
  }
  Result<v1::Entry> truncate(std::uint64_t inode, std::uint64_t size) {
    auto request = set_request(inode);
    request.set_size_bytes(size);
    request.set_token(lease(inode, LeaseMode::kWrite));
    return set(request);
  }
  Result<v1::Entry> set_xattr(std::uint64_t inode, const std::string& name, const std::string& value) {
    v1::SetXattrRequest request;
    *request.mutable_caller() = as;
    request.set_inode(inode);
    request.set_name(name);
    request.set_value(value);
    return change<v1::Entry>("SetXattr", request);
  }
  Result<std::string> get_xattr(std::uint64_t inode, const std::string& name) {
    v1::GetXattrRequest request;
    *request.mutable_caller() = as;
    request.set_inode(inode);
    request.set_name(name);
    auto answer = read<v1::GetXattrResponse>("GetXattr", request);
    if (!answer) return std::move(answer).error();
    return answer->value();
  }
  Result<v1::Entry> remove_xattr(std::uint64_t inode, const std::string& name) {
    v1::RemoveXattrRequest request;
    *request.mutable_caller() = as;
    request.set_inode(inode);
    request.set_name(name);
    return change<v1::Entry>("RemoveXattr", request);
  }
  Result<v1::ReadDirResponse> list(std::uint64_t inode, std::uint64_t after = 0, std::uint32_t limit = 1000,
                                   bool plus = false) {
    v1::ReadDirRequest request;
    *request.mutable_caller() = as;
    request.set_inode(inode);
    request.set_after(after);
    request.set_limit(limit);
    request.set_plus(plus);
    return read<v1::ReadDirResponse>("ReadDir", request);
  }
  Result<v1::PlaceResponse> place(std::uint64_t inode, const std::vector<std::uint64_t>& indexes, bool create = true) {
    v1::PlaceRequest request;
    request.set_inode(inode);
    for (const auto index : indexes) request.add_indexes(index);
    request.set_create(create);
    request.set_token(lease(inode, create ? LeaseMode::kWrite : LeaseMode::kRead));
    return read<v1::PlaceResponse>("Place", request);
  }
  Result<v1::CommitResponse> commit(std::uint64_t inode, std::uint64_t size, bool durable = false) {
    v1::CommitRequest request;
    request.set_inode(inode);
    request.set_size_bytes(size);
    request.set_mtime_ns(5);
    request.set_durable(durable);
    request.set_token(lease(inode, LeaseMode::kWrite));
    return change<v1::CommitResponse>("Commit", request);
  }
  Result<v1::SyncResponse> sync() { return read<v1::SyncResponse>("Sync", v1::SyncRequest()); }

 private:
  DirWorld& world_;
  const Peer peer_;
  const SessionId id_;
  std::uint64_t sequence_ = 0;
};

inline DirSession host_session(DirWorld& world, std::uint64_t id = 100) {
  return {world, peer_named(Role::kHost, "host"), id};
}
inline DirSession user_session(DirWorld& world, std::uint32_t uid, std::uint32_t gid, std::uint64_t id = 0) {
  return {world, peer_named(Role::kUser, "user" + std::to_string(uid), uid, gid), id != 0 ? id : 1000 + uid};
}

// The error's code; nothing went wrong: no code at all.
template <class Value>
std::optional<Errc> code_of(const Result<Value>& result) {
  return result ? std::nullopt : std::optional(result.error().code);
}

}  // namespace conclave::dir
