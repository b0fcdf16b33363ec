#include "base/shamir.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

#include "base/crypto.h"

namespace conclave {
namespace {

SecretBytes hashed(std::string_view text) { return SecretBytes::copy_of(sha256(view_of(text))); }

// The shares whose bit is set in `chosen`.
std::vector<Share> subset(const std::vector<Share>& shares, unsigned chosen) {
  std::vector<Share> out;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    if (chosen >> i & 1) out.push_back({shares[i].x, shares[i].y.clone()});
  }
  return out;
}

// Secret SHA-256("S"), coefficients SHA-256("c1") and SHA-256("c2").
TEST(Shamir, MatchesTheVector) {
  std::vector<SecretBytes> coefficients;
  coefficients.push_back(hashed("c1"));
  coefficients.push_back(hashed("c2"));
  const std::vector<Share> shares = shamir_split_with(hashed("S"), coefficients, 3).value();
  ASSERT_EQ(shares.size(), 3u);
  EXPECT_EQ(to_hex(shares[0].y.view()), "c11c3c5fa42ce1dfce4e97e02a5a5f2a0f6ab0e289b36954c4e32d74b799d98b");
  EXPECT_EQ(to_hex(shares[1].y.view()), "703f1f147009e89b308f484d47b6636b8d501b45b40da82d99b77185dae80a6f");
  EXPECT_EQ(to_hex(shares[2].y.view()), "3cc3908fab34251d8a9eaed70f850e67ce7881d25e2b890bbf63eed2c23b05a7");
  EXPECT_EQ(shares[2].x, 3);
  EXPECT_TRUE(shamir_join(shares).value() == hashed("S"));
}

TEST(Shamir, AnyMSharesRebuildTheSecretAndFewerDoNot) {
  SystemRandom random;
  const SecretBytes secret = hashed("S");
  for (unsigned n = 1; n <= 6; ++n) {
    for (unsigned m = 1; m <= n; ++m) {
      const std::vector<Share> shares = shamir_split(secret, m, n, random).value();
      for (unsigned chosen = 1; chosen < 1u << n; ++chosen) {
        const bool enough = std::popcount(chosen) >= static_cast<int>(m);
        EXPECT_EQ(shamir_join(subset(shares, chosen)).value() == secret, enough) << m << " of " << n << ": " << chosen;
      }
    }
  }
}

// With m − 1 shares, every secret is still possible: for each one-byte secret there is a last share that gives it.
TEST(Shamir, FewerThanMSharesLeaveEverySecretPossible) {
  SystemRandom random;
  const std::vector<Share> shares = shamir_split(SecretBytes::copy_of(view_of("S")), 3, 3, random).value();
  std::array<bool, 256> possible{};
  for (unsigned y = 0; y < 256; ++y) {
    std::vector<Share> guess = subset(shares, 0b011);
    guess.push_back({3, SecretBytes(1)});
    guess.back().y.span()[0] = static_cast<std::uint8_t>(y);
    possible[shamir_join(guess).value().view()[0]] = true;
  }
  EXPECT_TRUE(std::all_of(possible.begin(), possible.end(), [](bool p) { return p; }));
}

TEST(Shamir, TheOrderOfSharesDoesNotMatter) {
  SystemRandom random;
  std::vector<Share> shares = shamir_split(hashed("S"), 3, 5, random).value();
  std::swap(shares[0], shares[4]);
  std::swap(shares[1], shares[2]);
  EXPECT_TRUE(shamir_join(shares).value() == hashed("S"));
}

TEST(Shamir, AChangedByteChangesTheSecret) {
  SystemRandom random;
  std::vector<Share> shares = shamir_split(hashed("S"), 2, 2, random).value();
  shares[1].y.span()[31] ^= 1;
  EXPECT_FALSE(shamir_join(shares).value() == hashed("S"));
}

TEST(Shamir, WorksAtItsLargest) {
  SystemRandom random;
  const std::vector<Share> shares = shamir_split(hashed("S"), 255, 255, random).value();
  EXPECT_EQ(shares.back().x, 255);
  EXPECT_TRUE(shamir_join(shares).value() == hashed("S"));
}

TEST(Shamir, ThresholdsOutOfRangeAreRefused) {
  SystemRandom random;
  for (const auto& [m, n] :
       {std::pair{0u, 3u}, {4u, 3u}, {1u, 0u}, {1u, 256u}, {256u, 256u}, {0xffffffffu, 0xffffffffu}}) {
    EXPECT_EQ(shamir_split(hashed("S"), m, n, random).error().code, Errc::kInvalid) << m << " of " << n;
  }
}

TEST(Shamir, CoefficientsOfAnotherLengthAreRefused) {
  std::vector<SecretBytes> coefficients;
  coefficients.emplace_back(31);
  EXPECT_EQ(shamir_split_with(hashed("S"), coefficients, 3).error().code, Errc::kInvalid);
}

TEST(Shamir, SharesThatCannotBelongTogetherAreRefused) {
  SystemRandom random;
  const std::vector<Share> shares = shamir_split(hashed("S"), 2, 3, random).value();
  EXPECT_EQ(shamir_join({}).error().code, Errc::kInvalid);
  std::vector<Share> twice = subset(shares, 0b001);
  twice.push_back({1, shares[0].y.clone()});
  EXPECT_EQ(shamir_join(twice).error().code, Errc::kInvalid);
  std::vector<Share> zero = subset(shares, 0b011);
  zero[0].x = 0;
  EXPECT_EQ(shamir_join(zero).error().code, Errc::kInvalid);
  std::vector<Share> unequal = subset(shares, 0b011);
  unequal[0].y.shrink(31);
  EXPECT_EQ(shamir_join(unequal).error().code, Errc::kInvalid);
}

}  // namespace
}  // namespace conclave
