#include "vault/fields.h"

#include <gtest/gtest.h>

namespace conclave::vault {
namespace {

TEST(PlainText, TakesOrdinaryTextOfAnyLanguage) {
  for (const char* text : {"", "restart of db", "Größe, 日本語, עברית", "\xf0\x9f\x94\x91"}) {
    EXPECT_TRUE(is_plain_text(text)) << text;
    EXPECT_EQ(plain_text(text, 100), text);
  }
}

TEST(PlainText, RefusesWhatMovesTheCursorOrTurnsTheLine) {
  for (const char* text : {"a\nb", "\x1b[2J", "a\x7f", "\xc2\x9b",
                           "\xe2\x80\xae"
                           "evil",
                           "\xe2\x81\xa6", "\xe2\x80\xa8", "\xef\xbb\xbf"}) {
    EXPECT_FALSE(is_plain_text(text)) << to_hex(view_of(text));
    EXPECT_TRUE(is_plain_text(plain_text(text, 100)));
  }
}

TEST(PlainText, RefusesWhatIsNoUtf8) {
  for (const char* text :
       {"\x80", "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "a\xe2\x82"}) {
    EXPECT_FALSE(is_plain_text(text)) << to_hex(view_of(text));
    EXPECT_TRUE(is_plain_text(plain_text(text, 100)));
  }
}

TEST(PlainText, IsCutBetweenCharacters) {
  EXPECT_EQ(plain_text("aß", 3), "aß");
  EXPECT_EQ(plain_text("aß", 2), "a");
  EXPECT_EQ(plain_text("a\nb", 3), "a?b");
}

TEST(Fields, TimesOutOfRangeAreRefused) {
  for (const std::uint64_t ns : {std::uint64_t{1} << 62, ~std::uint64_t{0}}) {
    CanonicalWriter out;
    out.u64(ns);
    CanonicalReader in(out.bytes());
    EXPECT_EQ(get_time(in).ns, 0);
    EXPECT_TRUE(in.failed());
  }
}

TEST(Fields, AFlagIsZeroOrOne) {
  const Bytes two = {2};
  CanonicalReader in(two);
  get_flag(in);
  EXPECT_TRUE(in.failed());
}

TEST(Fields, AnUnknownSuiteIsRefused) {
  CanonicalWriter out;
  out.u32(kSuite + 1);
  EXPECT_FALSE(read_body(out.bytes()).finish("body"));
  EXPECT_TRUE(read_body(begin_body().bytes()).finish("body"));
}

TEST(Fields, PeoplesNames) {
  for (const char* name : {"a", "alice", "a.b-c_1", "0"}) EXPECT_TRUE(is_person_name(name)) << name;
  for (const char* name : {"", "Alice", "a b", "a/b", "ß", "a\n", ".", "..", ".a", "-a", "../a"}) EXPECT_FALSE(is_person_name(name)) << name;
  EXPECT_TRUE(is_person_name(std::string(64, 'a')));
  EXPECT_FALSE(is_person_name(std::string(65, 'a')));
}

TEST(Fields, TimeIsShownInUtc) { EXPECT_EQ(time_text({1'900'000'000'000'000'000}), "2030-03-17T17:46:40Z"); }

}  // namespace
}  // namespace conclave::vault
