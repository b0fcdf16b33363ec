#include "dirserver/dir_attrs.h"

#include <gtest/gtest.h>

#include "tests/unit/dirserver/dir_world.h"

namespace conclave::dir {
namespace {

constexpr std::uint64_t kRoot = 1;

class DirAttrs : public testing::Test {
 protected:
  sim::SimFiles files;
  DirWorld world{files};
  DirSession host = host_session(world);
  DirSession owner = user_session(world, 7, 70);
  DirSession other = user_session(world, 8, 80);
  std::uint64_t file = 0;
  void SetUp() override {
    ASSERT_EQ(world.start_failure(), "");
    file = host.make(kRoot, "f", S_IFREG | 0644);
    ASSERT_TRUE(host.chown(file, 7, 70));
  }
};

TEST_F(DirAttrs, ChmodIsTheOwners) {
  EXPECT_FALSE(code_of(owner.chmod(file, 0600)));
  EXPECT_EQ(code_of(other.chmod(file, 0666)), Errc::kNotPermitted);
  EXPECT_EQ(owner.attr(file)->mode(), S_IFREG | 0600u);
}

TEST_F(DirAttrs, ChownClearsPrivileges) {
  ASSERT_TRUE(owner.chmod(file, 06755));
  EXPECT_EQ(code_of(owner.chown(file, 8, {})), Errc::kNotPermitted);
  EXPECT_EQ(owner.attr(file)->mode(), S_IFREG | 06755u);
  ASSERT_TRUE(owner.chown(file, {}, 70));
  EXPECT_EQ(owner.attr(file)->mode(), S_IFREG | 0755u);
  ASSERT_TRUE(host.set_xattr(file, "security.capability", "cap"));
  ASSERT_TRUE(host.chown(file, 9, 90));
  EXPECT_EQ(host.attr(file)->xattrs(), 0u);
}

TEST_F(DirAttrs, AnEmptyRequestChangesNothing) {
  const auto before = host.attr(file)->change();
  ASSERT_TRUE(other.set(other.set_request(file)));
  EXPECT_EQ(host.attr(file)->change(), before);
}

TEST_F(DirAttrs, TimesAreTheOwnersUnlessNow) {
  auto explicit_time = other.set_request(file);
  explicit_time.set_mtime_ns(123456789);
  EXPECT_EQ(code_of(other.set(explicit_time)), Errc::kNotPermitted);
  auto now = other.set_request(file);
  now.set_atime_now(true);
  now.set_mtime_now(true);
  EXPECT_EQ(code_of(other.set(now)), Errc::kAccess);
  ASSERT_TRUE(owner.chmod(file, 0666));
  EXPECT_FALSE(code_of(other.set(now)));
  now.set_mtime_now(false);
  EXPECT_EQ(code_of(other.set(now)), Errc::kNotPermitted);   // one of the two alone is the owner's
  EXPECT_FALSE(code_of(owner.set(explicit_time)));
  EXPECT_EQ(owner.attr(file)->mtime_ns(), 123456789);
  EXPECT_GT(owner.attr(file)->ctime_ns(), 123456789);
}

TEST_F(DirAttrs, NegativeTimesAndNanosecondsAreKept) {
  auto request = host.set_request(file);
  request.set_atime_ns(-1'500'000'001);
  request.set_mtime_ns(4'102'444'800'123'456'789);
  ASSERT_TRUE(host.set(request));
  EXPECT_EQ(host.attr(file)->atime_ns(), -1'500'000'001);
  EXPECT_EQ(host.attr(file)->mtime_ns(), 4'102'444'800'123'456'789);
}

TEST_F(DirAttrs, TruncationNeedsTheLeaseAndPermission) {
  auto request = owner.set_request(file);
  request.set_size_bytes(10);
  EXPECT_EQ(code_of(owner.set(request)), Errc::kInvalid);                     // no token
  request.set_token(owner.lease(file, LeaseMode::kRead));
  EXPECT_EQ(code_of(owner.set(request)), Errc::kAccess);
  request.set_token(owner.lease(file + 1, LeaseMode::kWrite));
  EXPECT_EQ(code_of(owner.set(request)), Errc::kAccess);
  request.set_token(other.lease(file, LeaseMode::kWrite));
  EXPECT_EQ(code_of(owner.set(request)), Errc::kAccess);
  EXPECT_EQ(code_of(other.truncate(file, 10)), Errc::kAccess);
  EXPECT_FALSE(code_of(owner.truncate(file, 10)));
  auto by_descriptor = other.set_request(file);
  by_descriptor.set_size_bytes(20);
  by_descriptor.set_by_descriptor(true);
  by_descriptor.set_token(other.lease(file, LeaseMode::kWrite));
  EXPECT_FALSE(code_of(other.set(by_descriptor)));
  EXPECT_EQ(host.attr(file)->size_bytes(), 20u);
}

TEST_F(DirAttrs, TheLargestSizeCostsNothingAndOneMoreIsTooBig) {
  ASSERT_TRUE(host.truncate(file, kMaxFileBytes));
  EXPECT_EQ(host.attr(file)->size_bytes(), kMaxFileBytes);
  EXPECT_EQ(world.store().figures().counts.chunks, 0u);
  EXPECT_EQ(code_of(host.truncate(file, kMaxFileBytes + 1)), Errc::kFileTooBig);
  EXPECT_EQ(code_of(host.truncate(kRoot, 0)), Errc::kIsDirectory);
  EXPECT_EQ(code_of(host.truncate(host.make(kRoot, "p", S_IFIFO | 0644), 0)), Errc::kInvalid);
}

TEST_F(DirAttrs, UsersReachOnlyWhatTheirPathsAllow) {
  const auto closed = host.make(kRoot, "closed", S_IFDIR | 0700);
  host.make(closed, "f", S_IFREG | 0666);
  EXPECT_EQ(code_of(other.look(closed, "f")), Errc::kAccess);
  EXPECT_EQ(code_of(other.list(closed)), Errc::kAccess);
  EXPECT_EQ(code_of(other.create(kRoot, "x", S_IFREG | 0644)), Errc::kAccess);
  EXPECT_EQ(code_of(other.remove(kRoot, "f")), Errc::kAccess);
  EXPECT_EQ(code_of(other.rename(kRoot, "f", kRoot, "g")), Errc::kAccess);
  EXPECT_EQ(code_of(other.link(file, kRoot, "g")), Errc::kAccess);
  ASSERT_TRUE(host.chmod(closed, 0711));
  EXPECT_FALSE(code_of(other.look(closed, "f")));
  EXPECT_EQ(code_of(other.list(closed)), Errc::kAccess);
}

TEST_F(DirAttrs, StickyDirectoriesKeepOthersAway) {
  const auto shared = host.make(kRoot, "tmp", S_IFDIR | 01777);
  owner.make(shared, "mine", S_IFREG | 0666);
  other.make(shared, "theirs", S_IFREG | 0666);
  EXPECT_EQ(code_of(other.remove(shared, "mine")), Errc::kNotPermitted);
  EXPECT_EQ(code_of(other.rename(shared, "mine", shared, "x")), Errc::kNotPermitted);
  EXPECT_EQ(code_of(other.rename(shared, "theirs", shared, "mine")), Errc::kNotPermitted);
  EXPECT_FALSE(code_of(owner.remove(shared, "mine")));
}

TEST_F(DirAttrs, AFileWithPrivilegesIsWrittenByAPersonAfterTheyEnded) {
  const auto rights = [&](DirSession& session) {
    return world.keys().open_ticket(view_of(session.look(kRoot, "f")->ticket()))->rights;
  };
  ASSERT_TRUE(owner.chmod(file, 04777));
  EXPECT_EQ(rights(other), kTicketRead);
  EXPECT_EQ(rights(host), kTicketRead | kTicketWrite);  // its kernel says when they end
  auto ends = other.set_request(file);
  ends.set_kill_privileges(true);
  ASSERT_TRUE(other.set(ends));
  EXPECT_EQ(host.attr(file)->mode(), S_IFREG | 0777u);
  EXPECT_EQ(rights(other), kTicketRead | kTicketWrite);
  ASSERT_TRUE(host.set_xattr(file, "security.capability", "cap"));
  EXPECT_EQ(rights(owner), kTicketRead);
}

TEST_F(DirAttrs, TicketsSayWhatTheCallerMayDo) {
  const auto rights = [&](DirSession& session) {
    return world.keys().open_ticket(view_of(session.look(kRoot, "f")->ticket()))->rights;
  };
  EXPECT_EQ(rights(owner), kTicketRead | kTicketWrite);
  EXPECT_EQ(rights(other), kTicketRead);
  ASSERT_TRUE(owner.chmod(file, 0));
  EXPECT_EQ(rights(other), 0);
  EXPECT_EQ(rights(host), kTicketRead | kTicketWrite);   // its kernel decides
  const auto shared = host.make(kRoot, "tmp", S_IFDIR | 01777);
  const auto made = owner.create(shared, "readonly", S_IFREG | 0444);
  EXPECT_EQ(world.keys().open_ticket(view_of(made->entry().ticket()))->rights, kTicketRead | kTicketWrite);
}

TEST_F(DirAttrs, UsersMakeNoDevices) {
  const auto shared = host.make(kRoot, "tmp", S_IFDIR | 01777);
  EXPECT_EQ(code_of(owner.create(shared, "d", S_IFCHR | 0644)), Errc::kNotPermitted);
  EXPECT_FALSE(code_of(owner.create(shared, "p", S_IFIFO | 0644)));
  auto request = host.create_request(shared, "null", S_IFCHR | 0666);
  request.set_rdev(259);
  EXPECT_EQ(host.change<v1::CreateResponse>("Create", request)->entry().attr().rdev(), 259u);
}

TEST_F(DirAttrs, AttributesOfManyAndOfWhatIsGone) {
  v1::GetAttrRequest request;
  request.add_inodes(file);
  request.add_inodes(999999);
  request.add_inodes(kRoot);
  EXPECT_EQ(host.read<v1::GetAttrResponse>("GetAttr", request)->entries_size(), 2);
  for (int i = 0; i < 1000; ++i) request.add_inodes(file);
  EXPECT_EQ(code_of(host.read<v1::GetAttrResponse>("GetAttr", request)), Errc::kInvalid);
}

TEST_F(DirAttrs, AnInodesNumberIsNoAuthorityForAPerson) {
  const auto closed = host.make(kRoot, "closed", S_IFDIR | 0700);
  const auto open = host.make(closed, "open", S_IFDIR | 0777);
  const auto inside = host.make(open, "f", S_IFREG | 0666);
  other.shows_tickets = false;
  for (const auto inode : {closed, open, inside}) EXPECT_EQ(code_of(other.attr(inode)), Errc::kAccess) << inode;
  EXPECT_EQ(code_of(other.list(open)), Errc::kAccess);
  EXPECT_EQ(code_of(other.look(open, "f")), Errc::kAccess);
  EXPECT_EQ(code_of(other.create(open, "g", S_IFREG | 0644)), Errc::kAccess);
  EXPECT_EQ(code_of(other.link(inside, kRoot, "g")), Errc::kAccess);
  EXPECT_EQ(code_of(other.rename(open, "f", open, "g")), Errc::kAccess);
  EXPECT_EQ(code_of(other.remove(open, "f")), Errc::kAccess);
  EXPECT_EQ(code_of(other.set_xattr(inside, "user.a", "1")), Errc::kAccess);
  EXPECT_EQ(code_of(other.chmod(inside, 0600)), Errc::kAccess);

  const auto found = other.look(kRoot, "closed");   // the root needs none; the look-up gives the next
  ASSERT_TRUE(found);
  other.as.add_tickets(found->ticket());
  EXPECT_FALSE(code_of(other.attr(closed)));
  EXPECT_EQ(code_of(other.attr(open)), Errc::kAccess);
  other.as.clear_tickets();
  other.as.add_tickets(owner.look(kRoot, "closed")->ticket());
  EXPECT_EQ(code_of(other.attr(closed)), Errc::kAccess);   // another session's
  EXPECT_FALSE(code_of(host.attr(open)));                  // a host's kernel has walked the path
}

}  // namespace
}  // namespace conclave::dir
