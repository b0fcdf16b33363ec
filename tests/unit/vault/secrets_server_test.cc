// Which versions of a secret the vault takes in.
#include "tests/unit/vault/vault_world.h"

namespace conclave::vault {
namespace {

struct SecretsServer : ServedStory {
  SealedVersion second(const Policy& under) {
    const SealPlace place{story.sealed.header.core.secret, 2, under.directory, under.path + "/db"};
    return seal_secret(secret("evil"), place, under, story.roster, story.author, world.clock().wall(), story.random).value();
  }
};

TEST_F(SecretsServer, TheNextVersionStaysUnderItsFoldersPolicy) {
  Policy weak = story.policy(1);
  weak.directory = InodeId{78};
  weak.path = "/secrets/lax";
  weak.signatures.clear();
  sign_policy(weak, story.device("ada"));
  ASSERT_TRUE(world.put_policy(weak));
  const auto rows = world.all_rows();
  EXPECT_EQ(code_of(world.put_secret(second(weak))), Errc::kAccess);
  EXPECT_EQ(world.all_rows(), rows);
  EXPECT_EQ(code_of(world.put_secret(second(story.rules))), kDone);
}

}  // namespace
}  // namespace conclave::vault
