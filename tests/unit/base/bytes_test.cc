#include "base/bytes.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace conclave {
namespace {

// The definition, a bit at a time.
std::uint32_t slow_crc32c(ByteView bytes) {
  std::uint32_t crc = ~0u;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc;
}

Bytes random_bytes(std::size_t size) {
  SystemRandom random;
  Bytes out(size);
  random.fill(out);
  return out;
}

TEST(Hex, RoundTripsEveryByte) {
  Bytes all(256);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(*from_hex(to_hex(all)), all);
  EXPECT_EQ(to_hex(*from_hex("DeadBEEF")), "deadbeef");
  EXPECT_EQ(to_hex({}), "");
}

TEST(Hex, RefusesOddLengthAndOtherCharacters) {
  for (const char* bad : {"a", "abc", "0g", "0 ", "-1", "0x", "\xc3\xa9"}) {
    EXPECT_EQ(from_hex(bad).error().code, Errc::kInvalid) << bad;
  }
}

// RFC 4648 section 10.
TEST(Base64, MatchesThePublishedVectors) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : vectors) {
    EXPECT_EQ(to_base64(view_of(plain)), text);
    EXPECT_EQ(string_of(*from_base64(text)), plain);
    const std::string unpadded(text, std::string_view(text).find_last_not_of('=') + 1);
    EXPECT_EQ(to_base64url(view_of(plain)), unpadded);
    EXPECT_EQ(string_of(*from_base64url(unpadded)), plain);
  }
}

TEST(Base64, TheTwoAlphabetsDifferInTwoCharacters) {
  const Bytes bytes = {0xfb, 0xff, 0xbf};
  EXPECT_EQ(to_base64(bytes), "+/+/");
  EXPECT_EQ(to_base64url(bytes), "-_-_");
  EXPECT_FALSE(from_base64("-_-_"));
  EXPECT_FALSE(from_base64url("+/+/"));
}

TEST(Base64, RefusesWhatNoEncoderWrites) {
  for (const char* bad : {"Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "=Zg=", "Zg==Zg==", "Zm 9v", "Zm9v\n", "A"}) {
    EXPECT_EQ(from_base64(bad).error().code, Errc::kInvalid) << bad;
  }
  for (const char* bad : {"Zh", "Zm9=", "A", "Zg=="}) EXPECT_FALSE(from_base64url(bad)) << bad;
}

TEST(Base64, RoundTripsEveryLength) {
  for (std::size_t size = 0; size < 70; ++size) {
    const Bytes bytes = random_bytes(size);
    EXPECT_EQ(*from_base64(to_base64(bytes)), bytes);
    EXPECT_EQ(*from_base64url(to_base64url(bytes)), bytes);
  }
}

// RFC 3720 appendix B.4.
TEST(Crc32c, MatchesThePublishedVectors) {
  Bytes ascending(32);
  Bytes descending(32);
  for (std::size_t i = 0; i < 32; ++i) {
    ascending[i] = static_cast<std::uint8_t>(i);
    descending[31 - i] = static_cast<std::uint8_t>(i);
  }
  EXPECT_EQ(crc32c(Bytes(32, 0)), 0x8a9136aau);
  EXPECT_EQ(crc32c(Bytes(32, 0xff)), 0x62a8ab43u);
  EXPECT_EQ(crc32c(ascending), 0x46dd794eu);
  EXPECT_EQ(crc32c(descending), 0x113fdb5cu);
  EXPECT_EQ(crc32c(view_of("123456789")), 0xe3069283u);
  EXPECT_EQ(crc32c({}), 0u);
}

TEST(Crc32c, AgreesWithTheDefinitionAtEveryLengthAndAlignment) {
  const Bytes bytes = random_bytes(20000);
  for (std::size_t size = 0; size < 80; ++size) {
    for (std::size_t at = 0; at < 9; ++at) {
      const ByteView part = ByteView(bytes).subspan(at, size);
      ASSERT_EQ(crc32c(part), slow_crc32c(part)) << size << " at " << at;
    }
  }
  for (const std::size_t size : {3071u, 3072u, 3073u, 3080u, 6143u, 6144u, 9999u, 20000u}) {
    ASSERT_EQ(crc32c(ByteView(bytes).first(size)), slow_crc32c(ByteView(bytes).first(size))) << size;
  }
}

TEST(Crc32c, ContinuesAndCombinesAtEverySplit) {
  const Bytes bytes = random_bytes(7000);
  const std::uint32_t whole = crc32c(bytes);
  for (std::size_t split = 0; split <= bytes.size(); split += 97) {
    const ByteView a = ByteView(bytes).first(split);
    const ByteView b = ByteView(bytes).subspan(split);
    ASSERT_EQ(crc32c(b, crc32c(a)), whole);
    ASSERT_EQ(crc32c_combine(crc32c(a), crc32c(b), b.size()), whole);
  }
}

TEST(Crc32c, CombinesOverLengthsThatNoMemoryHolds) {
  // 2⁶³ zero bytes after "a", in one step and in two.
  const std::uint32_t a = crc32c(view_of("a"));
  const std::uint64_t half = 1ull << 62;
  std::uint32_t zeros = crc32c(Bytes(1, 0));  // of 2⁰ zero bytes, doubled 62 times
  for (int i = 0; i < 62; ++i) zeros = crc32c_combine(zeros, zeros, 1ull << i);
  const std::uint32_t in_two = crc32c_combine(crc32c_combine(a, zeros, half), zeros, half);
  EXPECT_EQ(crc32c_combine(a, crc32c_combine(zeros, zeros, half), half * 2), in_two);
}

}  // namespace
}  // namespace conclave
