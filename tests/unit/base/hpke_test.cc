#include "base/hpke.h"

#include <gtest/gtest.h>

namespace conclave {
namespace {

Bytes hex(std::string_view text) { return from_hex(text).value(); }

// RFC 9180 appendix A.2.1, sequence number 0.
struct BaseSetup {
  AgreementKey ephemeral =
      agreement_key_of_secret(hex("f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600"));
  AgreementKey receiver =
      agreement_key_of_secret(hex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb"));
  Bytes info = hex("4f6465206f6e2061204772656369616e2055726e");
  Bytes aad = hex("436f756e742d30");
  Bytes plaintext = hex("4265617574792069732074727574682c20747275746820626561757479");
  Bytes sealed = hex(
      "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"
      "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28");
};

TEST(Hpke, MatchesThePublishedBaseSetup) {
  const BaseSetup v;
  EXPECT_EQ(to_hex(v.receiver.public_key), "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a");
  EXPECT_EQ(*hpke_seal_with(v.ephemeral, v.receiver.public_key, v.info, v.aad, v.plaintext), v.sealed);
  EXPECT_EQ(bytes_of(hpke_open(v.receiver, v.info, v.aad, v.sealed)->view()), v.plaintext);
}

TEST(Hpke, EveryTruncationAndEveryBitFlipIsRefused) {
  const BaseSetup v;
  for (std::size_t size = 0; size < v.sealed.size(); ++size) {
    EXPECT_EQ(hpke_open(v.receiver, v.info, v.aad, ByteView(v.sealed).first(size)).error().code, Errc::kCorrupt);
  }
  for (std::size_t bit = 0; bit < v.sealed.size() * 8; ++bit) {
    Bytes flipped = v.sealed;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    EXPECT_EQ(hpke_open(v.receiver, v.info, v.aad, flipped).error().code, Errc::kCorrupt) << bit;
  }
}

TEST(Hpke, OpensOnlyForItsReceiverInfoAndAad) {
  SystemRandom random;
  const BaseSetup v;
  EXPECT_FALSE(hpke_open(make_agreement_key(random), v.info, v.aad, v.sealed));
  EXPECT_FALSE(hpke_open(v.receiver, v.aad, v.aad, v.sealed));
  EXPECT_FALSE(hpke_open(v.receiver, v.info, v.info, v.sealed));
}

TEST(Hpke, EachSealingUsesAFreshKey) {
  SystemRandom random;
  const BaseSetup v;
  const Bytes a = hpke_seal(v.receiver.public_key, v.info, v.aad, v.plaintext, random).value();
  const Bytes b = hpke_seal(v.receiver.public_key, v.info, v.aad, v.plaintext, random).value();
  EXPECT_NE(a, b);
  EXPECT_EQ(a.size(), v.plaintext.size() + kHpkeOverheadBytes);
  EXPECT_EQ(bytes_of(hpke_open(v.receiver, v.info, v.aad, a)->view()), v.plaintext);
}

TEST(Hpke, AKeyOfSmallOrderIsRefusedOnBothSides) {
  SystemRandom random;
  const BaseSetup v;
  EXPECT_EQ(hpke_seal(AgreementPublic{}, v.info, v.aad, v.plaintext, random).error().code, Errc::kKeyRejected);
  Bytes zero_ephemeral = v.sealed;
  std::fill_n(zero_ephemeral.begin(), 32, std::uint8_t{0});
  EXPECT_EQ(hpke_open(v.receiver, v.info, v.aad, zero_ephemeral).error().code, Errc::kCorrupt);
}

}  // namespace
}  // namespace conclave
