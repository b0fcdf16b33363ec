// Shares belong to a version of a secret, not to a request: who is given one, what of it is shown, and when too many are out.
#include "tests/unit/vault/vault_world.h"

namespace conclave::vault {
namespace {

struct SharesGoOut : ServedStory {
  // Two people ask for the same version; one approver says yes to each and no to the other.
  void split_votes() {
    file();
    const Request first = story.request;
    ASSERT_TRUE(approve("bob"));
    story.request = story.ask("dave");
    file();
    ASSERT_TRUE(approve("carol"));
    ASSERT_TRUE(deny("bob"));
    story.request = first;
    ASSERT_TRUE(deny("carol"));
    EXPECT_EQ(world.state_of(rd()), v1::DENIED);
  }
  std::vector<std::string> exposed_by() {
    const auto audit = world.audit(world.entries());
    EXPECT_TRUE(audit) << audit.error().message;
    return audit ? audit->secrets().at(0).exposed_by : std::vector<std::string>();
  }
  std::uint64_t exposed_at_the_vault() {
    return world.call<v1::HealthResponse>(VaultWorld::host(), "Health", v1::HealthRequest())->exposed();
  }
  void use(const std::function<void(Policy&)>& change) {
    Policy next = story.rules;
    next.version = 2;
    next.previous = story.rules.hash();
    next.signatures.clear();
    change(next);
    sign_policy(next, story.device("ada"));
    ASSERT_TRUE(world.put_policy(next));
    story.rules = next;
    put_next_version(2);
  }
  void put_next_version(std::uint64_t version) {
    const SealPlace place{story.sealed.header.core.secret, version, story.rules.directory, story.sealed.header.path};
    story.sealed = seal_secret(secret("s3cret"), place, story.rules, story.roster, story.author, world.clock().wall(),
                               story.random).value();
    ASSERT_TRUE(world.put_secret(story.sealed));
    story.request = story.ask("alice");
  }
  Result<v1::RequestView> give(const std::string& by) {
    return world.approve(by, disclose(story.a_case(), story.device(by), story.chain(), world.clock().wall(), story.random).value());
  }
};

TEST_F(SharesGoOut, AShareIsShownToNobodyBeforeItsOwnRequestsRelease) {
  file();
  const Approval bob = story.approval_of("bob", world.clock().wall());
  ASSERT_TRUE(world.approve("bob", bob));
  const auto holds_share = [&](const std::string& text) { return text.find(text_of(*bob.share)) != std::string::npos; };
  for (const Peer& peer : {world.user("alice"), world.user("bob"), world.user("ada"), VaultWorld::host()}) {
    const auto view = world.view(peer, rd());
    ASSERT_TRUE(view);
    EXPECT_EQ(view->approvals_size(), 1);
    EXPECT_FALSE(holds_share(view->SerializeAsString()));
  }
  for (const Bytes& entry : world.entries()) EXPECT_FALSE(holds_share(string_of(entry)));
  EXPECT_FALSE(world.release(rd()));
  ASSERT_TRUE(deny("carol"));
  EXPECT_FALSE(world.release(rd()));   // it ended otherwise: never
}

TEST_F(SharesGoOut, ARequestThatHasItsQuorumOpens) {
  file_and_approve();
  EXPECT_EQ(opened(*world.release(rd())).value_or("?"), "s3cret");
  EXPECT_TRUE(exposed_by().empty());
  EXPECT_EQ(exposed_at_the_vault(), 0u);
}

TEST_F(SharesGoOut, ApprovalsOfTwoRequestsThatFailedAreExposure) {
  split_votes();
  EXPECT_EQ(exposed_by(), (std::vector<std::string>{"bob", "carol", "dave"}));   // who asked has his own share
  EXPECT_EQ(exposed_at_the_vault(), 1u);
  put_next_version(2);
  EXPECT_TRUE(exposed_by().empty());   // a new version is the answer
  EXPECT_EQ(exposed_at_the_vault(), 0u);
}

TEST_F(SharesGoOut, ARequestThatHadItsQuorumAndWasNotClaimedIsNoExposure) {
  file_and_approve();
  story.request = story.ask("bob");   // whose own share would make two with carol's
  file();
  world.clock().advance(std::chrono::hours(1));
  world.book().tick(world.clock().now());
  EXPECT_EQ(world.state_of(rd()), v1::TIMED_OUT);
  EXPECT_TRUE(exposed_by().empty());
  EXPECT_EQ(exposed_at_the_vault(), 0u);
}

TEST_F(SharesGoOut, WhoAsksAndIsAnApproverHasAShareBesideThoseGiven) {
  story.request = story.ask("dave");
  file();
  ASSERT_TRUE(approve("bob"));
  ASSERT_TRUE(deny("carol"));
  EXPECT_EQ(exposed_by(), (std::vector<std::string>{"bob", "dave"}));
  EXPECT_EQ(exposed_at_the_vault(), 1u);
}

TEST_F(SharesGoOut, TheSharesOfARequestThatEndsOtherwiseAreNotKept) {
  const auto kept = [&] { return world.state().number("SELECT count(*) FROM vote WHERE length(bytes) = ?", kApprovalBytes).value(); };
  file();
  const Approval bob = story.approval_of("bob", world.clock().wall());
  ASSERT_TRUE(world.approve("bob", bob));
  EXPECT_EQ(kept(), 1u);
  ASSERT_TRUE(deny("carol"));
  EXPECT_EQ(kept(), 0u);
  EXPECT_EQ(code_of(world.approve("bob", bob)), kDone);   // the same again is done already
  story.request = make_request(story.sealed.header, story.sealed.table, story.rules, story.author, story.request_key.public_key, {},
                               kNow, story.random);
  file();
  ASSERT_TRUE(approve("bob"));
  ASSERT_TRUE(world.cancel(make_record(rd(), Happening::kCancelled, world.clock().wall(), story.author.key)));
  EXPECT_EQ(kept(), 0u);
  story.request = story.ask("alice");
  file_and_approve();
  EXPECT_EQ(kept(), 2u);
  world.clock().advance(std::chrono::hours(1));
  world.book().tick(world.clock().now());
  EXPECT_EQ(kept(), 0u);
}

TEST_F(SharesGoOut, AfterTheQuorumNothingIsOutWhenRequestsFail) {
  use([](Policy& policy) { policy.disclose = Disclose::kAfterQuorum; });
  split_votes();
  EXPECT_TRUE(exposed_by().empty());
  EXPECT_EQ(exposed_at_the_vault(), 0u);
}

TEST_F(SharesGoOut, AfterTheQuorumSharesFollowTheirVotesAndOpen) {
  use([](Policy& policy) { policy.disclose = Disclose::kAfterQuorum; });
  file();
  ASSERT_TRUE(approve("bob"));
  EXPECT_EQ(code_of(give("bob")), Errc::kWouldBlock);   // one vote of two
  ASSERT_TRUE(approve("carol"));
  EXPECT_EQ(world.state_of(rd()), v1::PENDING);
  EXPECT_FALSE(world.release(rd()));
  EXPECT_EQ(code_of(give("dave")), Errc::kWouldBlock);  // who has not voted promises none
  ASSERT_TRUE(give("bob"));
  EXPECT_EQ(world.state_of(rd()), v1::PENDING);
  ASSERT_TRUE(give("carol"));
  EXPECT_EQ(world.state_of(rd()), v1::APPROVED);
  EXPECT_EQ(opened(*world.release(rd())).value_or("?"), "s3cret");
  EXPECT_TRUE(exposed_by().empty());
}

TEST_F(SharesGoOut, AVetoAfterTheQuorumAndBeforeTheSharesHolds) {
  use([](Policy& policy) { policy.disclose = Disclose::kAfterQuorum; });
  file();
  ASSERT_TRUE(approve("bob"));
  ASSERT_TRUE(approve("carol"));
  ASSERT_TRUE(deny("dave"));
  EXPECT_EQ(world.state_of(rd()), v1::DENIED);
  EXPECT_FALSE(give("bob"));
  EXPECT_TRUE(exposed_by().empty());
}

TEST_F(SharesGoOut, TheOtherWayOfThePolicyIsNotTaken) {
  Case lax = story.a_case();
  lax.policy.disclose = Disclose::kAfterQuorum;
  const Approval vote = vault::approve(lax, story.device("bob"), story.chain(), world.clock().wall(), story.random).value();
  file();
  EXPECT_EQ(code_of(world.approve("bob", vote)), Errc::kInvalid);
  Approval without = story.approval_of("bob", world.clock().wall());
  without.share.reset();
  EXPECT_EQ(code_of(world.approve("bob", without)), Errc::kInvalid);
}

TEST(Exposure, IsByGroupsAndOnlyOfRequestsWithoutTheirQuorum) {
  vault::Cast cast;
  Policy rules = cast.policy(2, {"bob", "carol", "dave"});
  using People = std::vector<std::string>;
  EXPECT_EQ(exposed_by(rules, {}), People());
  EXPECT_EQ(exposed_by(rules, {{{"bob"}, "erin", false}, {{"bob"}, "erin", false}}), People());
  EXPECT_EQ(exposed_by(rules, {{{"bob"}, "erin", false}, {{"carol"}, "erin", false}}), (People{"bob", "carol"}));
  EXPECT_EQ(exposed_by(rules, {{{"bob", "carol"}, "erin", true}}), People());
  EXPECT_EQ(exposed_by(rules, {{{"bob", "carol"}, "erin", true}, {{"dave"}, "erin", false}}), People());
  EXPECT_EQ(exposed_by(rules, {{{"bob", "carol"}, "erin", true}, {{"dave"}, "erin", false}, {{"carol"}, "erin", false}}),
            (People{"carol", "dave"}));
  EXPECT_EQ(exposed_by(rules, {{{"bob"}, "dave", false}}), (People{"bob", "dave"}));   // dave has his own share
  EXPECT_EQ(exposed_by(rules, {{{}, "dave", false}, {{"bob"}, "erin", false}}), People());
  rules.groups.push_back({"security", 1, {"alice"}});
  EXPECT_EQ(exposed_by(rules, {{{"bob"}, "erin", false}, {{"carol"}, "erin", false}}), People());
  EXPECT_EQ(exposed_by(rules, {{{"bob", "alice"}, "erin", false}, {{"carol"}, "erin", false}}), (People{"alice", "bob", "carol"}));
}

TEST_F(SharesGoOut, ClaimsAreForTheRequesterTheApproversAndAdmins) {
  use([](Policy& policy) { policy.groups[0].approvers = {"bob", "carol"}; });
  file();
  const auto sees = [&](const Peer& peer) { return !world.view(peer, rd())->claims().empty(); };
  EXPECT_TRUE(sees(world.user("alice")));
  EXPECT_TRUE(sees(world.user("bob")));
  EXPECT_TRUE(sees(world.user("carol")));
  EXPECT_TRUE(sees(world.user("ada")));
  EXPECT_FALSE(sees(world.user("dave")));
  EXPECT_FALSE(sees(VaultWorld::host()));
  for (const Bytes& entry : world.entries()) {
    EXPECT_EQ(string_of(entry).find("restart of the database"), std::string::npos) << "a reason stands in the log";
  }
}

// As whoever wants an approver to vote for the wrong one makes them: a few ten thousand tries.
TEST_F(SharesGoOut, TwoRequestsThatWaitDoNotHaveTheSameDigits) {
  const Login alice = story.login("alice");
  std::map<std::string, Request> made;
  Request one = make_request(story.sealed.header, story.sealed.table, story.rules, alice, story.request_key.public_key, {}, kNow,
                             story.random);
  std::optional<std::pair<Request, Request>> twins;
  for (std::uint64_t i = 0; !twins; ++i) {
    for (std::size_t b = 0; b < 8; ++b) one.id[b] = static_cast<std::uint8_t>(i >> (8 * b));
    const auto [at, is_new] = made.emplace(short_id(one.rd()), one);
    if (!is_new) twins.emplace(at->second, one);
  }
  for (Request* request : {&twins->first, &twins->second}) {
    const Bytes whole = encode(*request);
    request->signature = sign(alice.key, "request", ByteView(whole).first(whole.size() - sizeof(Signature)));
  }
  ASSERT_TRUE(world.file(twins->first));
  EXPECT_EQ(code_of(world.file(twins->second)), Errc::kStale);
  EXPECT_EQ(code_of(world.file(twins->first)), kDone);   // the same again
}

}  // namespace
}  // namespace conclave::vault
