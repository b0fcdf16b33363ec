#include "dirserver/permissions.h"

#include <gtest/gtest.h>

#include <optional>

#include "base/set_id_bits.h"

namespace conclave::dir {
namespace {

Node node_of(std::uint32_t mode, std::uint32_t uid, std::uint32_t gid) {
  Node node;
  node.mode = mode;
  node.uid = uid;
  node.gid = gid;
  return node;
}

constexpr unsigned kRead = kMayRead;
constexpr unsigned kWrite = kMayWrite;
constexpr unsigned kExec = kMayExec;

TEST(Permissions, TheFirstClassThatFitsDecides) {
  const struct {
    std::uint32_t mode;
    Subject subject;
    unsigned want;
    bool allowed;
  } table[] = {
      {S_IFREG | 0400, {1, 9, {}, false}, kRead, true},
      {S_IFREG | 0400, {1, 9, {}, false}, kWrite, false},
      {S_IFREG | 0077, {1, 9, {}, false}, kRead, false},          // the owner is not "other"
      {S_IFREG | 0040, {2, 1, {}, false}, kRead, true},           // by gid
      {S_IFREG | 0040, {2, 9, {3, 1}, false}, kRead, true},       // by a further group
      {S_IFREG | 0707, {2, 1, {}, false}, kRead, false},          // the group is not "other"
      {S_IFREG | 0004, {2, 9, {}, false}, kRead, true},
      {S_IFREG | 0004, {2, 9, {}, false}, kRead | kWrite, false},
      {S_IFREG | 0000, {0, 0, {}, false}, kRead, false},          // a person's uid 0 is no superuser
      {S_IFREG | 0666, {0, 0, {}, false}, kExec, false},
      {S_IFREG | 0001, {0, 0, {}, false}, kExec, true},
      {S_IFDIR | 0000, {0, 0, {}, false}, kExec, false},
      {S_IFREG | 0000, {5, 5, {}, true}, kRead | kWrite, true},   // a host's kernel has checked
  };
  for (const auto& row : table) {
    EXPECT_EQ(may(row.subject, node_of(row.mode, 1, 1), nullptr, row.want), row.allowed)
        << std::oct << row.mode << " uid " << row.subject.uid << " want " << row.want;
  }
}

TEST(Permissions, StickyDirectoriesProtectOthersEntries) {
  const Node sticky = node_of(S_IFDIR | 01777, 1, 1);
  const Node victim = node_of(S_IFREG | 0666, 2, 2);
  EXPECT_TRUE(may_remove_from({1, 9, {}, false}, sticky, victim));   // the directory's owner
  EXPECT_TRUE(may_remove_from({2, 9, {}, false}, sticky, victim));   // the victim's
  EXPECT_EQ(may_remove_from({0, 0, {}, false}, sticky, victim).error().code, Errc::kNotPermitted);
  EXPECT_TRUE(may_remove_from({3, 3, {}, true}, sticky, victim));
  EXPECT_EQ(may_remove_from({3, 3, {}, false}, sticky, victim).error().code, Errc::kNotPermitted);
  EXPECT_TRUE(may_remove_from({3, 3, {}, false}, node_of(S_IFDIR | 0777, 1, 1), victim));
}

TEST(Permissions, OnlyTheSuperuserGivesFilesAway) {
  const Node node = node_of(S_IFREG | 0644, 1, 10);
  const struct {
    Subject subject;
    std::optional<std::uint32_t> uid, gid;
    bool allowed;
  } table[] = {
      {{1, 10, {}, false}, 2, std::nullopt, false},
      {{1, 10, {}, false}, 1, std::nullopt, true},           // to oneself
      {{1, 10, {20}, false}, std::nullopt, 20, true},        // to a group of one's own
      {{1, 10, {20}, false}, std::nullopt, 30, false},
      {{1, 99, {}, false}, std::nullopt, 10, true},          // to the group it has
      {{2, 10, {20}, false}, std::nullopt, 20, false},       // another's file
      {{2, 10, {}, false}, std::nullopt, std::nullopt, true},
      {{0, 0, {}, false}, 2, 30, false},
      {{2, 2, {}, true}, 2, 30, true},
  };
  for (const auto& row : table) {
    const Status status =
        may_change_owner(row.subject, node, row.uid ? &*row.uid : nullptr, row.gid ? &*row.gid : nullptr);
    EXPECT_EQ(status.has_value(), row.allowed) << row.subject.uid << " " << row.uid.value_or(0) << " " << row.gid.value_or(0);
  }
}

TEST(Permissions, PrivilegedBitsGoAsLinuxTakesThem) {
  EXPECT_EQ(without_set_id(S_IFREG | 06755), S_IFREG | 0755u);
  EXPECT_EQ(without_set_id(S_IFREG | 06745), S_IFREG | 02745u);  // mandatory locking stays
  EXPECT_EQ(without_set_id(S_IFREG | 01755), S_IFREG | 01755u);
}

TEST(Permissions, ChmodKeepsSetGroupIdForMembersOnly) {
  const Node node = node_of(S_IFREG | 0644, 1, 10);
  EXPECT_EQ(settable_mode({1, 99, {}, false}, node, 10, 02755), S_IFREG | 0755u);
  EXPECT_EQ(settable_mode({1, 99, {10}, false}, node, 10, 02755), S_IFREG | 02755u);
  EXPECT_EQ(settable_mode({0, 0, {}, false}, node, 10, 02755), S_IFREG | 0755u);   // nor a member of every group
  EXPECT_EQ(settable_mode({1, 99, {}, true}, node, 10, 02755), S_IFREG | 02755u);
  EXPECT_EQ(settable_mode({0, 0, {}, false}, node, 10, S_IFDIR | 0700), S_IFREG | 0700u);  // the type stays
}

TEST(Permissions, WhatIsMadeBelongsToItsMakerOrTheDirectorysGroup) {
  const Subject maker{1, 10, {}, false};
  const Node plain = node_of(S_IFDIR | 0777, 5, 50);
  const Node set_group = node_of(S_IFDIR | 02777, 5, 50);
  EXPECT_EQ(made_in(maker, plain, S_IFREG | 04755).gid, 10u);
  EXPECT_EQ(made_in(maker, plain, S_IFREG | 04755).mode, S_IFREG | 04755u);
  EXPECT_EQ(made_in(maker, set_group, S_IFREG | 0644).gid, 50u);
  EXPECT_EQ(made_in(maker, set_group, S_IFREG | 02755).mode, S_IFREG | 0755u);   // no member of the group
  EXPECT_EQ(made_in({1, 10, {50}, false}, set_group, S_IFREG | 02755).mode, S_IFREG | 02755u);
  EXPECT_EQ(made_in(maker, set_group, S_IFDIR | 06755).mode, S_IFDIR | 02755u);
  EXPECT_EQ(made_in(maker, plain, S_IFDIR | 07755).mode, S_IFDIR | 01755u);
  EXPECT_EQ(made_in(maker, plain, S_IFLNK).mode, S_IFLNK | 0777u);
}

}  // namespace
}  // namespace conclave::dir
