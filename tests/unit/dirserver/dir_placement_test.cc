#include "dirserver/dir_placement.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace conclave::dir {
namespace {

constexpr std::uint64_t kGiB = 1ull << 30;

TEST(DirPlacement, CopiesAreOnDifferentServersAndHostsWhileThereAreEnough) {
  const std::vector<Candidate> candidates = {
      {ServerId{1}, "a", 10 * kGiB, 0}, {ServerId{2}, "a", 90 * kGiB, 0}, {ServerId{3}, "b", kGiB, 0}};
  for (std::uint64_t dice = 0; dice < 200; ++dice) {
    const auto two = choose_members(candidates, 2, dice);
    ASSERT_EQ(two.size(), 2u);
    EXPECT_EQ((two[0] == ServerId{3}) + (two[1] == ServerId{3}), 1);
    const auto three = choose_members(candidates, 3, dice);
    EXPECT_EQ(std::set<ServerId>(three.begin(), three.end()).size(), 3u);
  }
}

TEST(DirPlacement, FewerServersGiveFewerCopies) {
  EXPECT_EQ(choose_members({{ServerId{1}, "a", kGiB, 0}}, 2, 1).size(), 1u);
  EXPECT_TRUE(choose_members({}, 2, 1).empty());
}

TEST(DirPlacement, FullServersGetNothing) {
  const auto chosen = choose_members({{ServerId{1}, "a", 63 << 20, 0}, {ServerId{2}, "b", 64 << 20, 0}}, 2, 1);
  EXPECT_EQ(chosen, std::vector{ServerId{2}});
}

TEST(DirPlacement, MastersFollowFreeSpaceAndAvoidLoad) {
  const auto masters = [](const std::vector<Candidate>& candidates) {
    std::map<ServerId, int> count;
    for (std::uint64_t dice = 0; dice < 10000; ++dice) ++count[choose_members(candidates, 2, dice).front()];
    return count;
  };
  auto by_space = masters({{ServerId{1}, "a", 30 * kGiB, 0}, {ServerId{2}, "b", 10 * kGiB, 0}});
  EXPECT_NEAR(by_space[ServerId{1}], 7500, 300);
  auto by_load = masters({{ServerId{1}, "a", 10 * kGiB, 3}, {ServerId{2}, "b", 10 * kGiB, 0}});
  EXPECT_NEAR(by_load[ServerId{1}], 2000, 300);
}

}  // namespace
}  // namespace conclave::dir
