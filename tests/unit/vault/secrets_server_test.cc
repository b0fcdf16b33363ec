// Which versions of a secret the vault takes in.
#include "tests/unit/vault/vault_world.h"

namespace conclave::vault {
namespace {

struct SecretsServer : ServedStory {
  SealedVersion second(const Policy& under) { return version(2, under, under.path + "/db"); }
  SealedVersion version(std::uint64_t number, const Policy& under, const std::string& path) {
    const SealPlace place{story.sealed.header.core.secret, number, under.directory, path};
    return seal_secret(secret("evil"), place, under, story.roster, story.author, world.clock().wall(), story.random).value();
  }
  Policy policy_at(std::uint64_t directory, const std::string& path) {
    Policy policy = story.policy(1);
    policy.directory = InodeId{directory};
    policy.path = path;
    policy.signatures.clear();
    sign_policy(policy, story.device("ada"));
    EXPECT_TRUE(world.put_policy(policy));
    return policy;
  }
};

TEST_F(SecretsServer, TheNextVersionStaysUnderItsFoldersPolicy) {
  const Policy weak = policy_at(78, "/secrets/lax");
  const auto rows = world.all_rows();
  EXPECT_EQ(code_of(world.put_secret(second(weak))), Errc::kAccess);
  EXPECT_EQ(world.all_rows(), rows);
  EXPECT_EQ(code_of(world.put_secret(second(story.rules))), kDone);
}

TEST_F(SecretsServer, APolicyThatIsNearerToThePathIsTheOne) {
  const std::string within = story.rules.path + "/within";
  policy_at(78, within);
  const auto rows = world.all_rows();
  EXPECT_EQ(code_of(world.put_secret(version(2, story.rules, within + "/db"))), Errc::kAccess);
  EXPECT_EQ(code_of(world.put_secret(version(2, story.rules, within + "/deeper/db"))), Errc::kAccess);
  EXPECT_EQ(world.all_rows(), rows);
  EXPECT_EQ(code_of(world.put_secret(version(2, story.rules, within + "-not"))), kDone);
}

TEST_F(SecretsServer, APolicySetWithinHoldsForTheNextVersionOfWhatLayThereAlready) {
  const std::string within = story.rules.path + "/within";
  ASSERT_EQ(code_of(world.put_secret(version(2, story.rules, within + "/db"))), kDone);
  const Policy inner = policy_at(78, within);
  EXPECT_EQ(code_of(world.put_secret(version(3, inner, within + "/db"))), kDone);
  EXPECT_EQ(code_of(world.put_secret(version(4, story.rules, story.rules.path + "/db"))), Errc::kAccess);  // and not back
}

// Any author could spoil the numbers of secrets that do not exist yet, and bury one under a newer version without a payload.
TEST_F(SecretsServer, APutNeedsTheDirectoryServersWordForThisVersionAtThisPlace) {
  const SealedVersion next = second(story.rules);
  const PutPermit good = world.permit_for(next, VaultWorld::host());
  const auto rows = world.all_rows();
  const auto puts = [&](ByteView permit) { return code_of(world.put_secret(next, VaultWorld::host(), permit)); };
  const auto says = [&](const std::function<void(PutPermit&)>& change) {
    PutPermit permit = good;
    change(permit);
    return puts(seal(permit, world.dir()).value());
  };
  EXPECT_EQ(puts({}), Errc::kInvalid);
  EXPECT_EQ(says([](PutPermit& p) { p.inodes.back() = InodeId{537}; }), Errc::kAccess);   // another secret
  EXPECT_EQ(says([](PutPermit& p) { p.inodes.clear(); }), Errc::kAccess);
  EXPECT_EQ(says([](PutPermit& p) { p.path += "2"; }), Errc::kAccess);
  EXPECT_EQ(says([](PutPermit& p) { p.inodes.at(1) = InodeId{78}; }), Errc::kAccess);     // another folder lies at the policy's path
  EXPECT_EQ(says([&](PutPermit& p) { p.version = story.sealed.header.hash(); }), Errc::kAccess);
  EXPECT_EQ(says([](PutPermit& p) { p.holder += 1; }), Errc::kStale);
  EXPECT_EQ(says([](PutPermit& p) { p.at = p.at + std::chrono::seconds(-301); }), Errc::kStale);
  EXPECT_EQ(says([](PutPermit& p) { p.at = p.at + std::chrono::seconds(301); }), Errc::kStale);
  EXPECT_EQ(says([](PutPermit& p) { p.cluster[0] ^= 1; }), Errc::kAccess);
  const CertifiedKey alone = make_ca(story.cluster, kNow, std::chrono::hours(1), world.random());
  const CertificateSubject subject{.role = Role::kDir, .name = "1", .device_kid_hex = ""};
  const CertifiedKey elsewhere = issue(alone, story.cluster, subject, kNow, std::chrono::hours(1), world.random()).value();
  EXPECT_EQ(puts(seal(good, world.file_server()).value()), Errc::kAccess);
  EXPECT_EQ(puts(seal(good, elsewhere).value()), Errc::kAccess);
  EXPECT_EQ(flips_accepted(seal(good, world.dir()).value(), [&](const Bytes& flipped) { return puts(flipped) == kDone; }), 0u);
  EXPECT_EQ(world.all_rows(), rows);
  EXPECT_EQ(says([](PutPermit&) {}), kDone);
}

// Whoever buries a secret under a newer version does not take away the one before.
TEST_F(SecretsServer, AnOlderVersionOpensForWhoAsksForItWhileItsPolicyIsInForce) {
  ASSERT_TRUE(world.put_secret(second(story.rules)));
  EXPECT_EQ(code_of(world.file(story.request)), Errc::kStale);
  const auto filed = world.file(story.request, 0, true);
  ASSERT_TRUE(filed) << filed.error().message;
  EXPECT_EQ(filed->newest(), 2u);
  for (const char* name : {"bob", "carol"}) ASSERT_TRUE(approve(name));
  EXPECT_EQ(opened(*world.release(rd())).value_or("?"), "s3cret");
  EXPECT_EQ(code_of(world.audit(world.entries())), kDone);

  Policy stronger = story.rules;
  stronger.version = 2;
  stronger.previous = story.rules.hash();
  stronger.groups[0].m = 3;
  stronger.signatures.clear();
  sign_policy(stronger, story.device("ada"));
  ASSERT_TRUE(world.put_policy(stronger));
  story.request = story.ask("alice");
  EXPECT_EQ(code_of(world.file(story.request, 0, true)), Errc::kAccess);
  std::vector<Bytes> entries = world.entries();
  entries.push_back(encode(LogLeaf{LeafKind::kRequest, world.clock().wall(), "alice", rd(), story.sealed.header.path,
                                   encode(story.request)}));
  EXPECT_EQ(code_of(world.audit(entries)), Errc::kCorrupt);
}

// "As long as its policy is in force": for its secret, and when it is released too.
TEST_F(SecretsServer, AnOlderVersionDoesNotOpenByAWeakerPolicyThanTheNewest) {
  const std::string within = story.rules.path + "/within";
  story.sealed = version(2, story.rules, within + "/db");
  ASSERT_TRUE(world.put_secret(story.sealed));
  story.request = story.ask("alice");
  ASSERT_TRUE(world.file(story.request));
  for (const char* name : {"bob", "carol"}) ASSERT_TRUE(approve(name));
  const Policy inner = policy_at(78, within);
  EXPECT_EQ(code_of(world.file(story.ask("alice"), 0, true)), kDone) << "it is the newest still";
  ASSERT_TRUE(world.put_secret(version(3, inner, within + "/db")));
  EXPECT_EQ(code_of(world.release(rd())), Errc::kAccess);
  story.request = story.ask("alice");
  EXPECT_EQ(code_of(world.file(story.request, 0, true)), Errc::kAccess);
  EXPECT_EQ(code_of(world.audit(world.entries())), kDone);
  std::vector<Bytes> entries = world.entries();
  entries.push_back(encode(LogLeaf{LeafKind::kRequest, world.clock().wall(), "alice", rd(), story.sealed.header.path,
                                   encode(story.request)}));
  EXPECT_EQ(code_of(world.audit(entries)), Errc::kCorrupt);
}

TEST_F(SecretsServer, TheNewestVersionMayBeNamedByItsNumberWhateverPolicyWasSetSince) {
  Policy stronger = story.rules;
  stronger.version = 2;
  stronger.previous = story.rules.hash();
  stronger.signatures.clear();
  sign_policy(stronger, story.device("ada"));
  ASSERT_TRUE(world.put_policy(stronger));
  EXPECT_EQ(code_of(world.file(story.request, 0, true)), kDone);
}

// Whose certificate it is puts in their own name alone; a host is believed its people.
TEST_F(SecretsServer, APersonPutsWhatThatPersonWrote) {
  const SealedVersion next = second(story.rules);   // alice's
  const auto puts = [&](const Peer& as) {
    return code_of(world.put_secret(next, as, seal(world.permit_for(next, as), world.dir()).value()));
  };
  EXPECT_EQ(puts(world.user("bob")), Errc::kAccess);
  EXPECT_EQ(puts(world.user("alice")), kDone);
}

TEST_F(SecretsServer, APolicySetWithinDoesNotReachOutForOtherSecrets) {
  const Policy inner = policy_at(78, story.rules.path + "/within");
  EXPECT_EQ(code_of(world.put_secret(version(2, inner, inner.path + "/db"))), Errc::kAccess);
}

}  // namespace
}  // namespace conclave::vault
