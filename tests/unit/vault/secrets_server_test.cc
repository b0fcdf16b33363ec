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

TEST_F(SecretsServer, APolicySetWithinDoesNotReachOutForOtherSecrets) {
  const Policy inner = policy_at(78, story.rules.path + "/within");
  EXPECT_EQ(code_of(world.put_secret(version(2, inner, inner.path + "/db"))), Errc::kAccess);
}

}  // namespace
}  // namespace conclave::vault
