#include "base/config.h"

#include <gtest/gtest.h>

#include "tests/support/sim_files.h"

namespace conclave {
namespace {

using namespace std::chrono_literals;

Config parsed(const std::string& text) { return std::move(Config::parse(text, "dir.toml")).value(); }
std::string problem(Config& config) {
  const Status status = config.finish();
  if (status) return "";
  EXPECT_EQ(status.error().code, Errc::kInvalid);
  return status.error().message;
}

TEST(Config, ValuesOfEveryKindAreRead) {
  Config config = parsed("name = \"one\"\n[server]\nport = 7101\nslow = \"2m\"\nloud = true\npeers = [\"a\", \"b\"]\n");
  EXPECT_EQ(config.text("name"), "one");
  EXPECT_EQ(config.number("server.port", 1, 65535), 7101u);
  EXPECT_EQ(config.duration("server.slow", 1s, 1s, 1h), 2min);
  EXPECT_TRUE(config.flag("server.loud", false));
  EXPECT_EQ(config.texts("server.peers"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(problem(config), "");
}

TEST(Config, WhatIsNotThereHasItsDefault) {
  Config config = parsed("");
  EXPECT_EQ(config.text("a", "x"), "x");
  EXPECT_EQ(config.number("b.c", 7, 1, 9), 7u);
  EXPECT_EQ(config.duration("d", 5s, 1s, 9s), 5s);
  EXPECT_TRUE(config.flag("e", true));
  EXPECT_TRUE(config.texts("f").empty());
  EXPECT_EQ(problem(config), "");
}

TEST(Config, AMissingKeyIsNamed) {
  Config config = parsed("[server]\n");
  EXPECT_EQ(config.text("server.name"), "");
  EXPECT_EQ(problem(config), "dir.toml: the key server.name is missing");
}

TEST(Config, AnUnknownKeyIsNamedWithItsLine) {
  Config config = parsed("[server]\nname = \"x\"\nnmae = \"y\"\n");
  EXPECT_EQ(config.text("server.name"), "x");
  EXPECT_EQ(problem(config), "dir.toml:3: unknown key server.nmae");
  Config table = parsed("[server]\nname = \"x\"\n[sevrer]\n");
  EXPECT_EQ(table.text("server.name"), "x");
  EXPECT_EQ(problem(table), "dir.toml:3: unknown key sevrer");
}

TEST(Config, AValueOutOfItsRangeOrKindIsNamedWithItsLine) {
  const auto said = [](const std::string& text, auto get) {
    Config config = parsed(text);
    get(config);
    return problem(config);
  };
  const auto number = [](Config& config) { (void)config.number("n", 5, 1, 9); };
  EXPECT_EQ(said("\nn = 0", number), "dir.toml:2: n must be from 1 to 9");
  EXPECT_EQ(said("n = -1", number), "dir.toml:1: n must be from 1 to 9");
  EXPECT_EQ(said("n = 1.5", number), "dir.toml:1: n must be a number");
  EXPECT_EQ(said("n = \"5\"", number), "dir.toml:1: n must be a number");
  EXPECT_EQ(said("n = 5", [](Config& config) { (void)config.text("n", ""); }), "dir.toml:1: n must be a text in quotes");
  EXPECT_EQ(said("n = [1]", [](Config& config) { (void)config.texts("n"); }), "dir.toml:1: n must be a list of texts");
  const auto duration = [](Config& config) { (void)config.duration("n", 5s, 1s, 1h); };
  EXPECT_EQ(said("n = \"2h\"", duration), "dir.toml:1: n must be from 1s to 1h");
  EXPECT_EQ(said("n = \"2 h\"", duration),
            "dir.toml:1: n: '2 h' is not a duration such as 500ms, 30s, 10m, 12h or 7d");
}

TEST(Config, OnlyTheFirstProblemIsSaid) {
  Config config = parsed("a = 1\nb = 2\n");
  (void)config.text("b", "");
  (void)config.text("a", "");
  EXPECT_EQ(problem(config), "dir.toml:2: b must be a text in quotes");
}

TEST(Config, BrokenTomlIsSaidWithItsLine) {
  const auto config = Config::parse("a = 1\nb = \n", "x.toml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, Errc::kInvalid);
  EXPECT_TRUE(config.error().message.starts_with("x.toml:2: ")) << config.error().message;
}

TEST(Config, AMissingFileIsNotFound) {
  sim::SimFiles files(1);
  const auto config = Config::load(files, "/etc/none.toml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, Errc::kNotFound);
}

TEST(Durations, AreReadAndWrittenInTheirLargestUnit) {
  for (const char* text : {"500ms", "30s", "10m", "12h", "7d"}) {
    const auto duration = parse_duration(text);
    ASSERT_TRUE(duration) << text;
    EXPECT_EQ(to_text(*duration), text);
  }
  EXPECT_EQ(to_text(*parse_duration("90s")), "90s");
  EXPECT_EQ(to_text(*parse_duration("48h")), "2d");
  EXPECT_EQ(to_text(Duration::zero()), "0ms");
}

TEST(Durations, ThatAreNoneAreRefused) {
  for (const char* text : {"", "s", "1", "1.5s", "-1s", "1 s", "1S", "1us", "99999999999d", "99999999999999999999s", "1ss"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

}  // namespace
}  // namespace conclave
