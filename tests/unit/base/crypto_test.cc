#include "base/crypto.h"

#include <gtest/gtest.h>

namespace conclave {
namespace {

Bytes hex(std::string_view text) { return from_hex(text).value(); }

template <std::size_t N>
std::array<std::uint8_t, N> array_of(std::string_view text) {
  const Bytes bytes = hex(text);
  CHECK(bytes.size() == N);
  std::array<std::uint8_t, N> out{};
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

TEST(Sha256, MatchesFips180) {
  EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256(view_of("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(LabelledHash, IsTheHashOfDomainLabelZeroBody) {
  const std::string whole = std::string("ConclaveFS/v1/request") + '\0' + "body";
  EXPECT_EQ(labelled_hash("request", view_of("body")), sha256(view_of(whole)));
  EXPECT_NE(labelled_hash("request", view_of("body")), labelled_hash("requestb", view_of("ody")));
}

// RFC 4231 test cases 1 and 2.
TEST(HmacSha256, MatchesThePublishedVectors) {
  EXPECT_EQ(to_hex(hmac_sha256(Bytes(20, 0x0b), view_of("Hi There"))),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(to_hex(hmac_sha256(view_of("Jefe"), view_of("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

struct HkdfVector {
  const char *input_key, *salt, *info, *extracted, *output;
};

// RFC 5869 appendices A.1 to A.3.
TEST(Hkdf, MatchesThePublishedVectors) {
  const HkdfVector vectors[] = {
      {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
       "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
       "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
      {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435"
       "363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
       "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495"
       "969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
       "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5"
       "e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
       "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
       "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f"
       "09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
      {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
       "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
       "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
  };
  for (const HkdfVector& v : vectors) {
    EXPECT_EQ(to_hex(hkdf_extract(hex(v.salt), hex(v.input_key)).view()), v.extracted);
    const Bytes output = hex(v.output);
    EXPECT_EQ(to_hex(hkdf(hex(v.input_key), hex(v.salt), hex(v.info), output.size()).view()), v.output);
  }
}

struct Aead2_8_2 {
  Bytes key = hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
  AeadNonce nonce = array_of<12>("070000004041424344454647");
  Bytes aad = hex("50515253c0c1c2c3c4c5c6c7");
  std::string plaintext =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be "
      "it.";
  Bytes sealed = hex(
      "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b29"
      "05d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b"
      "61161ae10b594f09e26a7e902ecbd0600691");
};

// RFC 8439 section 2.8.2.
TEST(Aead, MatchesThePublishedVector) {
  const Aead2_8_2 v;
  EXPECT_EQ(aead_seal(v.key, v.nonce, v.aad, view_of(v.plaintext)), v.sealed);
  EXPECT_EQ(string_of(aead_open(v.key, v.nonce, v.aad, v.sealed)->view()), v.plaintext);
}

TEST(Aead, EveryTruncationAndEveryBitFlipIsRefused) {
  const Aead2_8_2 v;
  for (std::size_t size = 0; size < v.sealed.size(); ++size) {
    EXPECT_EQ(aead_open(v.key, v.nonce, v.aad, ByteView(v.sealed).first(size)).error().code, Errc::kCorrupt);
  }
  for (std::size_t bit = 0; bit < v.sealed.size() * 8; ++bit) {
    Bytes flipped = v.sealed;
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    EXPECT_FALSE(aead_open(v.key, v.nonce, v.aad, flipped)) << bit;
  }
  EXPECT_FALSE(aead_open(v.key, v.nonce, {}, v.sealed));
  EXPECT_FALSE(aead_open(v.key, AeadNonce{}, v.aad, v.sealed));
}

TEST(Aead, SealsNothingToATagAlone) {
  const Aead2_8_2 v;
  const Bytes sealed = aead_seal(v.key, v.nonce, {}, {});
  EXPECT_EQ(sealed.size(), kAeadTagBytes);
  EXPECT_TRUE(aead_open(v.key, v.nonce, {}, sealed)->empty());
  EXPECT_FALSE(aead_open(v.key, v.nonce, v.aad, sealed));
}

struct SignatureVector {
  const char *seed, *public_key, *message, *signature;
};

// RFC 8032 section 7.1: TEST 1, 2, 3 and SHA(abc).
const SignatureVector kSignatures[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe246"
     "55141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb"
     "00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc"
     "027beceea1ec40a"},
    {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2"
     "a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad"
     "9bef1177331a704"},
};

TEST(Ed25519, MatchesThePublishedVectors) {
  for (const SignatureVector& v : kSignatures) {
    const SigningKey key = signing_key_of_seed(hex(v.seed));
    EXPECT_EQ(to_hex(key.public_key), v.public_key);
    EXPECT_EQ(to_hex(sign_raw(key, hex(v.message))), v.signature);
    EXPECT_TRUE(verify_raw(array_of<32>(v.public_key), hex(v.message), array_of<64>(v.signature)));
  }
}

TEST(Ed25519, EveryFlippedBitOfASignatureIsRefused) {
  const SignatureVector& v = kSignatures[1];
  for (std::size_t bit = 0; bit < 512; ++bit) {
    Signature flipped = array_of<64>(v.signature);
    flipped[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    EXPECT_FALSE(verify_raw(array_of<32>(v.public_key), hex(v.message), flipped)) << bit;
  }
}

TEST(Ed25519, ASignatureServesOneLabelOnly) {
  SystemRandom random;
  const SigningKey key = make_signing_key(random);
  const Signature signature = sign(key, "request", view_of("body"));
  EXPECT_TRUE(verify(key.public_key, "request", view_of("body"), signature));
  EXPECT_EQ(verify(key.public_key, "approval", view_of("body"), signature).error().code, Errc::kKeyRejected);
  EXPECT_FALSE(verify(key.public_key, "request", view_of("bodY"), signature));
  EXPECT_FALSE(verify(make_signing_key(random).public_key, "request", view_of("body"), signature));
}

TEST(Ed25519, AKeyThatIsNoPointIsRefusedWithoutAborting) {
  SigningPublic no_point{};
  no_point.fill(0xff);
  EXPECT_FALSE(verify_raw(no_point, view_of("m"), Signature{}));
}

// RFC 7748 section 5.2, the two vectors and the first 1,000 iterations.
TEST(X25519, MatchesThePublishedVectors) {
  EXPECT_EQ(
      to_hex(agree(agreement_key_of_secret(hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")),
                   array_of<32>("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"))
                 ->view()),
      "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
  EXPECT_EQ(
      to_hex(agree(agreement_key_of_secret(hex("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d")),
                   array_of<32>("e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493"))
                 ->view()),
      "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
}

TEST(X25519, MatchesThePublishedIterations) {
  AgreementPublic u = {9};
  AgreementPublic k = {9};
  for (int i = 1; i <= 1000; ++i) {
    const AgreementPublic before = k;
    const SecretBytes out = agree(agreement_key_of_secret(k), u).value();
    std::copy(out.view().begin(), out.view().end(), k.begin());
    u = before;
    if (i == 1) {
      EXPECT_EQ(to_hex(k), "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    }
  }
  EXPECT_EQ(to_hex(k), "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

// RFC 7748 section 6.1.
TEST(X25519, AliceAndBobAgree) {
  const auto alice = agreement_key_of_secret(hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
  const auto bob = agreement_key_of_secret(hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
  EXPECT_EQ(to_hex(alice.public_key), "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  EXPECT_EQ(to_hex(bob.public_key), "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  const std::string shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
  EXPECT_EQ(to_hex(agree(alice, bob.public_key)->view()), shared);
  EXPECT_EQ(to_hex(agree(bob, alice.public_key)->view()), shared);
}

TEST(X25519, PointsOfSmallOrderAreRefused) {
  SystemRandom random;
  const AgreementKey mine = make_agreement_key(random);
  for (const char* point : {"0000000000000000000000000000000000000000000000000000000000000000",
                            "0100000000000000000000000000000000000000000000000000000000000000",
                            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"}) {
    EXPECT_EQ(agree(mine, array_of<32>(point)).error().code, Errc::kKeyRejected) << point;
  }
}

// RFC 7914 section 12, the third vector (r = 8, p = 1).
TEST(Scrypt, MatchesThePublishedVector) {
  EXPECT_EQ(
      to_hex(scrypt(view_of("pleaseletmein"), view_of("SodiumChloride"), 14, 64)->view()),
      "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651"
      "e40dfcf017b45575887");
}

TEST(Scrypt, CostsOutOfRangeAreRefused) {
  for (const unsigned cost_log2 : {0u, 9u, 21u, 64u}) {
    EXPECT_EQ(scrypt(view_of("p"), view_of("s"), cost_log2, 32).error().code, Errc::kInvalid);
  }
  EXPECT_TRUE(scrypt({}, {}, 10, 32));
}

}  // namespace
}  // namespace conclave
