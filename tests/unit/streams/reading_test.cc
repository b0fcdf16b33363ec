#include "streams/reading.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

namespace conclave::streams {
namespace {

Reading sample() {
  return {"sda/read", "B/s", 1536.25, WallTime{1763640311'123456789}, WallTime{1763640311'200000001}, "host:db1"};
}

TEST(Reading, LineIsSenmlWithArrivalAndOrigin) {
  EXPECT_EQ(line_of(sample()),
            "{\"n\":\"sda/read\",\"u\":\"B/s\",\"v\":1536.25,\"t\":1763640311.123456789,"
            "\"at\":1763640311.200000001,\"o\":\"host:db1\"}\n");
}

TEST(Reading, CsvHasMillisecondsInUtc) {
  EXPECT_EQ(csv_of(sample()), "2025-11-20T12:05:11.123Z,sda/read,1536.25,B/s\n");
  EXPECT_EQ(utc_day(sample().time), "2025-11-20");
}

TEST(Reading, AnyFiniteValueComesBackExactly) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    Reading r = sample();
    const auto bits = random();
    std::memcpy(&r.value, &bits, sizeof bits);
    if (!std::isfinite(r.value)) continue;
    r.time.ns = static_cast<std::int64_t>(random() % 4'000'000'000'000'000'000u);
    const auto back = parse_line(line_of(r));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, r);
  }
}

TEST(Reading, EveryTruncationIsRefused) {
  const std::string line = line_of(sample());
  for (std::size_t n = 0; n < line.size(); ++n) {
    EXPECT_FALSE(parse_line(line.substr(0, n))) << n;
  }
  EXPECT_FALSE(parse_line(line + " "));
}

TEST(Reading, NamesOutsideSenmlAreRefused) {
  for (const std::string name : {"", "a b", "a,b", "ü", "a\nb"}) {
    Reading r = sample();
    r.name = name;
    EXPECT_FALSE(parse_line(line_of(r))) << name;
  }
}

TEST(Reading, ValuesThatAreNoNumberAreRefused) {
  for (const std::string value : {"nan", "inf", "-inf", "", "1e999", "0x10"}) {
    const std::string line = "{\"n\":\"a\",\"u\":\"1\",\"v\":" + value + ",\"t\":1.000000000,\"at\":1.000000000,\"o\":\"x\"}\n";
    EXPECT_FALSE(parse_line(line)) << value;
  }
}

}  // namespace
}  // namespace conclave::streams
