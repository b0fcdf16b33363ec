#include "base/errc.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

namespace conclave {
namespace {

Errc nth(int i) {
  return static_cast<Errc>(i);
}

TEST(Errc, NamesAreDistinctAndFindTheirCode) {
  std::set<std::string_view> names;
  for (int i = 0; i < kErrcCount; ++i) {
    EXPECT_TRUE(names.insert(name_of(nth(i))).second) << name_of(nth(i));
    EXPECT_EQ(errc_of_name(name_of(nth(i))), nth(i));
  }
  EXPECT_EQ(errc_of_name("FromTheFuture"), Errc::kInternal);
  EXPECT_EQ(errc_of_name(""), Errc::kInternal);
}

TEST(Errc, EveryCodeHasAnErrnoAndAConnectCodeWithItsStatus) {
  for (int i = 0; i < kErrcCount; ++i) {
    EXPECT_GT(errno_of(nth(i)), 0);
    EXPECT_FALSE(connect_code_of(nth(i)).empty());
    EXPECT_GE(http_status_of(nth(i)), 400);
    EXPECT_LE(http_status_of(nth(i)), 504);
  }
}

TEST(Errc, ErrnoOfALocalCallComesBackAsItself) {
  for (const int value :
       {ENOENT, EEXIST, ENOTDIR, EISDIR, ENOTEMPTY, EPERM, EACCES,  EINVAL,       ENOSPC, EDQUOT, EROFS,
        EXDEV,  EMLINK, ELOOP,   EAGAIN, EINTR,     EBUSY, ETXTBSY, ENAMETOOLONG, EFBIG,  EIO}) {
    EXPECT_EQ(errno_of(errc_of_errno(value)), value);
  }
  EXPECT_EQ(errc_of_errno(EACCES), Errc::kAccess);
  EXPECT_EQ(errc_of_errno(EAGAIN), Errc::kWouldBlock);
  EXPECT_EQ(errc_of_errno(ENOTTY), Errc::kIo);
}

TEST(Errc, OnlyUnknownMayHaveHappened) {
  for (int i = 0; i < kErrcCount; ++i) {
    EXPECT_EQ(retry_of(nth(i)) == Retry::kSameOpOnly, nth(i) == Errc::kUnknown) << name_of(nth(i));
  }
  EXPECT_EQ(retry_of(Errc::kUnavailable), Retry::kSafe);
  EXPECT_EQ(retry_of(Errc::kNotFound), Retry::kNo);
}

}  // namespace
}  // namespace conclave
