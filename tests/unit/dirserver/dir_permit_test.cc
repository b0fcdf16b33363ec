// What the directory server says for the vault: who may write which secret, where.
#include "base/put_permit.h"
#include "tests/unit/dirserver/dir_world.h"

namespace conclave::dir {
namespace {

constexpr std::uint32_t kAlice = 1001, kBob = 1002;

struct Permits : ::testing::Test {
  sim::SimFiles files;
  DirWorld world{files};
  DirSession host = host_session(world);
  DirSession alice = user_session(world, kAlice, kAlice);
  DirSession bob = user_session(world, kBob, kBob);
  std::uint64_t secrets = 0, prod = 0, db = 0;

  void SetUp() override {
    world.add_server("1");
    secrets = host.look(raw(kRootInode), "secrets")->attr().inode();
    prod = host.make(secrets, "prod", S_IFDIR | 0777);
    host.as.set_uid(kAlice);
    host.as.set_gid(kAlice);
    db = host.make(prod, "db", S_IFREG | 0600);
  }
  Result<PutPermit> permit(DirSession& session, const std::string& path, std::uint64_t secret) {
    v1::PermitPutRequest request;
    request.set_path(path);
    request.set_secret(secret);
    request.set_version(std::string(32, 'v'));
    const auto answer = session.read<v1::PermitPutResponse>("PermitPut", request);
    if (!answer) return answer.error();
    return open_put_permit(view_of(answer->permit()), ClusterId{}, world.self().ca_pem, world.clock().wall());
  }
};

TEST_F(Permits, NameTheSecretItsPlaceAndItsFolders) {
  const auto given = permit(alice, "/secrets/prod/db", db);
  ASSERT_TRUE(given) << given.error().message;
  EXPECT_EQ(given->path, "/secrets/prod/db");
  EXPECT_EQ(given->inodes, (std::vector<InodeId>{InodeId{secrets}, InodeId{prod}, InodeId{db}}));
  EXPECT_EQ(given->uid, kAlice);
  EXPECT_EQ(given->holder, holder_of(peer_named(Role::kUser, "user1001", kAlice, kAlice).fingerprint));
  EXPECT_EQ(given->at.ns, world.clock().wall().ns);
  EXPECT_TRUE(permit(host, "/secrets/prod/db", db));   // whose kernel has checked
}

TEST_F(Permits, AreGivenToWhoMayWrite) {
  EXPECT_EQ(code_of(permit(bob, "/secrets/prod/db", db)), Errc::kAccess);
  ASSERT_TRUE(host.chmod(db, 0666));
  EXPECT_EQ(code_of(permit(bob, "/secrets/prod/db", db)), std::nullopt);
  ASSERT_TRUE(host.chmod(db, 0400));
  EXPECT_EQ(code_of(permit(bob, "/secrets/prod/db", db)), Errc::kAccess);
  EXPECT_EQ(code_of(permit(alice, "/secrets/prod/db", db)), std::nullopt);   // she owns it
  host.as.set_uid(0);
  ASSERT_TRUE(host.chmod(db, 0666));
  ASSERT_TRUE(host.chmod(prod, 0700));
  EXPECT_EQ(code_of(permit(bob, "/secrets/prod/db", db)), Errc::kAccess);    // whom the way is closed to
}

TEST_F(Permits, AreForSecretsThatAreThereAlone) {
  EXPECT_EQ(code_of(permit(alice, "/secrets/prod/db", db + 1)), Errc::kStale);
  EXPECT_EQ(code_of(permit(alice, "/secrets/prod/other", db + 1)), Errc::kNotFound);
  EXPECT_EQ(code_of(permit(alice, "/secrets/prod", prod)), Errc::kInvalid);
  const std::uint64_t plain = host.make(raw(kRootInode), "plain", S_IFREG | 0600);
  EXPECT_EQ(code_of(permit(alice, "/plain", plain)), Errc::kInvalid);
  for (const char* path : {"", "/", "secrets/prod/db", "/secrets/prod/db/", "//secrets/prod/db", "/secrets/./prod/db",
                           "/secrets/prod/../prod/db"}) {
    EXPECT_EQ(code_of(permit(alice, path, db)), Errc::kInvalid) << path;
  }
  ASSERT_TRUE(host.remove(prod, "db"));
  EXPECT_EQ(code_of(permit(alice, "/secrets/prod/db", db)), Errc::kNotFound);
}

}  // namespace
}  // namespace conclave::dir
