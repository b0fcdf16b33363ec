// People at the vault's door: invitations, joins, rosters, logins.
#include "tests/unit/vault/vault_world.h"

namespace conclave::vault {
namespace {

struct AccountsServer : ::testing::Test {
  sim::SimFiles files;
  Cast cast;
  VaultWorld world{files, cast};
  Device erin = make_device(cast.random);
  SecretBytes invitation_secret = SecretBytes(16);

  Mac mac_for(const std::string& id, const std::string& name, const Device& device) {
    return join_mac(invitation_secret, view_of(id), name, device.public_half());
  }
  Result<v1::JoinResponse> join(const std::string& id, const Device& device, const std::string& name = "erin") {
    return world.join(VaultWorld::guest(name), id, device.public_half(), mac_for(id, name, device));
  }
  RosterVersion with_erin(const Device& device) {
    return world.next_roster([&](RosterVersion& roster) {
      Person person;
      person.name = "erin";
      person.uid = 2000;
      person.roles = kUsualRoles;
      person.devices.push_back({device.public_half(), false});
      roster.people.push_back(person);
    });
  }
};

TEST_F(AccountsServer, AnInvitedPersonJoinsIsAdmittedAndLogsIn) {
  const auto invited = world.invite("ada", "erin");
  ASSERT_TRUE(invited);
  EXPECT_EQ(world.joins("ada")->joins_size(), 0);
  ASSERT_TRUE(join(invited->id(), erin));
  const auto waiting = world.joins("ada");
  ASSERT_EQ(waiting->joins_size(), 1);
  EXPECT_EQ(waiting->joins(0).name(), "erin");
  EXPECT_EQ(waiting->joins(0).device(), string_of(encode(erin.public_half())));
  EXPECT_EQ(waiting->joins(0).mac(), string_of(mac_for(invited->id(), "erin", erin)));

  const Identity identity{cast.cluster, "erin", {signing_key_of_seed(erin.signing.seed.view()),
                                                 agreement_key_of_secret(erin.agreement.secret.view())}};
  const Login login = make_login(identity, world.clock().wall(), std::chrono::hours(1), cast.random);
  EXPECT_EQ(code_of(world.login(VaultWorld::guest("erin"), login.cert)), Errc::kKeyRejected);  // not admitted yet

  ASSERT_TRUE(world.put_roster("ada", with_erin(erin), invited->id()));
  EXPECT_EQ(world.joins("ada")->joins_size(), 0);
  EXPECT_TRUE(join(invited->id(), erin)->admitted());
  const auto in = world.login(VaultWorld::guest("erin"), login.cert);
  ASSERT_TRUE(in);
  // For a command; the login itself lasts longer, and its certificate ends no later than it.
  const auto quarter = (world.clock().wall() + std::chrono::minutes(15)).ns / 1'000'000'000;
  EXPECT_EQ(expiry_of_pem(in->chain_pem())->ns / 1'000'000'000, quarter);
  const Login brief = make_login(identity, world.clock().wall(), std::chrono::minutes(2), cast.random);
  EXPECT_EQ(expiry_of_pem(world.login(VaultWorld::guest("erin"), brief.cert)->chain_pem())->ns / 1'000'000'000,
            brief.cert.not_after.ns / 1'000'000'000);
  EXPECT_EQ(code_of(world.invite("ada", "erin")), Errc::kExists);
}

TEST_F(AccountsServer, OnlyAdminsInviteAndSeeWhoJoined) {
  EXPECT_EQ(code_of(world.invite("alice", "erin")), Errc::kAccess);
  EXPECT_EQ(code_of(world.joins("bob")), Errc::kAccess);
  EXPECT_EQ(world.rows("invitation"), 0u);
}

TEST_F(AccountsServer, WhatIsNoNameOrLastsTooLongIsNotInvited) {
  for (const char* name : {"", "Erin", "a b", "../x", "\x1b[2J"}) EXPECT_EQ(code_of(world.invite("ada", name)), Errc::kInvalid);
  EXPECT_EQ(code_of(world.invite("ada", "erin", 0)), Errc::kInvalid);
  EXPECT_EQ(code_of(world.invite("ada", "erin", ~0ull)), Errc::kInvalid);
  EXPECT_EQ(world.rows("invitation"), 0u);
}

TEST_F(AccountsServer, ATokenIsGoodOnce) {
  const std::string id = world.invite("ada", "erin")->id();
  ASSERT_TRUE(join(id, erin));
  EXPECT_TRUE(join(id, erin));  // its own repetition
  EXPECT_EQ(code_of(join(id, make_device(cast.random))), Errc::kExists);
  EXPECT_EQ(world.joins("ada")->joins(0).device(), string_of(encode(erin.public_half())));
}

TEST_F(AccountsServer, AnExpiredTokenIsRefusedAndSaysSo) {
  const std::string id = world.invite("ada", "erin", 60)->id();
  world.clock().advance(std::chrono::seconds(61));
  EXPECT_EQ(code_of(join(id, erin)), Errc::kKeyExpired);
}

TEST_F(AccountsServer, ATokenOfAnotherNameOrClusterIsRefused) {
  const std::string id = world.invite("ada", "erin")->id();
  EXPECT_EQ(code_of(join(id, erin, "mallory")), Errc::kAccess);
  EXPECT_EQ(code_of(join(std::string(16, 'x'), erin)), Errc::kNotFound);
  EXPECT_EQ(world.joins("ada")->joins_size(), 0);
}

// A token that was lost on its way may be in a stranger's hands.
TEST_F(AccountsServer, ANewInvitationVoidsTheOneBefore) {
  const std::string lost = world.invite("ada", "erin")->id();
  const std::string second = world.invite("ada", "erin")->id();
  EXPECT_EQ(code_of(join(lost, make_device(cast.random))), Errc::kNotFound);
  EXPECT_TRUE(join(second, erin));
  EXPECT_EQ(world.rows("invitation"), 1u);
}

TEST_F(AccountsServer, OldInvitationsAreForgotten) {
  ASSERT_TRUE(world.invite("ada", "erin", 60));
  world.clock().advance(std::chrono::hours(24 * 40));
  ASSERT_TRUE(world.invite("ada", "frank", 60));
  EXPECT_EQ(world.rows("invitation"), 1u);
}

TEST_F(AccountsServer, RostersFollowOneAnother) {
  const RosterVersion two = with_erin(erin);
  ASSERT_TRUE(world.put_roster("ada", two));
  EXPECT_TRUE(world.put_roster("ada", two));  // a repetition
  const RosterVersion three = world.next_roster([](RosterVersion&) {});
  RosterVersion four = three;
  four.previous = three.hash();
  four.version = 4;
  four.signatures.clear();
  sign_roster(four, cast.device("ada"));
  EXPECT_EQ(code_of(world.put_roster("ada", four)), Errc::kStale);
  ASSERT_TRUE(world.put_roster("ada", three));
  const RosterVersion other_three = [&] {
    RosterVersion out = three;
    out.people.pop_back();
    out.signatures.clear();
    sign_roster(out, cast.device("ada"));
    return out;
  }();
  EXPECT_EQ(code_of(world.put_roster("ada", other_three)), Errc::kStale);
  EXPECT_EQ(world.rows("roster"), 3u);
  EXPECT_EQ(world.leaves_of(LeafKind::kRoster), 3u);

  v1::GetRosterRequest from;
  from.set_from_version(2);
  const auto got = world.call<v1::GetRosterResponse>(VaultWorld::guest("erin"), "GetRoster", from);
  ASSERT_EQ(got->versions_size(), 2);
  EXPECT_EQ(got->versions(0), string_of(encode(two)));
  world.start();
  EXPECT_EQ(world.state().roster().current().hash(), three.hash());
}

TEST_F(AccountsServer, ARosterNeedsAdminsWhoAreOneStill) {
  RosterVersion by_alice = world.next_roster([](RosterVersion&) {}, "alice");
  EXPECT_EQ(code_of(world.put_roster("alice", by_alice)), Errc::kAccess);

  cast.add("eve", kAdmin);
  world.change_roster([&](RosterVersion& roster) { roster.people.push_back(cast.roster.people.back()); });
  EXPECT_TRUE(world.put_roster("eve", world.next_roster([](RosterVersion&) {}, "eve")));
  world.change_roster([&](RosterVersion& roster) { VaultWorld::person_in(roster, "eve").revoked = true; });
  EXPECT_EQ(code_of(world.put_roster("ada", world.next_roster([](RosterVersion&) {}, "eve"))), Errc::kAccess);
  EXPECT_EQ(code_of(world.put_roster("eve", world.next_roster([](RosterVersion&) {}, "ada"))), Errc::kKeyRevoked);
}

// An account that has ended could otherwise sign for the time when it had not.
TEST_F(AccountsServer, AnAdminWhoseAccountEndedCannotDateBack) {
  cast.add("eve", kAdmin);
  const WallTime end = world.clock().wall() + kMinute;
  world.change_roster([&](RosterVersion& roster) {
    roster.people.push_back(cast.roster.people.back());
    VaultWorld::person_in(roster, "eve").expires = end;
  });
  const RosterVersion backdated = world.next_roster([](RosterVersion&) {}, "eve");
  world.clock().advance(std::chrono::minutes(2));
  EXPECT_EQ(code_of(world.put_roster("ada", backdated)), Errc::kAccess);
  EXPECT_EQ(code_of(world.invite("eve", "frank")), Errc::kKeyExpired);
}

TEST_F(AccountsServer, ARosterFromTheFutureIsRefused) {
  const auto far = world.next_roster([&](RosterVersion& roster) { roster.issued = world.clock().wall() + 6 * kMinute; });
  EXPECT_EQ(code_of(world.put_roster("ada", far)), Errc::kInvalid);
  const auto near = world.next_roster([&](RosterVersion& roster) { roster.issued = world.clock().wall() + 4 * kMinute; });
  EXPECT_TRUE(world.put_roster("ada", near));
}

TEST_F(AccountsServer, LoginsOfTheRevokedAndTheExpiredAreRefused) {
  const auto knock = [&](const LoginCert& cert) { return code_of(world.login(VaultWorld::host(), cert)); };
  const Login bob = cast.login("bob");
  EXPECT_EQ(knock(bob.cert), kDone);
  LoginCert forged = bob.cert;
  forged.person = "ada";
  EXPECT_EQ(knock(forged), Errc::kKeyRejected);

  world.change_roster([](RosterVersion& roster) {
    VaultWorld::person_in(roster, "bob").revoked = true;
    VaultWorld::person_in(roster, "carol").devices[0].revoked = true;
    VaultWorld::person_in(roster, "dave").expires = kNow + kMinute;
  });
  EXPECT_EQ(knock(bob.cert), Errc::kKeyRevoked);
  EXPECT_EQ(knock(cast.login("carol").cert), Errc::kKeyRevoked);
  const auto dave = world.login(VaultWorld::host(), cast.login("dave").cert);
  ASSERT_TRUE(dave);
  EXPECT_EQ(*expiry_of_pem(dave->chain_pem()), kNow + kMinute);  // not longer than the account
  world.clock().advance(std::chrono::minutes(2));
  EXPECT_EQ(knock(cast.login("dave").cert), Errc::kKeyExpired);
  const Login alice = cast.login("alice");
  world.clock().advance(std::chrono::hours(12));
  EXPECT_EQ(knock(alice.cert), Errc::kKeyExpired);
}

TEST_F(AccountsServer, LogoutEndsALoginAndNoOther) {
  const Login first = cast.login("alice");
  const Login second = cast.login("alice");
  ASSERT_TRUE(world.logout(world.user("alice"), first.cert));
  EXPECT_EQ(code_of(world.login(VaultWorld::host(), first.cert)), Errc::kKeyRevoked);
  EXPECT_TRUE(world.login(VaultWorld::host(), second.cert));
  EXPECT_TRUE(world.logout(world.user("alice"), first.cert));
  EXPECT_EQ(world.rows("logout"), 1u);
}

// Login certificates stand in every request: who has only read one may not end it.
TEST_F(AccountsServer, LogoutNeedsThePersonOrTheLoginsKey) {
  const Login alice = cast.login("alice");
  const Login bob = cast.login("bob");
  EXPECT_EQ(code_of(world.logout(VaultWorld::host(), alice.cert)), Errc::kKeyRejected);
  EXPECT_EQ(code_of(world.logout(world.user("bob"), alice.cert)), Errc::kKeyRejected);
  EXPECT_EQ(code_of(world.logout(VaultWorld::host(), alice.cert, sign_logout(bob))), Errc::kKeyRejected);
  EXPECT_EQ(world.rows("logout"), 0u);
  EXPECT_TRUE(world.logout(VaultWorld::host(), alice.cert, sign_logout(alice)));
}

TEST_F(AccountsServer, LogoutsAreForgottenWhenTheLoginWouldHaveEnded) {
  const Login alice = cast.login("alice");
  ASSERT_TRUE(world.logout(world.user("alice"), alice.cert));
  world.clock().advance(std::chrono::hours(13));
  const Login bob = cast.login("bob", world.clock().wall());
  ASSERT_TRUE(world.logout(world.user("bob"), bob.cert));
  EXPECT_EQ(world.rows("logout"), 1u);
}

// The certificate that TLS saw was made before; the roster has moved on.
TEST_F(AccountsServer, ARevokedDeviceIsRefusedWhateverItsCertificateSays) {
  ASSERT_TRUE(world.invite("ada", "erin"));
  cast.add("eve", kAdmin);
  world.change_roster([&](RosterVersion& roster) { roster.people.push_back(cast.roster.people.back()); });
  const Device second = make_device(cast.random);
  world.change_roster([&](RosterVersion& roster) {
    Person& eve = VaultWorld::person_in(roster, "eve");
    eve.devices[0].revoked = true;
    eve.devices.push_back({second.public_half(), false});
  });
  EXPECT_EQ(code_of(world.invite("eve", "frank")), Errc::kKeyRevoked);
  EXPECT_EQ(code_of(world.call<v1::HealthResponse>(world.user("eve"), "Health", v1::HealthRequest())), Errc::kKeyRevoked);
  Peer by_second = world.user("eve");
  by_second.device_kid_hex = to_hex(second.kid());
  EXPECT_TRUE(world.call<v1::HealthResponse>(by_second, "Health", v1::HealthRequest()));
  by_second.name = "ada";  // a device of another person
  EXPECT_EQ(code_of(world.call<v1::HealthResponse>(by_second, "Health", v1::HealthRequest())), Errc::kKeyRejected);
  by_second.device_kid_hex = "";
  EXPECT_EQ(code_of(world.call<v1::HealthResponse>(by_second, "Health", v1::HealthRequest())), Errc::kKeyRejected);
}

TEST_F(AccountsServer, AnInviteThatCannotBeStoredLeavesNothing) {
  const auto leaves = world.verified_log().size();
  files.set_capacity(1);
  EXPECT_EQ(code_of(world.put_roster("ada", with_erin(erin))), Errc::kNoSpace);
  files.set_capacity(1ull << 40);
  EXPECT_EQ(world.verified_log().size(), leaves);
  EXPECT_EQ(world.state().roster().current().version, 1u);
  EXPECT_TRUE(world.put_roster("ada", with_erin(erin)));
  EXPECT_EQ(world.verified_log().size(), leaves + 1);
  world.start();
  EXPECT_EQ(world.verified_log().size(), leaves + 1);
}

}  // namespace
}  // namespace conclave::vault
