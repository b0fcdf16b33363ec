#include "client/tree/class_rule.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace conclave::client {
namespace {

using dir::v1::Class;
constexpr InodeId kFolder{50};

bool fits(InodeId parent, Class parent_class, const char* name, std::uint32_t mode, Class told) {
  dir::v1::Attr attr;
  attr.set_mode(mode);
  attr.set_class_(told);
  return check_entry_class(parent, parent_class, name, attr).has_value();
}

TEST(ClassRule, BelowSecretsEverythingIsASecretWhateverDSays) {
  EXPECT_TRUE(fits(kRootInode, dir::v1::PLAIN, "secrets", S_IFDIR | 01777, dir::v1::SECRET));
  EXPECT_FALSE(fits(kRootInode, dir::v1::PLAIN, "secrets", S_IFDIR | 01777, dir::v1::PLAIN));
  EXPECT_FALSE(fits(kRootInode, dir::v1::PLAIN, "secrets", S_IFLNK | 0777, dir::v1::SECRET));
  EXPECT_FALSE(fits(kRootInode, dir::v1::PLAIN, "secrets", S_IFREG | 0644, dir::v1::SECRET));
  EXPECT_TRUE(fits(kFolder, dir::v1::SECRET, "db", S_IFREG | 0644, dir::v1::SECRET));
  EXPECT_TRUE(fits(kFolder, dir::v1::SECRET, "prod", S_IFDIR | 0755, dir::v1::SECRET));
  for (const Class told : {dir::v1::PLAIN, dir::v1::APPEND, dir::v1::CHAT}) {
    EXPECT_FALSE(fits(kFolder, dir::v1::SECRET, "db", S_IFREG | 0644, told));
    EXPECT_FALSE(fits(kFolder, dir::v1::SECRET, "prod", S_IFDIR | 0755, told));
  }
}

TEST(ClassRule, ALinkOrAPipeBelowSecretsWouldCarryThemOut) {
  for (const std::uint32_t type : {S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK}) {
    EXPECT_FALSE(fits(kFolder, dir::v1::SECRET, "db", type | 0644, dir::v1::SECRET)) << type;
    EXPECT_FALSE(check_new_entry(dir::v1::SECRET, type | 0644)) << type;
    EXPECT_TRUE(check_new_entry(dir::v1::PLAIN, type | 0644)) << type;
  }
  EXPECT_TRUE(check_new_entry(dir::v1::SECRET, S_IFREG | 0644));
  EXPECT_TRUE(check_new_entry(dir::v1::SECRET, S_IFDIR | 0755));
}

TEST(ClassRule, ElsewhereNothingIsASecret) {
  EXPECT_TRUE(fits(kRootInode, dir::v1::PLAIN, "home", S_IFDIR | 0755, dir::v1::PLAIN));
  EXPECT_TRUE(fits(kRootInode, dir::v1::PLAIN, "sensors", S_IFDIR | 0755, dir::v1::APPEND));
  EXPECT_TRUE(fits(kFolder, dir::v1::PLAIN, "secrets", S_IFDIR | 0755, dir::v1::PLAIN));
  EXPECT_FALSE(fits(kFolder, dir::v1::PLAIN, "secrets", S_IFDIR | 0755, dir::v1::SECRET));
  EXPECT_FALSE(fits(kRootInode, dir::v1::PLAIN, "home", S_IFDIR | 0755, dir::v1::SECRET));
}

TEST(ClassRule, BelowChatNothingIsMadeWhileItWouldLieThereInClearText) {
  for (const std::uint32_t type : {S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO}) {
    const Status made = check_new_entry(dir::v1::CHAT, type | 0644);
    ASSERT_FALSE(made) << type;
    EXPECT_EQ(made.error().code, Errc::kNotSupported);
    EXPECT_NE(made.error().message.find("clear text"), std::string::npos);
  }
  EXPECT_TRUE(check_new_entry(dir::v1::APPEND, S_IFREG | 0644));
}

}  // namespace
}  // namespace conclave::client
