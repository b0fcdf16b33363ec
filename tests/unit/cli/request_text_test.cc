#include "cli/request_text.h"

#include <gtest/gtest.h>

#include "tests/unit/vault/cast.h"

namespace conclave::cli {
namespace {

struct Shown : ::testing::Test {
  vault::Story story;

  vault::v1::RequestView view_of_request() {
    vault::v1::RequestView out;
    const Hash rd = story.request.rd();
    out.set_rd(string_of(rd));
    out.set_id(vault::short_id(rd));
    out.set_state(vault::v1::PENDING);
    out.set_request(string_of(encode(story.request)));
    out.set_claims(string_of(encode(*story.request.claims)));
    out.set_header(string_of(encode(story.sealed.header)));
    out.set_share_table(string_of(encode(story.sealed.table)));
    out.set_policy(string_of(encode(story.rules)));
    return out;
  }
};

TEST_F(Shown, IsWhatWasAskedForOrRefused) {
  const std::string asked = to_hex(story.request.rd());
  const auto checked = check_request(view_of_request(), story.chain());
  ASSERT_TRUE(checked);
  EXPECT_TRUE(check_named(*checked, asked));
  EXPECT_TRUE(check_named(*checked, asked.substr(0, 8)));
  EXPECT_EQ(vault::code_of(check_named(*checked, asked.substr(0, 7))), Errc::kInvalid);
  EXPECT_EQ(vault::code_of(check_named(*checked, asked + "0")), Errc::kKeyRejected);

  story.request = story.ask("alice");   // the vault answers with another, valid in itself
  const auto other = check_request(view_of_request(), story.chain());
  ASSERT_TRUE(other);
  EXPECT_EQ(vault::code_of(check_named(*other, asked.substr(0, 8))), Errc::kKeyRejected);
}

TEST_F(Shown, AScriptNamesARequestWhole) {
  const std::string whole = to_hex(story.request.rd());
  EXPECT_TRUE(check_whole_id(whole));
  for (const std::string& id : {whole.substr(0, 8), whole.substr(1), whole + "0", std::string(64, 'g'), std::string()}) {
    EXPECT_EQ(vault::code_of(check_whole_id(id)), Errc::kInvalid) << id;
  }
}

TEST_F(Shown, ClaimsThatAreNotShownAreSaidToBeSo) {
  auto view = view_of_request();
  view.clear_claims();
  const std::string text = full_text(check_request(view, story.chain()).value(), vault::kNow);
  EXPECT_NE(text.find("not shown to you"), std::string::npos);
  view.set_claims(string_of(encode(vault::Claims{{}, "desk", 0, "cat", "a better reason"})));
  EXPECT_EQ(vault::code_of(check_request(view, story.chain())), Errc::kKeyRejected);
}

TEST_F(Shown, TheShortNameIsTheHashsAndNotTheVaultsWord) {
  auto view = view_of_request();
  view.set_id("\x1b[2J");
  EXPECT_EQ(vault::code_of(check_request(view, story.chain())), Errc::kKeyRejected);
}

TEST_F(Shown, WhoDecidesSeesPathRequesterReasonPolicyAndExpiry) {
  auto view = view_of_request();
  view.set_path_now("/secrets/prod/\x1b]0;gone\x07");
  const std::string text = full_text(check_request(view, story.chain()).value(), vault::kNow);
  for (const char* part : {"/secrets/prod/db, version 1", "asked by    alice", "desk, uid 1002", "nobody can check", "restart of the database", "2 of bob, carol, dave",
                           "expires 20"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in\n" << text;
  }
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace conclave::cli
