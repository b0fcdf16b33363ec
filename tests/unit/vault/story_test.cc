// The main promise: m of n open, m − 1 do not, and nothing else does.
#include <gtest/gtest.h>

#include <bit>

#include "tests/unit/vault/cast.h"

namespace conclave::vault {
namespace {

TEST(Story, EverySubsetOfTwoOfThreeOpensAndNoSmallerOneDoes) {
  Story story;
  const std::vector<std::string> approvers = {"bob", "carol", "dave"};
  for (unsigned chosen = 0; chosen < 8; ++chosen) {
    std::vector<Approval> approvals;
    for (unsigned i = 0; i < 3; ++i) {
      if (chosen >> i & 1) approvals.push_back(story.approval_of(approvers[i]));
    }
    const Result<SecretBytes> opened = story.join(approvals);
    EXPECT_EQ(opened.has_value(), std::popcount(chosen) >= 2) << chosen;
    if (opened) {
      EXPECT_EQ(string_of(opened->view()), "s3cret");
    } else {
      EXPECT_EQ(opened.error().code, Errc::kAccess);
    }
  }
}

TEST(Story, EverythingTravelsAsBytes) {
  Story story;
  const Approval bob = parse_approval(encode(story.approval_of("bob"))).value();
  const Approval carol = parse_approval(encode(story.approval_of("carol"))).value();
  EXPECT_EQ(string_of(story.join({bob, carol})->view()), "s3cret");
}

TEST(Story, SecretsOfEverySizeComeBackAsTheyWere) {
  for (const std::size_t size : {0u, 1u, 251u, 252u, 253u, 65531u, 65532u, 65533u, 131068u, 131069u, 1u << 20}) {
    const std::string text(size, 'x');
    Story story(text);
    const Bytes& payload = story.sealed.payload;
    EXPECT_EQ(payload.size(), payload_size(padded_size(size)));
    EXPECT_EQ(string_of(story.join({story.approval_of("bob"), story.approval_of("dave")})->view()), text) << size;
  }
}

TEST(Story, AGroupOfEachIsNeeded) {
  Cast cast;
  Policy rules = cast.policy(1, {"bob"});
  rules.groups.push_back({"security", 2, {"carol", "dave"}});
  rules.signatures.clear();
  sign_policy(rules, cast.device("ada"));
  Story story("two groups", rules);
  const Approval bob = story.approval_of("bob");
  const Approval carol = story.approval_of("carol");
  const Approval dave = story.approval_of("dave");
  EXPECT_FALSE(story.join({carol, dave}));
  EXPECT_FALSE(story.join({bob, carol}));
  EXPECT_EQ(string_of(story.join({dave, bob, carol})->view()), "two groups");
}

TEST(Story, OneOfOneOpens) {
  Cast cast;
  Story story("alone", cast.policy(1, {"bob"}));
  EXPECT_EQ(string_of(story.join({story.approval_of("bob")})->view()), "alone");
}

TEST(Story, SharesWithoutTheVaultsInnerOpenNothing) {
  Story story;
  const std::vector<Approval> approvals = {story.approval_of("bob"), story.approval_of("carol")};
  const Case a_case = story.a_case();
  for (const Bytes& inner : {Bytes(), Bytes(kSealedInnerBytes), story.sealed.inner}) {
    const auto opened = open_released(a_case, approvals, inner, story.sealed.payload, story.request_key, story.chain());
    EXPECT_EQ(code_of(opened), Errc::kCorrupt);
  }
}

TEST(Story, AnotherRequestsInnerOpensNothing) {
  Story story;
  const std::vector<Approval> approvals = {story.approval_of("bob"), story.approval_of("carol")};
  Case other_case = story.a_case();
  other_case.rd[0] ^= 1;
  const Bytes inner = seal_inner(other_case, story.sealed.inner, story.random).value();
  EXPECT_EQ(
      code_of(open_released(story.a_case(), approvals, inner, story.sealed.payload, story.request_key, story.chain())),
      Errc::kCorrupt);
}

TEST(Story, AnyFlippedByteOfThePayloadIsRefused) {
  Story story;
  const std::vector<Approval> approvals = {story.approval_of("bob"), story.approval_of("carol")};
  const Case a_case = story.a_case();
  const Bytes inner = seal_inner(a_case, story.sealed.inner, story.random).value();
  const auto opens = [&](ByteView payload) {
    return open_released(a_case, approvals, inner, payload, story.request_key, story.chain()).has_value();
  };
  EXPECT_TRUE(opens(story.sealed.payload));
  EXPECT_EQ(flips_accepted(story.sealed.payload, opens), 0u);
}

// A table made badly and signed all the same: no server can see it, the approver's own client does.
TEST(Story, AnApproverWithABadShareIsToldSo) {
  Story story;
  ShareTable& table = story.sealed.table;
  std::swap(table.entries[0].sealed, table.entries[1].sealed);
  sign_share_table(table, story.author);
  story.request = story.ask("alice");
  for (const char* name : {"bob", "carol"}) {
    if (table.find(story.device(name).kid())->x == 3) continue;
    EXPECT_EQ(code_of(approve(story.a_case(), story.device(name), story.chain(), kNow, story.random)), Errc::kCorrupt);
  }
}

// A share that an approver spoiled on the way: named, and no harm while enough others are there.
TEST(Story, ASpoiledApprovalIsNamedAndOthersSuffice) {
  Story story;
  const std::vector<Approval> good = {story.approval_of("bob"), story.approval_of("carol"), story.approval_of("dave")};
  const Case real = story.a_case();
  Case spoiled = real;  // carol's client seals to another key
  spoiled.request.key = make_agreement_key(story.random).public_key;
  const Approval bad = approve(spoiled, story.device("carol"), story.chain(), kNow + kMinute, story.random).value();
  const auto two = story.join({good[0], bad});
  EXPECT_EQ(code_of(two), Errc::kCorrupt);
  EXPECT_NE(two.error().message.find(to_hex(story.device("carol").kid())), std::string::npos);
  EXPECT_EQ(string_of(story.join({good[0], bad, good[2]})->view()), "s3cret");
}

}  // namespace
}  // namespace conclave::vault
