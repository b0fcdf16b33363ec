#include "dirserver/dir_xattrs.h"

#include <gtest/gtest.h>

#include "tests/unit/dirserver/dir_world.h"

namespace conclave::dir {
namespace {

constexpr std::uint64_t kRoot = 1;

class DirXattrs : public testing::Test {
 protected:
  sim::SimFiles files;
  DirWorld world{files};
  DirSession host = host_session(world);
  DirSession owner = user_session(world, 7, 70);
  DirSession other = user_session(world, 8, 80);
  std::uint64_t file = 0;
  void SetUp() override {
    file = host.make(kRoot, "f", S_IFREG | 0644);
    ASSERT_TRUE(host.chown(file, 7, 70));
  }
  std::vector<std::string> names(DirSession& session) {
    v1::ListXattrRequest request;
    *request.mutable_caller() = session.as;
    request.set_inode(file);
    const auto answer = session.read<v1::ListXattrResponse>("ListXattr", request);
    return {answer->names().begin(), answer->names().end()};
  }
};

TEST_F(DirXattrs, AreSetReadListedAndRemoved) {
  EXPECT_EQ(code_of(host.get_xattr(file, "user.a")), Errc::kNoAttribute);
  ASSERT_TRUE(owner.set_xattr(file, "user.a", "1"));
  ASSERT_TRUE(owner.set_xattr(file, "user.b", std::string("\0\xff", 2)));
  ASSERT_TRUE(owner.set_xattr(file, "user.a", ""));
  EXPECT_EQ(*other.get_xattr(file, "user.a"), "");
  EXPECT_EQ(*other.get_xattr(file, "user.b"), std::string("\0\xff", 2));
  EXPECT_EQ(names(owner), (std::vector<std::string>{"user.a", "user.b"}));
  EXPECT_EQ(host.attr(file)->xattrs(), 2u);
  ASSERT_TRUE(owner.remove_xattr(file, "user.a"));
  EXPECT_EQ(code_of(owner.remove_xattr(file, "user.a")), Errc::kNoAttribute);
  EXPECT_EQ(host.attr(file)->xattrs(), 1u);
}

TEST_F(DirXattrs, CreateAndReplaceMeanWhatTheySay) {
  v1::SetXattrRequest request;
  request.set_inode(file);
  request.set_name("user.a");
  request.set_replace(true);
  EXPECT_EQ(code_of(host.change<v1::Entry>("SetXattr", request)), Errc::kNoAttribute);
  request.set_replace(false);
  request.set_create(true);
  EXPECT_FALSE(code_of(host.change<v1::Entry>("SetXattr", request)));
  EXPECT_EQ(code_of(host.change<v1::Entry>("SetXattr", request)), Errc::kExists);
}

TEST_F(DirXattrs, NamespacesHaveTheirOwnRules) {
  EXPECT_EQ(code_of(other.set_xattr(file, "user.a", "x")), Errc::kAccess);
  EXPECT_EQ(code_of(owner.set_xattr(file, "trusted.a", "x")), Errc::kNotPermitted);
  EXPECT_EQ(code_of(owner.set_xattr(file, "security.a", "x")), Errc::kNotPermitted);
  EXPECT_EQ(code_of(owner.set_xattr(file, "system.a", "x")), Errc::kNotSupported);
  EXPECT_EQ(code_of(owner.set_xattr(file, "a", "x")), Errc::kNotSupported);
  EXPECT_EQ(code_of(owner.set_xattr(file, "user.", "x")), Errc::kInvalid);
  EXPECT_EQ(code_of(owner.set_xattr(file, "user." + std::string(251, 'x'), "x")), Errc::kRange);
  EXPECT_EQ(code_of(owner.set_xattr(file, "user.big", std::string(65537, 'x'))), Errc::kMessageTooBig);
  EXPECT_FALSE(code_of(owner.set_xattr(file, "user.big", std::string(65536, 'x'))));
  ASSERT_TRUE(host.set_xattr(file, "trusted.a", "x"));
  EXPECT_EQ(code_of(owner.get_xattr(file, "trusted.a")), Errc::kNoAttribute);
  EXPECT_EQ(names(owner).size(), 1u);
  EXPECT_EQ(names(host).size(), 2u);
  const auto pipe = host.make(kRoot, "p", S_IFIFO | 0666);
  EXPECT_EQ(code_of(host.set_xattr(pipe, "user.a", "x")), Errc::kNotPermitted);
  EXPECT_EQ(code_of(host.get_xattr(pipe, "user.a")), Errc::kNoAttribute);
}

TEST_F(DirXattrs, ThereIsALimit) {
  for (int i = 0; i < 256; ++i) ASSERT_TRUE(owner.set_xattr(file, "user." + std::to_string(i), "x"));
  EXPECT_EQ(code_of(owner.set_xattr(file, "user.more", "x")), Errc::kNoSpace);
  EXPECT_FALSE(code_of(owner.set_xattr(file, "user.7", "y")));
}

TEST_F(DirXattrs, AccessAclAndModeFollowEachOther) {
  // user::rw-, user:8:rw-, group::r--, mask::rw-, other::---
  std::string acl("\2\0\0\0", 4);
  const auto add = [&](unsigned tag, unsigned permissions, std::uint32_t id) {
    for (const unsigned byte : {tag, 0u, permissions, 0u}) acl.push_back(static_cast<char>(byte));
    for (int i = 0; i < 4; ++i) acl.push_back(static_cast<char>(id >> (8 * i)));
  };
  add(1, 6, 0);
  add(2, 6, 8);
  add(4, 4, 0);
  add(16, 6, 0);
  add(32, 0, 0);
  const std::string name(kAccessAclName);
  EXPECT_EQ(code_of(other.set_xattr(file, name, acl)), Errc::kNotPermitted);
  ASSERT_TRUE(owner.set_xattr(file, name, acl));
  EXPECT_EQ(owner.attr(file)->mode(), S_IFREG | 0660u);
  EXPECT_FALSE(code_of(other.truncate(file, 1)));                     // by the ACL
  ASSERT_TRUE(owner.chmod(file, 0600));
  EXPECT_EQ(code_of(other.truncate(file, 1)), Errc::kAccess);         // chmod took it from the mask
  ASSERT_TRUE(owner.chmod(file, 0660));
  EXPECT_FALSE(code_of(other.truncate(file, 1)));
  ASSERT_TRUE(owner.set_xattr(file, name, PosixAcl::from_mode(0640).to_xattr()));
  EXPECT_EQ(owner.attr(file)->mode(), S_IFREG | 0640u);
  EXPECT_EQ(owner.attr(file)->xattrs(), 0u);                          // it says no more than the mode
  EXPECT_EQ(code_of(owner.set_xattr(file, name, "nonsense")), Errc::kInvalid);
}

TEST_F(DirXattrs, DefaultAclIsInheritedByDirectoriesAndApplied) {
  const auto dir = host.make(kRoot, "d", S_IFDIR | 0777);
  const std::string name(kDefaultAclName);
  EXPECT_EQ(code_of(host.set_xattr(file, name, PosixAcl::from_mode(0700).to_xattr())), Errc::kAccess);
  ASSERT_TRUE(host.set_xattr(dir, name, PosixAcl::from_mode(0750).to_xattr()));
  const auto sub = host.make(dir, "s", S_IFDIR | 0777);
  EXPECT_EQ(host.attr(sub)->mode(), S_IFDIR | 0750u);
  EXPECT_EQ(*host.get_xattr(sub, name), PosixAcl::from_mode(0750).to_xattr());
  const auto inside = host.make(sub, "f", S_IFREG | 0666);
  EXPECT_EQ(host.attr(inside)->mode(), S_IFREG | 0640u);
  EXPECT_EQ(code_of(host.get_xattr(inside, name)), Errc::kNoAttribute);
}

}  // namespace
}  // namespace conclave::dir
