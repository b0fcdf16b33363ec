// The rules without bytes: which change may come next, which lease is over, what a table says.
#include "fileserver/replica_log.h"

#include <gtest/gtest.h>

#include <set>

#include "fileserver/block_table.h"
#include "base/floor_table.h"
#include "fileserver/op_record.h"
#include "tests/support/sim_random.h"

namespace conclave::file {
namespace {

// A member whose whole history is remembered.
TEST(ReplicaLog, DecidesAsAMemberThatRemembersEverything) {
  sim::SimRandom random(1);
  for (int round = 0; round < 200; ++round) {
    ReplicaLog log;
    std::vector<std::uint32_t> links = {0};
    for (int i = 0; i < 60; ++i) {
      const std::uint64_t sequence = 1 + random.below(links.size() + 2);
      const bool ours = random.chance(0.8);
      const auto known = [&](std::uint64_t n) { return n < links.size() ? links[n] : 1000 + static_cast<std::uint32_t>(n); };
      const std::uint32_t before = ours ? known(sequence - 1) : 777;
      const std::uint32_t after = ours ? known(sequence) : 888;
      const auto verdict = log.judge(sequence, before, after);
      if (sequence > links.size()) {
        EXPECT_EQ(verdict, ReplicaLog::Verdict::kGap);
      } else if (sequence == links.size()) {
        ASSERT_EQ(verdict, ours ? ReplicaLog::Verdict::kApply : ReplicaLog::Verdict::kDiverged);
        if (!ours) continue;
        log.advance(after);
        links.push_back(after);
      } else if (!ours) {
        EXPECT_EQ(verdict, ReplicaLog::Verdict::kDiverged);
      } else if (sequence + 15 >= links.size()) {
        EXPECT_EQ(verdict, ReplicaLog::Verdict::kDuplicate);
      } else {   // too old to be compared: the safe answer
        EXPECT_NE(verdict, ReplicaLog::Verdict::kApply);
      }
      EXPECT_EQ(log.sequence() + 1, links.size());
      EXPECT_EQ(log.link(), links.back());
    }
  }
}

TEST(ReplicaLog, KnowsOnlyItsLastChangeAfterAStart) {
  ReplicaLog log(40, 9);
  EXPECT_EQ(log.judge(40, 1, 9), ReplicaLog::Verdict::kDuplicate);
  EXPECT_EQ(log.judge(39, 1, 9), ReplicaLog::Verdict::kDiverged);
  EXPECT_EQ(log.judge(41, 9, 10), ReplicaLog::Verdict::kApply);
  EXPECT_EQ(log.judge(41, 8, 10), ReplicaLog::Verdict::kDiverged);
  EXPECT_EQ(log.judge(42, 9, 10), ReplicaLog::Verdict::kGap);
  EXPECT_EQ(log.judge(0, 9, 10), ReplicaLog::Verdict::kDiverged);
}

TEST(FloorTable, AnExclusiveLeaseEndsOlderOnesAndReadersShare) {
  FloorTable floors;
  const InodeId inode{1};
  EXPECT_TRUE(floors.admit(inode, LeaseMode::kRead, 10));
  EXPECT_TRUE(floors.admit(inode, LeaseMode::kRead, 12));
  EXPECT_TRUE(floors.admit(inode, LeaseMode::kRead, 10));
  EXPECT_FALSE(floors.admit(inode, LeaseMode::kWrite, 11));
  EXPECT_TRUE(floors.admit(inode, LeaseMode::kWrite, 13));
  EXPECT_FALSE(floors.admit(inode, LeaseMode::kRead, 12));
  EXPECT_TRUE(floors.admit(inode, LeaseMode::kShared, 14));
  EXPECT_TRUE(floors.admit(inode, LeaseMode::kShared, 15));
  EXPECT_TRUE(floors.admit(inode, LeaseMode::kShared, 14));
  EXPECT_FALSE(floors.admit(inode, LeaseMode::kRead, 14));
  EXPECT_FALSE(floors.admit(inode, LeaseMode::kWrite, 14));
  EXPECT_TRUE(floors.admit(InodeId{2}, LeaseMode::kWrite, 1));
}

TEST(SectorSet, IsASet) {
  sim::SimRandom random(2);
  SectorSet set;
  std::set<std::uint32_t> model;
  for (int i = 0; i < 2000; ++i) {
    const auto first = static_cast<std::uint32_t>(random.below(300));
    const auto end = first + static_cast<std::uint32_t>(random.below(150));
    const bool add = random.chance(0.5);
    add ? set.add(first, end) : set.remove(first, end);
    for (std::uint32_t n = first; n < end; ++n) add ? void(model.insert(n)) : void(model.erase(n));
    ASSERT_EQ(set.count(), model.size());
    ASSERT_EQ(set.end(), model.empty() ? 0 : *model.rbegin() + 1);
    const auto from = static_cast<std::uint32_t>(random.below(500));
    const auto to = from + static_cast<std::uint32_t>(random.below(100));
    const auto inside = static_cast<std::uint32_t>(std::distance(model.lower_bound(from), model.lower_bound(to)));
    ASSERT_EQ(set.any(from, to), inside > 0);
    ASSERT_EQ(set.all(from, to), inside == to - from);
  }
}

TEST(BodySums, AreThoseOfTheBytes) {
  sim::SimRandom random(3);
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t offset = random.below(20000);
    Bytes body(random.below(40000));
    random.fill(body);
    const BodySums sums = BodySums::of(offset, body);
    EXPECT_EQ(sums.whole, crc32c(body));
    for (std::size_t s = 0; s < sums.sectors.size(); ++s) {
      const std::size_t at = (sums.first_sector + s) * kSectorBytes - offset;
      EXPECT_EQ(sums.sectors[s], crc32c(ByteView(body).subspan(at, kSectorBytes)));
    }
    EXPECT_LT(body.size() - sums.head_bytes - sums.middle_bytes(), kSectorBytes);
  }
}

template <class T>
void expect_parser_is_careful(const Bytes& good, Result<T> (*decode)(ByteView)) {
  ASSERT_TRUE(decode(good));
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(decode(ByteView(good).first(size)));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {   // may parse as something else, but not crash
    Bytes bad = good;
    bad[bit / 8] = static_cast<std::uint8_t>(bad[bit / 8] ^ 1u << bit % 8);
    static_cast<void>(decode(bad));
  }
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_FALSE(decode(longer));
}

TEST(Formats, SurviveRoundTripsTruncationsAndFlippedBits) {
  ChunkOp op;
  op.chunk = ChunkId{1};
  op.members = {ServerId{1}, ServerId{2}};
  op.sequence = 8;
  op.append = true;
  op.cursor = "source";
  op.cursor_to = 4;
  op.op = {SessionId{5}, 1, 2, 3};
  expect_parser_is_careful(op.encode(), &ChunkOp::decode);
  EXPECT_EQ(ChunkOp::decode(op.encode())->encode(), op.encode());
  OpRecord record;
  record.op = op;
  record.sums = {1, 2, 3};
  expect_parser_is_careful(record.encode(), &OpRecord::decode);
  BlockTable table;
  for (const std::uint32_t sector : {0u, 5u, 17u, 100u}) table.set(sector, sector * 77);
  Bytes encoded;
  table.encode(encoded);
  expect_parser_is_careful(encoded, &BlockTable::decode);
  EXPECT_EQ(BlockTable::decode(encoded)->sum(17), 17u * 77);
  EXPECT_FALSE(BlockTable::decode(encoded)->has(16));
}

}  // namespace
}  // namespace conclave::file
