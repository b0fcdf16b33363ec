#include <gtest/gtest.h>

#include "tests/unit/dirserver/dir_world.h"

namespace conclave::dir {
namespace {

constexpr std::uint64_t kRoot = 1;

class DirNames : public testing::Test {
 protected:
  sim::SimFiles files;
  DirWorld world{files};
  DirSession host = host_session(world);
};

TEST_F(DirNames, NewTreeHasOneDirectoryOfEachClass) {
  ASSERT_EQ(world.start_failure(), "");
  EXPECT_EQ(host.look(kRoot, "secrets")->attr().class_(), v1::SECRET);
  EXPECT_EQ(host.look(kRoot, "sensors")->attr().class_(), v1::APPEND);
  EXPECT_EQ(host.look(kRoot, "chat")->attr().class_(), v1::CHAT);
  EXPECT_EQ(host.attr(kRoot)->mode(), S_IFDIR | 0755u);
  EXPECT_EQ(host.attr(kRoot)->nlink(), 5u);
  EXPECT_EQ(host.attr(kRoot)->gid(), kMaker.gid);
  EXPECT_EQ(host.look(kRoot, "secrets")->attr().gid(), kMaker.gid);
}

TEST_F(DirNames, WhatWasMadeIsFoundAndSurvivesARestart) {
  const auto dir = host.make(kRoot, "d", S_IFDIR | 0750);
  const auto file = host.make(dir, "f", S_IFREG | 0640);
  EXPECT_EQ(host.look(dir, "f")->attr().inode(), file);
  EXPECT_EQ(host.look(dir, ".")->attr().inode(), dir);
  EXPECT_EQ(host.look(dir, "..")->attr().inode(), kRoot);
  world.start();
  ASSERT_EQ(world.start_failure(), "");
  EXPECT_EQ(host.look(dir, "f")->attr().mode(), S_IFREG | 0640u);
  EXPECT_EQ(host.attr(kRoot)->nlink(), 6u);
}

TEST_F(DirNames, InodeNumbersAreNotReusedAfterARestart) {
  const auto first = host.make(kRoot, "a", S_IFREG | 0644);
  ASSERT_TRUE(host.remove(kRoot, "a"));
  world.start();
  EXPECT_GT(host.make(kRoot, "a", S_IFREG | 0644), first);
}

TEST_F(DirNames, ParentsChangeWithTheirNames) {
  const auto dir = host.make(kRoot, "d", S_IFDIR | 0755);
  const auto before = *host.attr(dir);
  world.clock().advance(10ms);
  host.make(dir, "f", S_IFREG | 0644);
  const auto after = *host.attr(dir);
  EXPECT_GT(after.mtime_ns(), before.mtime_ns());
  EXPECT_EQ(after.mtime_ns(), after.ctime_ns());
  EXPECT_GT(after.change(), before.change());
  EXPECT_EQ(after.atime_ns(), before.atime_ns());
}

TEST_F(DirNames, RefusedNamesAreNamedAsLinuxNamesThem) {
  const struct {
    std::string name;
    std::optional<Errc> code;
  } table[] = {
      {"", Errc::kInvalid},
      {".", Errc::kExists},
      {"..", Errc::kExists},
      {"a/b", Errc::kInvalid},
      {std::string("a\0b", 3), Errc::kInvalid},
      {std::string(256, 'x'), Errc::kNameTooLong},
      {std::string(255, 'x'), std::nullopt},
      {"\xff\xfe", std::nullopt},
      {"\xff\xfe", Errc::kExists},
  };
  for (const auto& row : table) {
    EXPECT_EQ(code_of(host.create(kRoot, row.name, S_IFREG | 0644)), row.code) << to_hex(view_of(row.name));
  }
}

TEST_F(DirNames, OpenOrCreateFindsARegularFileOnly) {
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  host.make(kRoot, "d", S_IFDIR | 0755);
  auto request = host.create_request(kRoot, "f", S_IFREG | 0600);
  request.set_exclusive(false);
  const auto there = host.change<v1::CreateResponse>("Create", request);
  ASSERT_TRUE(there);
  EXPECT_TRUE(there->existed());
  EXPECT_EQ(there->entry().attr().inode(), file);
  EXPECT_EQ(there->entry().attr().mode(), S_IFREG | 0644u);
  request.set_name("d");
  EXPECT_EQ(code_of(host.change<v1::CreateResponse>("Create", request)), Errc::kExists);
}

TEST_F(DirNames, HardLinksShareTheInodeUntilTheLastGoes) {
  const auto file = host.make(kRoot, "a", S_IFREG | 0644);
  ASSERT_TRUE(host.link(file, kRoot, "b"));
  EXPECT_EQ(host.attr(file)->nlink(), 2u);
  EXPECT_EQ(code_of(host.link(file, kRoot, "b")), Errc::kExists);
  EXPECT_EQ(host.remove(kRoot, "a")->victim().nlink(), 1u);
  EXPECT_EQ(host.remove(kRoot, "b")->victim().nlink(), 0u);
  EXPECT_EQ(host.attr(file)->nlink(), 0u);  // kept for who has it open
  EXPECT_EQ(code_of(host.link(file, kRoot, "c")), Errc::kNotFound);
  EXPECT_EQ(world.store().figures().counts.orphans, 1u);
}

TEST_F(DirNames, LinksToSymlinksAreAllowedToDirectoriesNot) {
  const auto symlink = host.make(kRoot, "s", S_IFLNK | 0777);
  EXPECT_EQ(host.link(symlink, kRoot, "t")->target(), "target");
  const auto dir = host.make(kRoot, "d", S_IFDIR | 0755);
  EXPECT_EQ(code_of(host.link(dir, kRoot, "e")), Errc::kNotPermitted);
}

TEST_F(DirNames, LinkCountsEndAtTheLimit) {
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  ASSERT_TRUE(world.store().commit_status(false, [&](Change& change) -> Status {
    TRY(change.edit(InodeId{file}))->nlink = kMaxHardLinks - 1;  // instead of 64,998 links
    return {};
  }));
  EXPECT_FALSE(code_of(host.link(file, kRoot, "the last one")));
  EXPECT_EQ(code_of(host.link(file, kRoot, "one too many")), Errc::kTooManyLinks);
}

TEST_F(DirNames, RemovalRefusesTheOtherKindAndWhatIsFull) {
  const auto dir = host.make(kRoot, "d", S_IFDIR | 0755);
  host.make(dir, "f", S_IFREG | 0644);
  EXPECT_EQ(code_of(host.remove(kRoot, "d")), Errc::kIsDirectory);
  EXPECT_EQ(code_of(host.remove(dir, "f", true)), Errc::kNotDirectory);
  EXPECT_EQ(code_of(host.remove(kRoot, "d", true)), Errc::kNotEmpty);
  EXPECT_EQ(code_of(host.remove(kRoot, "none")), Errc::kNotFound);
  ASSERT_TRUE(host.remove(dir, "f"));
  ASSERT_TRUE(host.remove(kRoot, "d", true));
  EXPECT_EQ(host.attr(kRoot)->nlink(), 5u);
  EXPECT_EQ(code_of(host.create(dir, "g", S_IFREG | 0644)), Errc::kNotFound);  // removed, and still somebody's cwd
}

TEST_F(DirNames, RemovalOfAnotherInodeThanHeldIsStale) {
  host.make(kRoot, "f", S_IFREG | 0644);
  v1::RemoveRequest request;
  request.set_parent(kRoot);
  request.set_name("f");
  request.set_inode(999);
  EXPECT_EQ(code_of(host.change<v1::RemoveResponse>("Remove", request)), Errc::kStale);
}

TEST_F(DirNames, RenameFollowsLinuxInItsCorners) {
  const auto a = host.make(kRoot, "a", S_IFDIR | 0755);
  const auto b = host.make(a, "b", S_IFDIR | 0755);
  const auto c = host.make(kRoot, "c", S_IFDIR | 0755);
  host.make(c, "full", S_IFREG | 0644);
  const auto f = host.make(kRoot, "f", S_IFREG | 0644);
  ASSERT_TRUE(host.link(f, kRoot, "g"));

  EXPECT_EQ(code_of(host.rename(kRoot, "a", b, "x")), Errc::kInvalid);        // below itself
  EXPECT_EQ(code_of(host.rename(kRoot, "a", a, "x")), Errc::kInvalid);
  EXPECT_EQ(code_of(host.rename(a, "b", kRoot, "a")), Errc::kNotEmpty);       // onto its own parent
  EXPECT_EQ(code_of(host.rename(kRoot, "a", kRoot, "c")), Errc::kNotEmpty);
  EXPECT_EQ(code_of(host.rename(kRoot, "a", kRoot, "f")), Errc::kNotDirectory);
  EXPECT_EQ(code_of(host.rename(kRoot, "f", kRoot, "a")), Errc::kIsDirectory);
  EXPECT_EQ(code_of(host.rename(kRoot, "none", kRoot, "f")), Errc::kNotFound);
  EXPECT_EQ(code_of(host.rename(kRoot, "f", kRoot, "a", false, true)), Errc::kExists);
  EXPECT_EQ(code_of(host.rename(kRoot, "f", kRoot, "none", true)), Errc::kNotFound);
  EXPECT_EQ(code_of(host.rename(kRoot, "f", kRoot, "x", true, true)), Errc::kInvalid);
  EXPECT_EQ(code_of(host.rename(kRoot, ".", kRoot, "x")), Errc::kBusy);

  const auto root_before = *host.attr(kRoot);
  ASSERT_TRUE(host.rename(kRoot, "f", kRoot, "g"));                          // two names of one inode: nothing
  EXPECT_EQ(host.attr(f)->nlink(), 2u);
  EXPECT_EQ(host.attr(kRoot)->change(), root_before.change());
}

TEST_F(DirNames, RenameMovesLinkCountsAndDotDot) {
  const auto a = host.make(kRoot, "a", S_IFDIR | 0755);
  const auto b = host.make(kRoot, "b", S_IFDIR | 0755);
  const auto sub = host.make(a, "sub", S_IFDIR | 0755);
  const auto victim = host.make(b, "sub", S_IFDIR | 0755);
  const auto moved = host.rename(a, "sub", b, "sub");
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->victim().inode(), victim);
  EXPECT_EQ(moved->victim().nlink(), 0u);
  EXPECT_EQ(host.attr(a)->nlink(), 2u);
  EXPECT_EQ(host.attr(b)->nlink(), 3u);
  EXPECT_EQ(host.look(sub, "..")->attr().inode(), b);
}

TEST_F(DirNames, ExchangeSwapsDirectoryAndFileAcrossDirectories) {
  const auto a = host.make(kRoot, "a", S_IFDIR | 0755);
  const auto b = host.make(kRoot, "b", S_IFDIR | 0755);
  const auto sub = host.make(a, "x", S_IFDIR | 0755);
  const auto file = host.make(b, "y", S_IFREG | 0644);
  ASSERT_TRUE(host.rename(a, "x", b, "y", true));
  EXPECT_EQ(host.look(a, "x")->attr().inode(), file);
  EXPECT_EQ(host.look(b, "y")->attr().inode(), sub);
  EXPECT_EQ(host.attr(a)->nlink(), 2u);
  EXPECT_EQ(host.attr(b)->nlink(), 3u);
  EXPECT_EQ(host.look(sub, "..")->attr().inode(), b);
  EXPECT_EQ(host.list(a)->entries(0).type(), static_cast<std::uint32_t>(S_IFREG));
}

TEST_F(DirNames, RenameOverAnotherVictimThanHeldIsStale) {
  host.make(kRoot, "f", S_IFREG | 0644);
  host.make(kRoot, "g", S_IFREG | 0644);
  v1::RenameRequest request;
  request.set_from_parent(kRoot);
  request.set_from_name("f");
  request.set_to_parent(kRoot);
  request.set_to_name("g");
  EXPECT_EQ(code_of(host.change<v1::RenameResponse>("Rename", request)), Errc::kStale);
}

TEST_F(DirNames, ClassesAreInheritedAndKeptApart) {
  const auto secrets = host.look(kRoot, "secrets")->attr().inode();
  const auto dir = host.make(secrets, "prod", S_IFDIR | 0755);
  const auto file = host.make(dir, "db", S_IFREG | 0644);
  EXPECT_EQ(host.attr(file)->class_(), v1::SECRET);
  EXPECT_EQ(code_of(host.rename(dir, "db", kRoot, "db")), Errc::kCrossDevice);
  EXPECT_EQ(code_of(host.link(file, kRoot, "db")), Errc::kCrossDevice);
  EXPECT_FALSE(code_of(host.rename(dir, "db", secrets, "db")));
}

TEST_F(DirNames, ALogOfAnyClassIsNeitherCutNorPunchedNorReplaced) {
  for (const std::string folder : {"sensors", "chat"}) {
    const auto logs = host.look(kRoot, folder)->attr().inode();
    const auto log = host.make(logs, "log", S_IFREG | 0644);
    host.make(logs, "other", S_IFREG | 0644);
    EXPECT_EQ(code_of(host.rename(logs, "other", logs, "log")), Errc::kNotPermitted) << folder;
    EXPECT_EQ(code_of(host.truncate(log, 0)), Errc::kNotPermitted) << folder;
    v1::PunchRequest punch;
    punch.set_inode(log);
    punch.set_token(host.lease(log, LeaseMode::kWrite));
    EXPECT_EQ(code_of(host.change<v1::PunchResponse>("Punch", punch)), Errc::kNotPermitted) << folder;
    EXPECT_FALSE(code_of(host.rename(logs, "log", logs, "log.1"))) << folder;
  }
}

TEST_F(DirNames, OnlyRootAndTheOwnerOfTheTreeSetAClass) {
  const auto dir = host.make(kRoot, "d", S_IFDIR | 0777);
  EXPECT_EQ(*host.get_xattr(dir, "user.conclave.class"), "plain");
  host.as.set_uid(1000);
  EXPECT_EQ(code_of(host.set_xattr(dir, "user.conclave.class", "append")), Errc::kNotPermitted);
  auto request = host.create_request(dir, "x", S_IFDIR | 0755);
  request.set_class_(v1::CHAT);
  EXPECT_EQ(code_of(host.change<v1::CreateResponse>("Create", request)), Errc::kNotPermitted);
  host.as.set_uid(0);
  ASSERT_TRUE(host.set_xattr(dir, "user.conclave.class", "append"));
  EXPECT_EQ(host.attr(dir)->class_(), v1::APPEND);
  EXPECT_EQ(host.attr(host.make(dir, "f", S_IFREG | 0644))->class_(), v1::APPEND);
  EXPECT_EQ(code_of(host.set_xattr(dir, "user.conclave.class", "plain")), Errc::kNotEmpty);

  const auto other = host.make(kRoot, "e", S_IFDIR | 0777);
  ASSERT_TRUE(host.chown(kRoot, 1000, 1000));
  host.as.set_uid(1000);
  EXPECT_TRUE(host.set_xattr(other, "user.conclave.class", "append"));
  host.as.set_uid(1001);
  EXPECT_EQ(code_of(host.set_xattr(other, "user.conclave.class", "plain")), Errc::kNotPermitted);
}

TEST_F(DirNames, ListingGoesOnWhereItStoppedWhateverChanges) {
  const auto dir = host.make(kRoot, "d", S_IFDIR | 0755);
  for (int i = 0; i < 20; ++i) host.make(dir, "f" + std::to_string(i), S_IFREG | 0644);
  const auto first = *host.list(dir, 0, 10);
  ASSERT_EQ(first.entries_size(), 10);
  EXPECT_FALSE(first.end());
  ASSERT_TRUE(host.remove(dir, "f9"));                           // the last one seen
  ASSERT_TRUE(host.remove(dir, "f15"));
  host.make(dir, "new", S_IFREG | 0644);
  ASSERT_TRUE(host.rename(dir, "f16", dir, "f17"));
  const auto rest = *host.list(dir, first.entries(9).cookie(), 1000, true);
  std::vector<std::string> names;
  for (const auto& one : rest.entries()) names.push_back(one.name());
  const std::vector<std::string> expected = {"f10", "f11", "f12", "f13", "f14", "f17", "f18", "f19", "new"};
  EXPECT_EQ(names, expected);
  EXPECT_TRUE(rest.end());
  EXPECT_EQ(rest.entries(0).entry().attr().inode(), rest.entries(0).inode());
  EXPECT_EQ(host.list(dir, ~0ull)->entries_size(), 0);
}

TEST_F(DirNames, CookiesAreNotReusedAndLeaveRoomForDots) {
  const auto dir = host.make(kRoot, "d", S_IFDIR | 0755);
  std::uint64_t last = 2;
  for (int i = 0; i < 50; ++i) {
    host.make(dir, "f", S_IFREG | 0644);
    const auto cookie = host.list(dir)->entries(0).cookie();
    EXPECT_GT(cookie, last);
    last = cookie;
    ASSERT_TRUE(host.remove(dir, "f"));
    if (i == 25) world.start();
  }
}

TEST_F(DirNames, SetGroupIdDirectoriesPassTheirGroupOn) {
  const auto dir = host.make(kRoot, "d", S_IFDIR | 0777);
  ASSERT_TRUE(host.chown(dir, 5, 50));
  ASSERT_TRUE(host.chmod(dir, 02777));
  host.as.set_uid(7);
  host.as.set_gid(70);
  const auto file = *host.attr(host.make(dir, "f", S_IFREG | 0644));
  const auto sub = *host.attr(host.make(dir, "s", S_IFDIR | 0755));
  EXPECT_EQ(file.uid(), 7u);
  EXPECT_EQ(file.gid(), 50u);
  EXPECT_EQ(sub.gid(), 50u);
  EXPECT_EQ(sub.mode(), S_IFDIR | 02755u);
}

TEST_F(DirNames, UmaskAppliesUnlessADefaultAclStandsInItsPlace) {
  const auto dir = host.make(kRoot, "d", S_IFDIR | 0755);
  auto request = host.create_request(dir, "masked", S_IFREG | 0666);
  request.set_umask(027);
  EXPECT_EQ(host.change<v1::CreateResponse>("Create", request)->entry().attr().mode(), S_IFREG | 0640u);
  const auto acl = PosixAcl::from_mode(0775);
  ASSERT_TRUE(host.set_xattr(dir, std::string(kDefaultAclName), acl.to_xattr()));
  request.set_name("by acl");
  EXPECT_EQ(host.change<v1::CreateResponse>("Create", request)->entry().attr().mode(), S_IFREG | 0664u);
}

TEST_F(DirNames, SymbolicLinksKeepTheirTargets) {
  const auto link = host.make(kRoot, "s", S_IFLNK | 0644);
  EXPECT_EQ(host.attr(link)->mode(), S_IFLNK | 0777u);
  EXPECT_EQ(host.attr(link)->size_bytes(), 6u);
  v1::ReadLinkRequest request;
  request.set_inode(link);
  EXPECT_EQ(host.read<v1::ReadLinkResponse>("ReadLink", request)->target(), "target");
  auto long_one = host.create_request(kRoot, "l", S_IFLNK | 0777);
  long_one.set_target(std::string(4096, 'x'));
  EXPECT_EQ(code_of(host.change<v1::CreateResponse>("Create", long_one)), Errc::kNameTooLong);
}

TEST_F(DirNames, OperationsOnWhatIsNoDirectorySayIt) {
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  EXPECT_EQ(code_of(host.look(file, "x")), Errc::kNotDirectory);
  EXPECT_EQ(code_of(host.create(file, "x", S_IFREG | 0644)), Errc::kNotDirectory);
  EXPECT_EQ(code_of(host.list(file)), Errc::kNotDirectory);
  EXPECT_EQ(code_of(host.look(987654, "x")), Errc::kStale);
}

TEST_F(DirNames, AmongSecretsThereAreFoldersAndRegularFilesOnly) {
  const auto secrets = host.look(kRoot, "secrets")->attr().inode();
  for (const std::uint32_t type : {S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK}) {
    EXPECT_EQ(code_of(host.create(secrets, "x", type | 0644)), Errc::kNotPermitted) << type;
  }
  EXPECT_FALSE(code_of(host.create(secrets, "folder", S_IFDIR | 0755)));
  EXPECT_FALSE(code_of(host.create(secrets, "file", S_IFREG | 0644)));
}

}  // namespace
}  // namespace conclave::dir
