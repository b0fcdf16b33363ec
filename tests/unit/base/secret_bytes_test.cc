#include "base/secret_bytes.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace conclave {
namespace {

TEST(SecretBytes, BeginsAsZerosAndCopiesIn) {
  EXPECT_EQ(to_hex(SecretBytes(3).view()), "000000");
  EXPECT_EQ(string_of(SecretBytes::copy_of(view_of("key")).view()), "key");
  EXPECT_TRUE(SecretBytes().empty());
  EXPECT_TRUE(SecretBytes(0).empty());
}

TEST(SecretBytes, MovingLeavesNothingBehind) {
  SecretBytes a = SecretBytes::copy_of(view_of("key"));
  SecretBytes b(std::move(a));
  EXPECT_EQ(a.size(), 0u);  // NOLINT(bugprone-use-after-move)
  a = std::move(b);
  EXPECT_EQ(string_of(a.view()), "key");
  EXPECT_EQ(b.size(), 0u);  // NOLINT(bugprone-use-after-move)
}

TEST(SecretBytes, AssigningOverOneReplacesIt) {
  SecretBytes a = SecretBytes::copy_of(view_of("old"));
  a = SecretBytes::copy_of(view_of("newer"));
  EXPECT_EQ(string_of(a.view()), "newer");
}

TEST(SecretBytes, ShrinkWipesTheTail) {
  SecretBytes a = SecretBytes::copy_of(view_of("keytail"));
  const std::uint8_t* const bytes = a.view().data();
  a.shrink(3);
  EXPECT_EQ(string_of(a.view()), "key");
  EXPECT_EQ(to_hex({bytes + 3, 4}), "00000000");
}

TEST(SecretBytes, AClonePassesItsOwnWay) {
  SecretBytes a = SecretBytes::copy_of(view_of("key"));
  const SecretBytes b = a.clone();
  a.span()[0] = 'K';
  EXPECT_EQ(string_of(b.view()), "key");
}

TEST(SecretBytes, ComparesContentAndLength) {
  EXPECT_TRUE(SecretBytes::copy_of(view_of("key")) == SecretBytes::copy_of(view_of("key")));
  EXPECT_FALSE(SecretBytes::copy_of(view_of("key")) == SecretBytes::copy_of(view_of("kex")));
  EXPECT_FALSE(SecretBytes::copy_of(view_of("key")) == SecretBytes::copy_of(view_of("ke")));
  EXPECT_TRUE(SecretBytes() == SecretBytes());
}

// The kernel's flags of the mapping that `address` lies in: "rd wr mr mw me lo wf dd …".
std::string vm_flags_of(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t from = 0;
    std::uintptr_t to = 0;
    char dash = 0;
    std::istringstream range(line);
    if (range >> std::hex >> from >> dash >> to && dash == '-') inside = from <= wanted && wanted < to;
    if (inside && line.starts_with("VmFlags:")) return line;
  }
  return {};
}

TEST(SecretBytes, TheKernelKeepsThemOutOfSwapAndCoreFilesAndChildren) {
  const SecretBytes a(32);
  const std::string flags = vm_flags_of(a.view().data()) + " ";
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they make mlock(2) do nothing
  EXPECT_NE(flags.find(" lo "), std::string::npos) << flags;
#endif
  EXPECT_NE(flags.find(" dd "), std::string::npos) << flags;
  EXPECT_NE(flags.find(" wf "), std::string::npos) << flags;
}

TEST(SecretBytes, AForkedChildSeesZeros) {
  const SecretBytes a = SecretBytes::copy_of(view_of("key"));
  const pid_t child = fork();
  if (child == 0) _exit(a.view()[0] == 0 && a.view()[1] == 0 && a.view()[2] == 0 ? 0 : 1);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(string_of(a.view()), "key");
}

TEST(EqualInConstantTime, ComparesAsMemcmpDoes) {
  EXPECT_TRUE(equal_in_constant_time({}, {}));
  EXPECT_TRUE(equal_in_constant_time(view_of("abc"), view_of("abc")));
  EXPECT_FALSE(equal_in_constant_time(view_of("abc"), view_of("abd")));
  EXPECT_FALSE(equal_in_constant_time(view_of("abc"), view_of("ab")));
}

}  // namespace
}  // namespace conclave
