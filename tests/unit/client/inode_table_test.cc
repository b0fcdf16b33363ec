#include "client/tree/inode_table.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "client/tree/open_file.h"

namespace conclave::client {
namespace {

constexpr InodeId kDir{10}, kFile{11}, kOther{12};

dir::v1::Attr attr(std::uint64_t inode, std::uint64_t change, std::uint64_t size) {
  dir::v1::Attr out;
  out.set_inode(inode);
  out.set_mode(S_IFREG | 0644);
  out.set_nlink(1);
  out.set_change(change);
  out.set_size_bytes(size);
  return out;
}

const std::vector<InodeId> kNobody;

TEST(InodeTable, AnInodeLivesWhileTheKernelRefersToIt) {
  InodeTable table;
  InodeTable::remember(*table.intern(kFile), 0);
  InodeTable::remember(*table.intern(kFile), 0);
  table.forget(kFile, 1);
  EXPECT_EQ(table.sweep(), kNobody);
  EXPECT_NE(table.find(kFile), nullptr);
  table.forget(kFile, 1);
  EXPECT_EQ(table.sweep(), std::vector<InodeId>{kFile});
  EXPECT_EQ(table.find(kFile), nullptr);
}

TEST(InodeTable, AnInodeThatTheKernelNeverHeardOfGoes) {
  InodeTable table;
  (void)table.intern(kFile);
  EXPECT_EQ(table.sweep(), std::vector<InodeId>{kFile});
}

TEST(InodeTable, NothingIsSparedWhileThereIsRoom) {
  InodeTable table;
  InodeTable::remember(*table.intern(kFile), 0);
  EXPECT_EQ(table.spare(), kNobody);
}

// As the kernel does: what it is asked to forget, it forgets, unless a program has it open.
TEST(InodeTable, MoreThanTheLimitAreSparedUntilThereIsRoomAgain) {
  InodeTable table;
  const std::uint64_t many = kMaxInodesKept + 2 * InodeTable::kSpareAtOnce;
  const InodePtr open = table.intern(InodeId{100});
  ++open->opens;
  for (std::uint64_t i = 100; i < 100 + many; ++i) InodeTable::remember(*table.intern(InodeId{i}), 0);
  (void)table.sweep();
  for (int round = 0; round < 10 && table.size() > kMaxInodesKept; ++round) {
    const auto spared = table.spare();
    EXPECT_FALSE(spared.empty());
    EXPECT_LE(spared.size(), InodeTable::kSpareAtOnce);
    for (const InodeId inode : spared) {
      EXPECT_NE(inode, open->id);
      table.forget(inode, 1);
    }
    (void)table.sweep();
  }
  EXPECT_LE(table.size(), kMaxInodesKept);
  EXPECT_GE(table.size(), kMaxInodesKept - InodeTable::kSpareAtOnce) << "no more than is needed";
}

TEST(InodeTable, AnOperationAtWorkKeepsItsInode) {
  InodeTable table;
  auto inode = table.intern(kFile);
  EXPECT_EQ(table.sweep(), kNobody) << "it may be about to tell the kernel";
  inode.reset();
  EXPECT_EQ(table.sweep(), std::vector<InodeId>{kFile});
}

// An operation that answers with the session's end is run again in the next session, and would find nothing to report.
TEST(InodeTable, BytesLostWithASessionAreAnErrorOfTheDevice) {
  Inode inode(InodeId{7});
  inode.lose(Errc::kFenced);
  EXPECT_EQ(inode.failure, Errc::kIo);
  inode.lose(Errc::kNoSpace);
  EXPECT_EQ(inode.failure, Errc::kNoSpace);
  EXPECT_EQ(inode.failures, 2u);
}

TEST(InodeTable, AnOpenInodeGoesAfterItsLastClose) {
  InodeTable table;
  table.intern(kFile)->opens = 1;
  EXPECT_EQ(table.sweep(), kNobody);
  table.find(kFile)->opens = 0;
  table.suspect(kFile);
  EXPECT_EQ(table.sweep(), std::vector<InodeId>{kFile});
}

TEST(InodeTable, ADirtyInodeGoesWhenItIsClean) {
  InodeTable table;
  table.intern(kFile)->bytes.buffer.write(0, view_of("x"));
  EXPECT_EQ(table.sweep(), kNobody);
  table.find(kFile)->bytes.buffer.discard({0, 1});
  EXPECT_EQ(table.sweep(), std::vector<InodeId>{kFile});
}

TEST(InodeTable, TheRootIsNeverForgotten) {
  InodeTable table;
  (void)table.intern(kRootInode);
  table.forget(kRootInode, 5);
  EXPECT_EQ(table.sweep(), kNobody);
}

TEST(InodeTable, ForgettingMoreThanWasRememberedIsHarmless) {
  InodeTable table;
  InodeTable::remember(*table.intern(kFile), 0);
  table.forget(kFile, 100);
  table.forget(kFile, 100);
  EXPECT_EQ(table.sweep(), std::vector<InodeId>{kFile});
  table.forget(kFile, 1);
  EXPECT_EQ(table.sweep(), kNobody);
}

TEST(InodeTable, SetIdBitsThatAWriteEndedStayEndedUntilTheDirectoryServerKnows) {
  Inode inode(kFile);
  auto told = attr(11, 1, 5);
  told.set_mode(S_IFREG | 06755);
  inode.learn(told);
  EXPECT_FALSE(inode.attributes.loses_privileges(0)) << "the superuser's writes end nothing";
  EXPECT_TRUE(inode.attributes.loses_privileges(7));
  inode.attributes.end_privileges(7);
  inode.attributes.dirty = true;
  told.set_change(2);  // a rename, say
  inode.learn(told);
  EXPECT_EQ(inode.attributes.now.mode(), S_IFREG | 0755u);
  inode.attributes.kill_privileges = inode.attributes.dirty = false;  // committed
  told.set_change(3);
  inode.learn(told);
  EXPECT_EQ(inode.attributes.now.mode(), S_IFREG | 06755u) << "a chmod since";
}

TEST(InodeTable, NamesGoWithTheirInode) {
  InodeTable table;
  InodeTable::remember(*table.intern(kFile), 0);
  table.learn_name(kDir, "a", kFile, 5);
  ASSERT_TRUE(table.name(kDir, "a"));
  EXPECT_EQ(table.name(kDir, "a")->child, kFile);
  EXPECT_EQ(table.name(kDir, "a")->since, 5u);
  table.learn_name(kDir, "b", kFile, 6);
  EXPECT_FALSE(table.name(kDir, "a")) << "one name is kept";
  table.forget(kFile, 1);
  (void)table.sweep();
  EXPECT_FALSE(table.name(kDir, "b"));
}

TEST(InodeTable, ANameThatPassesToAnotherInodeStays) {
  InodeTable table;
  InodeTable::remember(*table.intern(kFile), 0);
  InodeTable::remember(*table.intern(kOther), 0);
  table.learn_name(kDir, "a", kFile, 5);
  table.learn_name(kDir, "a", kOther, 5);
  table.forget(kFile, 1);
  (void)table.sweep();
  ASSERT_TRUE(table.name(kDir, "a"));
  EXPECT_EQ(table.name(kDir, "a")->child, kOther);
  table.forget_name(kDir, "a");
  EXPECT_FALSE(table.name(kDir, "a"));
}

TEST(Inode, OlderAnswersAreIgnored) {
  Inode inode(kFile);
  inode.learn(attr(11, 5, 100));
  inode.learn(attr(11, 4, 50));
  EXPECT_EQ(inode.attributes.now.size_bytes(), 100u);
}

TEST(Inode, TypeAndClassStayWhateverIsSaidLater) {
  Inode inode(InodeId{7});
  dir::v1::Attr attr;
  attr.set_inode(7);
  attr.set_mode(S_IFREG | 0600);
  attr.set_class_(dir::v1::SECRET);
  inode.learn(attr);
  attr.set_mode(S_IFLNK | 0644);
  attr.set_class_(dir::v1::PLAIN);
  attr.set_change(2);
  inode.learn(attr);
  EXPECT_EQ(inode.attributes.now.class_(), dir::v1::SECRET);
  EXPECT_EQ(inode.attributes.now.mode(), S_IFREG | 0644u);
}

TEST(Inode, OwnSizeAndTimesWinWhileDirty) {
  Inode inode(kFile);
  inode.learn(attr(11, 5, 100));
  inode.attributes.now.set_size_bytes(300);
  inode.attributes.now.set_mtime_ns(77);
  inode.attributes.dirty = true;
  auto newer = attr(11, 6, 100);
  newer.set_mode(S_IFREG | 0600);
  inode.learn(newer);
  EXPECT_EQ(inode.attributes.now.size_bytes(), 300u);
  EXPECT_EQ(inode.attributes.now.mtime_ns(), 77);
  EXPECT_EQ(inode.attributes.now.mode(), static_cast<std::uint32_t>(S_IFREG | 0600));
  EXPECT_EQ(inode.attributes.size_at_dir, 100u);
}

TEST(Inode, OwnSizeAndTimesOfAnotherLeaseAreVoidAndThatIsSaid) {
  Inode inode(kFile);
  inode.learn_under(attr(11, 5, 100), 9);
  inode.attributes.now.set_size_bytes(300);
  inode.attributes.own(9);
  inode.learn_under(attr(11, 6, 50), 12);
  EXPECT_EQ(inode.attributes.now.size_bytes(), 50u) << "somebody has written since";
  EXPECT_FALSE(inode.attributes.dirty);
  EXPECT_EQ(inode.failures, 1u);
}

// The kernel may have dropped what it was told of a larger size, never what it does itself.
TEST(Inode, TheKernelHasTheSizeItWasFirstToldOrLess) {
  Inode inode(kFile);
  inode.learn(attr(11, 5, 100));
  InodeTable::remember(inode, 100);
  inode.learn(attr(11, 6, 200));
  InodeTable::remember(inode, 200);
  EXPECT_EQ(inode.kernel.size, 100u);
  inode.learn(attr(11, 7, 30));
  EXPECT_EQ(inode.kernel.size, 30u);
  inode.kernel.size = 40;   // a write grows it
  inode.learn(attr(11, 5, 100));
  EXPECT_EQ(inode.kernel.size, 40u) << "an answer that was overtaken tells the kernel nothing";
}

TEST(Inode, AttributesUnderALeaseAreSetOnce) {
  Inode inode(kFile);
  inode.learn_under(attr(11, 5, 100), 9);
  inode.attributes.now.set_size_bytes(200);
  inode.learn_under(attr(11, 6, 150), 9);
  EXPECT_EQ(inode.attributes.now.size_bytes(), 200u) << "a second answer was asked before the first one's use";
}

TEST(OpenTable, HandlesAreNotReused) {
  OpenTable table;
  const auto one = table.add(std::make_shared<OpenFile>());
  ASSERT_NE(table.remove(one), nullptr);
  EXPECT_EQ(table.remove(one), nullptr);
  EXPECT_NE(table.add(std::make_shared<OpenFile>()), one);
}

}  // namespace
}  // namespace conclave::client
