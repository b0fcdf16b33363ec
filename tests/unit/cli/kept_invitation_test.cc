#include "cli/kept_invitation.h"

#include <gtest/gtest.h>

#include "tests/support/sim_files.h"
#include "tests/support/sim_random.h"

namespace conclave::cli {
namespace {

struct Invited : ::testing::Test {
  sim::SimRandom random{7};
  const Bytes id = Bytes(16, 0x11);
  vault::Device device = vault::make_device(random);

  static KeptInvitation invitation() {
    return {"erin", 2000, 2001, vault::kUsualRoles, SecretBytes::copy_of(Bytes(kInvitationSecretBytes, 0x22))};
  }
  vault::v1::JoinsResponse::One join() const {
    vault::v1::JoinsResponse::One out;
    out.set_id(string_of(id));
    out.set_name("erin");
    out.set_uid(2000);
    out.set_gid(2001);
    out.set_roles(vault::kUsualRoles);
    out.set_device(string_of(encode(device.public_half())));
    out.set_mac(string_of(vault::join_mac(invitation().secret, id, "erin", device.public_half())));
    return out;
  }
};

TEST_F(Invited, IsRememberedUntilForgotten) {
  sim::SimFiles files;
  ASSERT_TRUE(keep_invitation(files, "/home/ada/invitations", id, invitation()));
  const auto kept = kept_invitation(files, "/home/ada/invitations", id);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->name, "erin");
  EXPECT_EQ(kept->uid, 2000u);
  EXPECT_EQ(kept->gid, 2001u);
  EXPECT_EQ(kept->roles, vault::kUsualRoles);
  EXPECT_TRUE(kept->secret == invitation().secret);
  ASSERT_TRUE(forget_invitation(files, "/home/ada/invitations", id));
  EXPECT_EQ(kept_invitation(files, "/home/ada/invitations", id).error().code, Errc::kNotFound);
}

TEST_F(Invited, GetsTheRolesThatTheAdminGaveAndNotTheVaults) {
  auto told = join();
  told.set_roles(vault::kAllRoles);
  told.set_uid(0);
  told.set_gid(0);
  const auto person = admitted_person(invitation(), told);
  ASSERT_TRUE(person);
  EXPECT_EQ(person->roles, vault::kUsualRoles);
  EXPECT_EQ(person->uid, 2000u);
  EXPECT_EQ(person->gid, 2001u);
  EXPECT_EQ(person->devices[0].keys, device.public_half());
}

TEST_F(Invited, IsNotAdmittedUnderAnothersKeysOrName) {
  auto other_keys = join();
  other_keys.set_device(string_of(encode(vault::make_device(random).public_half())));
  EXPECT_EQ(admitted_person(invitation(), other_keys).error().code, Errc::kKeyRejected);
  auto other_name = join();
  other_name.set_name("mallory");
  EXPECT_EQ(admitted_person(invitation(), other_name).error().code, Errc::kKeyRejected);
}

}  // namespace
}  // namespace conclave::cli
