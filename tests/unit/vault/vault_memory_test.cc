#include "vault/vault_memory.h"

#include <gtest/gtest.h>

#include "tests/support/sim_files.h"
#include "tests/unit/vault/cast.h"

namespace conclave::vault {
namespace {

struct Remembered : ::testing::Test {
  sim::SimFiles files;
  SystemWaiter waiter;
  Cast cast;
  VaultMemory memory{files, "/home/seen", waiter};
  // As after a restart of the client, or of its machine.
  VaultMemory later() { return {files, "/home/seen", waiter}; }

  Policy version(const Policy& before, std::uint32_t m) {
    Policy out = cast.policy(m);
    out.version = before.version + 1;
    out.previous = before.hash();
    out.signatures.clear();
    sign_policy(out, cast.device("ada"));
    return out;
  }
};

TEST_F(Remembered, APolicyIsNotRolledBackAfterARestart) {
  const Policy first = cast.policy(1);
  const Policy second = version(first, 2);
  ASSERT_TRUE(memory.check_policy({first}));
  ASSERT_TRUE(memory.remember(first));
  ASSERT_TRUE(memory.check_policy({first, second}));
  ASSERT_TRUE(memory.remember(second));
  VaultMemory again = later();
  EXPECT_EQ(again.policy_version(InodeId{77}).value_or(0), 2u);
  EXPECT_EQ(code_of(again.check_policy({first})), Errc::kStale);
  EXPECT_EQ(code_of(again.check_policy({version(first, 1)})), Errc::kKeyRejected);
  EXPECT_EQ(code_of(again.check_policy({second})), kDone);
  EXPECT_NE(again.check_policy({first}).error().message.find("seen-policies"), std::string::npos);
}

TEST_F(Remembered, ANewerPolicyNamesWhatWasSeenThroughEveryVersionBetween) {
  const Policy first = cast.policy(1);
  const Policy second = version(first, 2), third = version(second, 3);
  const Policy forked = version(version(first, 1), 1);
  ASSERT_TRUE(memory.remember(first));
  EXPECT_EQ(code_of(memory.check_policy({first, second, third})), kDone);
  EXPECT_EQ(code_of(memory.check_policy({third})), Errc::kKeyRejected);
  EXPECT_EQ(code_of(memory.check_policy({first, third})), Errc::kKeyRejected);
  EXPECT_EQ(code_of(memory.check_policy({first, second, forked})), Errc::kKeyRejected);
  EXPECT_EQ(code_of(memory.check_policy({})), Errc::kStale);
}

TEST_F(Remembered, APolicyOnceSeenCannotBeMissing) {
  EXPECT_TRUE(memory.check_no_policy(InodeId{77}));
  ASSERT_TRUE(memory.remember(cast.policy()));
  EXPECT_EQ(code_of(later().check_no_policy(InodeId{77})), Errc::kStale);
  EXPECT_EQ(code_of(later().check_no_policy(InodeId{78})), kDone);
}

// Two processes in one folder: what one has learned is not undone by what the other knew before.
TEST_F(Remembered, WhatAnotherProcessLearnedIsKept) {
  const Policy first = cast.policy(1);
  Policy other = cast.policy(1);
  other.directory = InodeId{78};
  ASSERT_TRUE(memory.remember(first));
  ASSERT_TRUE(later().remember(version(first, 2)));
  ASSERT_TRUE(memory.remember(other));
  EXPECT_EQ(later().policy_version(InodeId{77}).value_or(0), 2u);
  EXPECT_EQ(later().policy_version(InodeId{78}).value_or(0), 1u);
}

TEST_F(Remembered, ARosterIsNotRolledBackAfterARestart) {
  const RosterChain longer = cast.chain_with([](RosterVersion& roster) { roster.people[1].revoked = true; });
  ASSERT_TRUE(memory.check_roster(longer));
  EXPECT_EQ(code_of(later().check_roster(cast.chain())), Errc::kStale);
  const RosterChain other = cast.chain_with([](RosterVersion& roster) { roster.people[2].revoked = true; });
  EXPECT_EQ(code_of(later().check_roster(other)), Errc::kKeyRejected);
  EXPECT_EQ(code_of(later().check_roster(longer)), kDone);
}

TEST_F(Remembered, TheLongestCheckpointStays) {
  EXPECT_EQ(memory.checkpoint()->size, 0u);
  ASSERT_TRUE(memory.remember({"", 9, sha256(view_of("nine"))}));
  ASSERT_TRUE(memory.remember({"", 5, sha256(view_of("five"))}));
  EXPECT_EQ(later().checkpoint()->size, 9u);
  EXPECT_EQ(later().checkpoint()->root, sha256(view_of("nine")));
}

TEST_F(Remembered, ADamagedMemoryIsNotTakenForAnEmptyOne) {
  ASSERT_TRUE(memory.remember(cast.policy()));
  ASSERT_TRUE(files.write_all("/home/seen/seen-policies", "77 1 abc\n"));
  EXPECT_EQ(code_of(later().check_policy({cast.policy()})), Errc::kCorrupt);
  EXPECT_EQ(code_of(later().check_no_policy(InodeId{77})), Errc::kCorrupt);
}

}  // namespace
}  // namespace conclave::vault
