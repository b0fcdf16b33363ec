// A vault that lies with its database in its hands: what was signed by who has left since, an older or another policy than was
// seen, a roster over another log.
#include "tests/unit/vault/vault_world.h"
#include "vault/log_check.h"
#include "vault/policy_client.h"
#include "vault/proof_message.h"
#include "vault/roster_client.h"

namespace conclave::vault {
namespace {

struct Continuity : ServedStory {
  static constexpr InodeId kFolder{77};

  void SetUp() override {
    ServedStory::SetUp();
    story.people.emplace("mallory", Identity{story.cluster, "mallory", make_device(story.random)});
    world.change_roster([&](RosterVersion& roster) {
      Person mallory;
      mallory.name = "mallory";
      mallory.roles = kAdmin | kAuthor;
      mallory.devices.push_back({story.device("mallory").public_half(), false});
      roster.people.push_back(mallory);
    });
  }
  void revoke_mallory() {
    world.change_roster([](RosterVersion& roster) { VaultWorld::person_in(roster, "mallory").revoked = true; });
  }
  // "1 of carol", over the policy in force when mallory was an admin.
  Policy weak_policy(const Policy& before, const std::string& by = "mallory") {
    Policy out = story.policy(1, {"carol"});
    out.version = before.version + 1;
    out.previous = before.hash();
    out.roster_version = 2;
    out.issued = world.clock().wall();
    out.signatures.clear();
    sign_policy(out, story.device(by));
    return out;
  }
  SealedVersion second_version(const RosterChain& chain) {
    const SealPlace place{story.sealed.header.core.secret, 2, kFolder, story.rules.path + "/db"};
    return seal_secret(secret("another"), place, story.rules, *chain.at(2), story.login("mallory"), world.clock().wall(),
                       story.random).value();
  }
  // As a vault does that writes into its own database and log what it likes.
  void slip_in(const Policy& policy) {
    ASSERT_TRUE(world.state().change([&]() -> Status {
      const auto logged = TRY(world.state().log({.kind = LeafKind::kPolicy, .subject = policy.hash(), .content = encode(policy)}));
      Statement insert = TRY(world.state().prepare("INSERT OR REPLACE INTO policy (directory, version, bytes, position) VALUES (?, ?, ?, ?)"));
      return insert.bind(raw(policy.directory), policy.version, encode(policy), logged.position).run();
    }));
  }
  void slip_in(const SealedVersion& sealed) {
    ASSERT_TRUE(world.state().change([&]() -> Status {
      const auto logged = TRY(world.state().log({.kind = LeafKind::kPut, .subject = sealed.header.hash(), .content = encode(LoggedPut{sealed.header, head_of(sealed.table)})}));
      Statement insert = TRY(world.state().prepare(
          "INSERT INTO secret (secret, version, header, header_hash, share_table, policy, position, inner) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
      return insert.bind(ByteView(sealed.header.core.secret), sealed.header.core.version, encode(sealed.header),
                         ByteView(sealed.header.hash()), encode(sealed.table), encode(story.rules), logged.position, sealed.inner).run();
    }));
  }
};

// A mount or a command, with a memory of its own.
struct Client {
  explicit Client(ServedStory& of)
      : story(of), transport(of.world, VaultWorld::host()), vault(transport, of.world.clock(), {}), memory(files, "/seen", waiter) {}

  RosterChain chain() { return fetch_roster(vault, story.story.roster.hash()).value(); }
  Result<Policy> policy(InodeId folder = Continuity::kFolder) { return fetch_policy(vault, chain(), memory, folder); }
  Status accept() {
    LogCheck log([this](const std::string& path) { return vault.log_file(path); }, log_origin(story.story.cluster),
                 story.world.log_key(), memory);
    return accept_roster(chain(), memory, log);
  }
  Result<v1::GetSecretResponse> secret() {
    v1::GetSecretRequest request;
    request.set_secret(string_of(story.story.sealed.header.core.secret));
    return vault.get_secret(request);
  }

  ServedStory& story;
  sim::SimFiles files;
  SystemWaiter waiter;
  WorldTransport transport;
  VaultClient vault;
  VaultMemory memory;
};

TEST_F(Continuity, APolicyThatARevokedAdminSignsUnderAnOldRosterIsNotBelieved) {
  Client mount(*this);
  ASSERT_TRUE(mount.policy());
  revoke_mallory();
  const Policy weak = weak_policy(story.rules);
  EXPECT_FALSE(world.put_policy(weak, "ada"));   // an honest vault
  slip_in(weak);                                 // this one is not
  EXPECT_EQ(code_of(mount.policy()), Errc::kStale);
  EXPECT_EQ(code_of(Client(*this).policy()), Errc::kStale);   // nor by who sees the cluster for the first time
  // It is in the log, but not in the one that the revoking version names.
  const LogProof late = world.state().proof_at(world.state().log_size() - 1, world.state().log_size()).value();
  EXPECT_EQ(code_of(check_policy(weak, mount.chain(), &late)), Errc::kKeyRejected);
}

TEST_F(Continuity, WhatARevokedAdminSignedBeforeStaysGood) {
  Client mount(*this);
  const Policy theirs = weak_policy(story.rules);
  ASSERT_TRUE(world.put_policy(theirs, "ada"));
  revoke_mallory();
  const auto found = mount.policy();
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->hash(), theirs.hash());
  EXPECT_EQ(code_of(check_policy(theirs, mount.chain())), Errc::kStale);   // not without its place in the log
}

TEST_F(Continuity, ASecretThatARevokedAuthorWritesAfterwardsIsNotRead) {
  Client mount(*this);
  revoke_mallory();
  const SealedVersion late = second_version(mount.chain());
  slip_in(late);
  const auto shown = mount.secret();
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->header(), string_of(encode(late.header)));
  const SecretProofs proofs = proofs_in(shown->proofs());
  EXPECT_EQ(code_of(check_header(late.header, mount.chain(), pointer_to(proofs.header))), Errc::kStale);
  const LogProof forged = world.state().proof_at(world.state().log_size() - 1, world.state().log_size()).value();
  EXPECT_EQ(code_of(check_header(late.header, mount.chain(), &forged)), Errc::kKeyRejected);
}

TEST_F(Continuity, ASecretThatARevokedAuthorWroteBeforeIsRead) {
  Client mount(*this);
  const SealedVersion early = second_version(mount.chain());
  ASSERT_TRUE(world.put_secret(early));
  revoke_mallory();
  const auto shown = mount.secret();
  ASSERT_TRUE(shown);
  const SecretProofs proofs = proofs_in(shown->proofs());
  EXPECT_EQ(code_of(check_header(early.header, mount.chain(), pointer_to(proofs.header))), kDone);
}

TEST_F(Continuity, MoreSignaturesAreAskedOfWhatOneAdminSignedWhenOneWasEnough) {
  Client mount(*this);
  RosterVersion stricter = world.next_roster([](RosterVersion& roster) { roster.threshold = 2; });
  sign_roster(stricter, story.device("mallory"));
  ASSERT_TRUE(world.put_roster("ada", stricter));
  const Policy weak = weak_policy(story.rules, "ada");
  slip_in(weak);
  EXPECT_EQ(code_of(mount.policy()), Errc::kStale);
}

TEST_F(Continuity, ANewerPolicyIsFollowedThroughEveryVersion) {
  Client mount(*this);
  ASSERT_TRUE(mount.policy());
  Policy last = story.rules;
  for (int i = 0; i < 3; ++i) {
    last = weak_policy(last, "ada");
    ASSERT_TRUE(world.put_policy(last, "ada"));
  }
  ASSERT_TRUE(mount.policy());
  EXPECT_EQ(mount.memory.policy_version(kFolder).value_or(0), 4u);
  Policy another = weak_policy(weak_policy(story.rules), "ada");   // a version 3 of which version 4 knows nothing
  another.most_openings = 1;
  another.signatures.clear();
  sign_policy(another, story.device("ada"));
  slip_in(another);
  Client other(*this);
  ASSERT_TRUE(other.memory.remember(story.rules));
  EXPECT_EQ(code_of(other.policy()), Errc::kKeyRejected);
}

TEST_F(Continuity, ARosterNamesTheLogUpToTheNewestPolicyAndSecret) {
  const RosterVersion early = world.next_roster([](RosterVersion&) {});
  ASSERT_TRUE(world.put_policy(weak_policy(story.rules, "ada")));
  EXPECT_EQ(code_of(world.put_roster("ada", early)), Errc::kStale);
  EXPECT_EQ(code_of(world.put_roster("ada", world.next_roster([](RosterVersion& roster) { roster.log_root[0] ^= 1; }))), Errc::kKeyRejected);
  EXPECT_EQ(code_of(world.put_roster("ada", world.next_roster([](RosterVersion& roster) { roster.log_size += 1; }))), Errc::kKeyRejected);
  EXPECT_EQ(code_of(world.put_roster("ada", world.next_roster([](RosterVersion&) {}))), kDone);
}

TEST_F(Continuity, ARosterOverAnotherLogThanWasSeenIsNotAccepted) {
  Client mount(*this), forked(*this);
  ASSERT_TRUE(mount.accept());
  ASSERT_TRUE(forked.memory.remember(Checkpoint{"", 2, sha256(view_of("what another vault showed"))}));
  EXPECT_EQ(code_of(forked.accept()), Errc::kCorrupt);
  EXPECT_EQ(mount.memory.checkpoint()->size, mount.chain().current().log_size);   // it is remembered how long the log was
}

}  // namespace
}  // namespace conclave::vault
