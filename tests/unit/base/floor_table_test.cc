#include "base/floor_table.h"

#include <gtest/gtest.h>

namespace conclave {
namespace {

constexpr InodeId kLog{42};

TEST(FloorTable, WhoReadsALogSharesItWithWhoAppends) {
  FloorTable floors;
  EXPECT_TRUE(floors.admit(kLog, LeaseMode::kShared, 10));
  EXPECT_TRUE(floors.admit(kLog, LeaseMode::kSharedRead, 12));
  EXPECT_TRUE(floors.admit(kLog, LeaseMode::kShared, 10));      // both are held at once
  EXPECT_TRUE(floors.admit(kLog, LeaseMode::kSharedRead, 9));
}

TEST(FloorTable, AnOlderTokenIsRefusedOnceOneThatExcludesItWasSeen) {
  constexpr LeaseMode kModes[] = {LeaseMode::kRead, LeaseMode::kWrite, LeaseMode::kShared, LeaseMode::kSharedRead};
  const auto log = [](LeaseMode mode) { return mode == LeaseMode::kShared || mode == LeaseMode::kSharedRead; };
  for (const LeaseMode seen : kModes) {
    for (const LeaseMode late : kModes) {
      FloorTable floors;
      ASSERT_TRUE(floors.admit(kLog, seen, 20));
      const bool share = (seen == LeaseMode::kRead && late == LeaseMode::kRead) || (log(seen) && log(late));
      EXPECT_EQ(floors.admit(kLog, late, 19).has_value(), share) << int(seen) << " then " << int(late);
      EXPECT_TRUE(floors.admit(kLog, late, 21));
    }
  }
}

TEST(FloorTable, EachFileHasFloorsOfItsOwn) {
  FloorTable floors;
  ASSERT_TRUE(floors.admit(kLog, LeaseMode::kWrite, 20));
  EXPECT_TRUE(floors.admit(InodeId{43}, LeaseMode::kRead, 1));
}

}  // namespace
}  // namespace conclave
