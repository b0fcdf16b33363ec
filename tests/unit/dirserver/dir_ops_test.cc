#include "dirserver/dir_ops.h"

#include <gtest/gtest.h>

#include "dirserver/dir_attrs.h"
#include "tests/unit/dirserver/dir_world.h"

namespace conclave::dir {
namespace {

constexpr std::uint64_t kRoot = 1;

class DirOpsHostile : public testing::Test {
 protected:
  sim::SimFiles files;
  DirWorld world{files, 2};
  DirSession host = host_session(world);
  const Peer host_peer = peer_named(Role::kHost, "host");
  std::uint64_t file = 0;

  void SetUp() override {
    world.add_server("1", "a");
    world.add_server("2", "b");
    file = host.make(kRoot, "f", S_IFREG | 0644);
    before_ = everything();
  }
  // All that the database says, but for what counts calls.
  std::string everything() {
    std::string out;
    auto all = world.store().read<std::string>([&](View& view) -> Result<std::string> {
      for (std::uint64_t inode = 1; inode < 40; ++inode) {
        auto node = view.node(InodeId{inode});
        if (!node) continue;
        out += attr_of(**node).SerializeAsString() + "|";
        TRY(view.list(InodeId{inode}, 0, 1000, false, [&](std::string_view name, const Name&, const Node*) {
          out += std::string(name) + ",";
          return true;
        }));
        for (const auto& name : TRY(view.xattr_names(InodeId{inode}))) out += name;
        if (TRY(view.last_chunk(InodeId{inode}))) out += "chunk";
      }
      for (const auto& row : TRY(view.servers())) out += row.name + row.host;
      return out;
    });
    return *all;
  }
  void expect_nothing_stored() { EXPECT_EQ(everything(), before_); }

 private:
  std::string before_;
};

TEST_F(DirOpsHostile, RolesMayCallOnlyWhatIsTheirs) {
  const char* const for_clients[] = {"Lookup", "GetAttr", "SetAttr", "Create", "Link", "Remove", "Rename", "ReadLink",
                                     "ReadDir", "GetXattr", "ListXattr", "SetXattr", "RemoveXattr", "Place", "Commit",
                                     "Punch", "Sync"};
  const char* const for_files[] = {"Register", "Heartbeat", "Shrink", "Seal"};
  for (const Role role : {Role::kFile, Role::kLock, Role::kVault, Role::kDir, Role::kGuest}) {
    for (const char* method : for_clients) {
      EXPECT_EQ(code_of(world.call<v1::Entry>(peer_named(role, "1"), method, v1::LookupRequest())), Errc::kAccess) << method;
    }
  }
  for (const Role role : {Role::kHost, Role::kUser, Role::kLock, Role::kVault, Role::kDir, Role::kGuest}) {
    for (const char* method : for_files) {
      EXPECT_EQ(code_of(world.call<v1::Entry>(peer_named(role, "1"), method, v1::RegisterRequest())), Errc::kAccess) << method;
    }
  }
  EXPECT_EQ(code_of(world.call<v1::HealthResponse>(peer_named(Role::kGuest, "g"), "Health", v1::HealthRequest())), Errc::kAccess);
  EXPECT_EQ(code_of(world.call<v1::Entry>(host_peer, "NoSuchThing", v1::LookupRequest())), Errc::kNotSupported);
  expect_nothing_stored();
}

TEST_F(DirOpsHostile, WithoutAPassOnlyStatusIsShown) {
  for (const char* method : {"Lookup", "GetAttr", "SetAttr", "Create", "Remove", "Place", "Commit", "Sync", "ReadDir"}) {
    EXPECT_EQ(code_of(world.call<v1::Entry>(host_peer, method, v1::LookupRequest())), Errc::kUnauthenticated) << method;
  }
  for (const char* method : {"StatFs", "Servers", "Health"}) {
    EXPECT_EQ(code_of(world.call<v1::HealthResponse>(host_peer, method, v1::HealthRequest())), std::nullopt) << method;
  }
  expect_nothing_stored();
}

TEST_F(DirOpsHostile, ChangesNeedAnOperationId) {
  EXPECT_EQ(code_of(host.read<v1::CreateResponse>("Create", host.create_request(kRoot, "x", S_IFREG | 0644))), Errc::kInvalid);
  expect_nothing_stored();
}

TEST_F(DirOpsHostile, MalformedBodiesAndHeadersAreRefused) {
  const auto status = [&](std::string body, const std::vector<Header>& headers) {
    HttpRequest request{"/conclave.dir.v1.DirService/Create", headers, std::move(body)};
    request.headers.emplace_back("content-type", std::string(kProtoType));
    return world.router().serve(host_peer, request).status;
  };
  const std::string good = host.create_request(kRoot, "x", S_IFREG | 0644).SerializeAsString();
  const Header op{"conclave-op", "100-1-5-1"};
  for (std::size_t size = 1; size < good.size(); ++size) {
    if (v1::CreateRequest().ParseFromString(good.substr(0, size))) continue;  // ends between two fields
    EXPECT_NE(status(good.substr(0, size), {host.pass(), op}), 200);
  }
  EXPECT_NE(status(std::string(1000, '\xff'), {host.pass(), op}), 200);
  for (const char* text : {"", "100", "100-1-5", "100-1-5-0", "100-1-64-1", "100-1-5--1", "-1-1-5-1", "100-1-5-1-1",
                           "99999999999999999999-1-5-1", "a-1-5-1", "101-1-5-1", "100-2-5-1"}) {
    EXPECT_NE(status(good, {host.pass(), {"conclave-op", text}}), 200) << text;
  }
  EXPECT_NE(status(good, {{"conclave-pass", "***"}, op}), 200);
  EXPECT_NE(status(good, {{"conclave-pass", to_base64url(view_of("short"))}, op}), 200);
  expect_nothing_stored();
}

TEST_F(DirOpsHostile, ValuesOutOfRangeAreRefused) {
  const auto create = [&](auto&& spoil) {
    auto request = host.create_request(kRoot, "x", S_IFREG | 0644);
    spoil(request);
    return code_of(host.change<v1::CreateResponse>("Create", request));
  };
  EXPECT_EQ(create([](auto& r) { r.set_mode(0644); }), Errc::kInvalid);                     // no type
  EXPECT_EQ(create([](auto& r) { r.set_mode(0170000 | 0644); }), Errc::kInvalid);
  EXPECT_EQ(create([](auto& r) { r.set_mode(S_IFREG | 0x80000000u); }), Errc::kInvalid);
  EXPECT_EQ(create([](auto& r) { r.set_target("t"); }), Errc::kInvalid);
  EXPECT_EQ(create([](auto& r) { r.set_mode(S_IFLNK | 0777); }), Errc::kInvalid);           // no target
  EXPECT_EQ(create([](auto& r) { r.set_class_(static_cast<v1::Class>(77)); }), Errc::kInvalid);
  EXPECT_EQ(create([](auto& r) { r.set_class_(v1::SECRET); }), Errc::kInvalid);             // of a file
  EXPECT_EQ(create([](auto& r) { r.set_parent(0); }), Errc::kStale);
  EXPECT_EQ(create([](auto& r) { r.set_parent(~0ull); }), Errc::kStale);
  EXPECT_EQ(create([](auto& r) { for (int i = 0; i < 65537; ++i) r.mutable_caller()->add_groups(1); }), Errc::kInvalid);
  EXPECT_EQ(code_of(host.truncate(file, ~0ull)), Errc::kFileTooBig);
  EXPECT_EQ(code_of(host.commit(file, ~0ull)), Errc::kFileTooBig);
  EXPECT_EQ(code_of(host.place(file, {~0ull})), Errc::kFileTooBig);
  EXPECT_EQ(code_of(host.set_xattr(file, "", "x")), Errc::kRange);
  EXPECT_EQ(code_of(host.set_xattr(file, std::string("user.a\0b", 8), "x")), Errc::kInvalid);
  expect_nothing_stored();
}

TEST_F(DirOpsHostile, TokensOfAnotherKindOrHandAreRefused) {
  const auto with_token = [&](const std::string& token) {
    v1::CommitRequest request;
    request.set_inode(file);
    request.set_size_bytes(1);
    request.set_token(token);
    return code_of(host.change<v1::CommitResponse>("Commit", request));
  };
  const std::string good = host.lease(file, LeaseMode::kWrite);
  EXPECT_EQ(with_token(""), Errc::kInvalid);
  EXPECT_EQ(with_token(good.substr(1)), Errc::kUnavailable) << "what looks like an epoch to come";
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string flipped = good;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x40);
    EXPECT_TRUE(with_token(flipped).has_value()) << i;
  }
  EXPECT_EQ(with_token(host.look(kRoot, "f")->ticket()), Errc::kAccess);
  EXPECT_EQ(with_token(host.place(file, {}, false) ? host.lease(file, LeaseMode::kDirWrite) : ""), Errc::kAccess);
  const EpochKeys others(ClusterId{1}, {1, SecretBytes::copy_of(view_of(std::string(32, '\1')))});
  EXPECT_EQ(with_token(string_of(others.seal(LeaseToken{SessionId{100}, holder_of(host_peer.fingerprint), InodeId{file}, LeaseMode::kWrite, 1}))), Errc::kAccess);
  expect_nothing_stored();
}

TEST_F(DirOpsHostile, FileServersCannotSpeakForOthers) {
  const Peer f3 = peer_named(Role::kFile, "3");
  v1::ShrinkRequest shrink;
  shrink.set_permit("nonsense");
  EXPECT_EQ(code_of(world.call<v1::ShrinkResponse>(f3, "Shrink", shrink)), Errc::kInvalid);
  shrink.set_permit(string_of(world.keys().seal(ChunkPermit{InodeId{file}, 0, ChunkId{1}, 1, {ServerId{1}}})));
  EXPECT_EQ(code_of(world.call<v1::ShrinkResponse>(f3, "Shrink", shrink)), Errc::kStale);
  v1::RegisterRequest reg;
  reg.set_host("h");
  reg.set_port(1);
  for (const std::string& instance : {std::string(), std::string(15, 'x'), std::string(17, 'x')}) {
    reg.set_instance(instance);
    EXPECT_EQ(code_of(world.call<v1::RegisterResponse>(f3, "Register", reg)), Errc::kInvalid);
  }
  reg.set_instance(std::string(16, 'x'));
  reg.set_port(65536);
  EXPECT_EQ(code_of(world.call<v1::RegisterResponse>(f3, "Register", reg)), Errc::kInvalid);
  reg.set_port(1);
  reg.set_host(std::string(256, 'h'));
  EXPECT_EQ(code_of(world.call<v1::RegisterResponse>(f3, "Register", reg)), Errc::kInvalid);
  v1::HeartbeatRequest beat;
  beat.set_boot(1);
  for (int i = 0; i < 10001; ++i) beat.add_deleted(1);
  EXPECT_EQ(code_of(world.call<v1::HeartbeatResponse>(peer_named(Role::kFile, "1"), "Heartbeat", beat)), Errc::kInvalid);
  expect_nothing_stored();
}

TEST_F(DirOpsHostile, OneCannotBorrowAnothersOperationIds) {
  DirSession other = host_session(world, 101);
  ASSERT_TRUE(other.remove(kRoot, "f"));
  ASSERT_TRUE(host.create(kRoot, "f", S_IFREG | 0644));
  HttpRequest request{"/conclave.dir.v1.DirService/Remove", {host.pass(), {"conclave-op", "101-1-0-2"}}, ""};
  request.headers.emplace_back("content-type", std::string(kProtoType));
  EXPECT_EQ(error_of(world.router().serve(host_peer, request)).code, Errc::kUnauthenticated);
}

}  // namespace
}  // namespace conclave::dir
