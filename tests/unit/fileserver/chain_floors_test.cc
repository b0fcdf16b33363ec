#include "fileserver/chain_floors.h"

#include <gtest/gtest.h>

#include "fileserver/member_starts.h"

namespace conclave::file {
namespace {

TEST(ChainFloors, AnOlderPermitIsRefusedOnceANewerWasSeen) {
  ChainFloors floors;
  EXPECT_TRUE(floors.admit(ChunkId{1}, 3));
  EXPECT_TRUE(floors.admit(ChunkId{1}, 3));
  EXPECT_TRUE(floors.admit(ChunkId{1}, 5));
  EXPECT_EQ(floors.admit(ChunkId{1}, 4).error().code, Errc::kStale);
  EXPECT_TRUE(floors.admit(ChunkId{1}, 5));
  EXPECT_TRUE(floors.admit(ChunkId{2}, 1)) << "each chunk has its own";
}

TEST(ChainFloors, ThoseLongestUnusedAreForgotten) {
  ChainFloors floors;
  ASSERT_TRUE(floors.admit(ChunkId{1}, 9));
  ASSERT_TRUE(floors.admit(ChunkId{2}, 9));
  for (std::uint64_t i = 3; i <= 65536; ++i) ASSERT_TRUE(floors.admit(ChunkId{i}, 1));
  ASSERT_TRUE(floors.admit(ChunkId{1}, 9));   // used again: 2 is the oldest now
  ASSERT_TRUE(floors.admit(ChunkId{70000}, 1));
  EXPECT_FALSE(floors.admit(ChunkId{1}, 8));
  EXPECT_TRUE(floors.admit(ChunkId{2}, 8));
}

TEST(MemberStarts, TravelAsText) {
  const MemberStarts two({{ServerId{3}, 18446744073709551615u}, {ServerId{12}, 7}});
  EXPECT_EQ(two.text(), "3:18446744073709551615 12:7");
  EXPECT_EQ(*MemberStarts::parse(two.text()), two);
  EXPECT_TRUE(MemberStarts::parse("")->empty());
  for (const char* bad : {"3", "3:", ":3", "3:7 ", " 3:7", "3:7,4:8", "3:-7", "4294967296:1", "1:1 1:1 1:1 1:1 1:1 1:1 1:1 1:1 1:1"}) {
    EXPECT_FALSE(MemberStarts::parse(bad)) << bad;
  }
}

// What was answered by 1, and taken by 2, lasts when 2 answers as the same start.
TEST(MemberStarts, AnotherMasterThatTookItHasLostNothing) {
  const MemberStarts before({{ServerId{1}, 10}, {ServerId{2}, 20}});
  EXPECT_TRUE(before.lasts_in(MemberStarts({{ServerId{1}, 10}})));
  EXPECT_TRUE(before.lasts_in(MemberStarts({{ServerId{2}, 20}, {ServerId{1}, 11}})));
  EXPECT_TRUE(before.lasts_in(MemberStarts({{ServerId{1}, 11}, {ServerId{2}, 20}}))) << "the other member has both";
  EXPECT_FALSE(before.lasts_in(MemberStarts({{ServerId{1}, 11}, {ServerId{2}, 21}}))) << "both were started again";
  EXPECT_FALSE(before.lasts_in(MemberStarts({{ServerId{2}, 21}})));
  EXPECT_FALSE(before.lasts_in(MemberStarts({{ServerId{3}, 30}}))) << "nobody can tell";
  EXPECT_FALSE(before.lasts_in(MemberStarts()));
  EXPECT_EQ(before.boot_of(ServerId{2}), 20u);
  EXPECT_EQ(before.boot_of(ServerId{3}), 0u);
}

}  // namespace
}  // namespace conclave::file
