#include "cli/process.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

namespace conclave::cli {
namespace {

pid_t child_that_waits() {
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  return child;
}

TEST(ProcessMark, ComesBackFromItsFile) {
  const auto mark = ProcessMark::of(getpid());
  ASSERT_TRUE(mark);
  EXPECT_EQ(*ProcessMark::parse(mark->text() + "/some/mount point"), *mark);
}

TEST(ProcessMark, IsRefusedWhenItIsNone) {
  for (const char* text : {"", "x", "12", "12 13", "1 2 boot", "-5 2 boot", "0 0 boot", "99999999999999999999 1 b"}) {
    EXPECT_FALSE(ProcessMark::parse(text)) << text;
  }
}

TEST(Process, AMarkOfAnotherStartOrBootIsNotSignalled) {
  const pid_t child = child_that_waits();
  auto mark = *ProcessMark::of(child);
  for (auto changed : {ProcessMark{mark.pid, mark.start_ticks + 1, mark.boot}, ProcessMark{mark.pid, mark.start_ticks, "other"}}) {
    EXPECT_EQ(Process::open(changed).error().code, Errc::kNotFound);
  }
  auto process = Process::open(mark);
  ASSERT_TRUE(process);
  EXPECT_FALSE(process->wait(Duration::zero()));
  EXPECT_TRUE(process->signal(SIGKILL));
  EXPECT_TRUE(process->wait(std::chrono::seconds(10)));
  EXPECT_FALSE(Process::open(mark)) << "a process that ended and was not waited for yet has ended";
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(process->signal(SIGKILL)) << "signalling a process that is gone is no error";
}

TEST(LastLines, AreTheEndOfTheFile) {
  const std::string path = testing::TempDir() + "/last_lines_" + std::to_string(getpid());
  const auto of = [&](const std::string& content, std::size_t lines) {
    std::ofstream(path, std::ios::binary) << content;
    return last_lines(path, lines);
  };
  EXPECT_EQ(of("a\nb\nc\n", 2), "b\nc");
  EXPECT_EQ(of("a\nb\nc\n", 5), "a\nb\nc");
  EXPECT_EQ(of("only", 1), "only");
  EXPECT_EQ(of("", 3), "");
  EXPECT_EQ(of(std::string(100000, 'x') + "\nend\n", 1), "end");
  std::remove(path.c_str());
  EXPECT_EQ(last_lines(path, 3), "  (nothing)");
}

}  // namespace
}  // namespace conclave::cli
