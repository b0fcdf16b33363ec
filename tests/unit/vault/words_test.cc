#include "vault/words.h"

#include <gtest/gtest.h>

#include <set>

namespace conclave::vault {
namespace {

TEST(Words, AreTwoThousandAndFortyEightShortDifferentOnesInOrder) {
  std::set<std::string> all;
  std::string before;
  for (unsigned i = 0; i < 2048; ++i) {
    const std::string word(word_of(i));
    EXPECT_GE(word.size(), 3u);
    EXPECT_LE(word.size(), 6u) << word;
    EXPECT_EQ(word.find_first_not_of("abcdefghijklmnopqrstuvwxyz"), std::string::npos) << word;
    EXPECT_LT(before, word);
    all.insert(word);
    before = word;
  }
  EXPECT_EQ(all.size(), 2048u);
}

// The order is a format: two versions of the program must show the same words.
TEST(Words, NeverChange) {
  std::string joined;
  for (unsigned i = 0; i < 2048; ++i) joined += std::string(word_of(i)) + "\n";
  EXPECT_EQ(to_hex(sha256(view_of(joined))), "3cbb37fec503d7520c1651d5d1c87e71ad5a6b6e8100ea46d9b4d75588b6f7e3");
}

TEST(SixWords, TakeElevenBitsEach) {
  Hash rd{};
  EXPECT_EQ(six_words(rd), "abacus abacus abacus abacus abacus abacus");
  rd[0] = 0x00;
  rd[1] = 0x20;  // bit 10: the lowest of the first word
  EXPECT_EQ(six_words(rd), std::string(word_of(1)) + " abacus abacus abacus abacus abacus");
  rd.fill(0xff);
  const std::string last(word_of(2047));
  EXPECT_EQ(six_words(rd), last + " " + last + " " + last + " " + last + " " + last + " " + last);
}

TEST(SixWords, EveryOneOfTheFirst66BitsMatters) {
  std::set<std::string> seen = {six_words(Hash{})};
  for (std::size_t bit = 0; bit < 66; ++bit) {
    Hash rd{};
    rd[bit / 8] = static_cast<std::uint8_t>(0x80 >> bit % 8);
    EXPECT_TRUE(seen.insert(six_words(rd)).second) << bit;
  }
}

}  // namespace
}  // namespace conclave::vault
