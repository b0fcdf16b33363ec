#include "cli/join_token.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace conclave::cli {
namespace {

JoinToken example() {
  JoinToken token;
  token.cluster_toml = "[cluster]\nid = \"00\"\n";
  token.ca_pem = "-----BEGIN CERTIFICATE-----\n";
  token.name = "3";
  token.certificate.chain_pem = "chain";
  token.certificate.key_pem = SecretBytes::copy_of(view_of("key"));
  return token;
}

TEST(JoinToken, ComesBackAsItWas) {
  auto parsed = JoinToken::parse(example().text());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->cluster_toml, example().cluster_toml);
  EXPECT_EQ(parsed->ca_pem, example().ca_pem);
  EXPECT_EQ(parsed->name, "3");
  EXPECT_EQ(parsed->certificate.chain_pem, "chain");
  EXPECT_EQ(text_of(parsed->certificate.key_pem.view()), "key");
}

TEST(JoinToken, MayEndInALineEnd) { EXPECT_TRUE(JoinToken::parse(example().text() + "\n")); }

TEST(JoinToken, EveryTruncationIsRefused) {
  const std::string whole = example().text();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto parsed = JoinToken::parse(std::string_view(whole).substr(0, size));
    ASSERT_FALSE(parsed) << size;
    EXPECT_EQ(parsed.error().code, Errc::kInvalid);
  }
}

TEST(JoinToken, EveryChangedCharacterIsRefused) {
  const std::string whole = example().text();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const char other : {'A', 'b', '7', '-', '=', '\0', '\n'}) {
      std::string changed = whole;
      if (changed[at] == other) continue;
      changed[at] = other;
      EXPECT_FALSE(JoinToken::parse(changed)) << at << " " << static_cast<int>(other);
    }
  }
}

TEST(JoinToken, WhatIsNoTokenIsToldFromADamagedOne) {
  EXPECT_NE(JoinToken::parse("hello").error().message.find("not a file server's token"), std::string::npos);
  EXPECT_NE(JoinToken::parse("conclave-file-1.AAAA").error().message.find("cut or changed"), std::string::npos);
  EXPECT_FALSE(JoinToken::parse("conclave-file-1." + std::string(1 << 20, 'A')));
}

}  // namespace
}  // namespace conclave::cli
