#include "cli/command_line.h"

#include <gtest/gtest.h>

namespace conclave::cli {
namespace {

struct Parsed {
  std::string text = "before", argument;
  unsigned number = 5;
  Duration time = std::chrono::seconds(1);
  std::vector<std::string> list;
  bool flag = false;
  std::optional<int> code;
};

Parsed parse(const Arguments& args) {
  Parsed out;
  CommandLine line("conclave test", "Tests.");
  line.option("--text", out.text, "text");
  line.option("--number", out.number, 1, 10, "number");
  line.option("--time", out.time, "time");
  line.option("--list", out.list, "list");
  line.flag("--flag", out.flag, "flag");
  line.argument("WHAT", out.argument, "what");
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  out.code = line.parse(args);
  testing::internal::GetCapturedStdout();
  testing::internal::GetCapturedStderr();
  return out;
}

TEST(CommandLine, BindsOptionsInAnyOrder) {
  const auto parsed = parse({"--list", "a,b", "x", "--time=10m", "--flag", "--number", "7"});
  EXPECT_FALSE(parsed.code);
  EXPECT_EQ(parsed.argument, "x");
  EXPECT_EQ(parsed.time, std::chrono::minutes(10));
  EXPECT_EQ(parsed.list, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(parsed.number, 7u);
  EXPECT_TRUE(parsed.flag);
  EXPECT_EQ(parsed.text, "before");
}

TEST(CommandLine, MistakesAreUsageErrors) {
  for (const Arguments& args : {Arguments{}, {"x", "y"}, {"x", "--number", "11"}, {"x", "--number", "x"}, {"x", "--time", "1y"},
                                {"x", "--nothing"}, {"x", "--text"}}) {
    EXPECT_EQ(parse(args).code, kUsage);
  }
}

TEST(CommandLine, HelpIsDone) { EXPECT_EQ(parse({"--help"}).code, kDone); }

}  // namespace
}  // namespace conclave::cli
