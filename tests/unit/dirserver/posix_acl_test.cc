#include "dirserver/posix_acl.h"

#include <gtest/gtest.h>

#include "dirserver/permissions.h"

namespace conclave::dir {
namespace {

std::string entry(unsigned tag, unsigned permissions, std::uint32_t id = 0xffffffff) {
  std::string out;
  for (const unsigned byte : {tag & 0xff, tag >> 8, permissions & 0xff, permissions >> 8}) out.push_back(static_cast<char>(byte));
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(id >> (8 * i)));
  return out;
}
const std::string kHead("\2\0\0\0", 4);

// user::rw-, user:7:r--, group::r--, group:8:rw-, mask::r--, other::---
const std::string kExample = kHead + entry(1, 6) + entry(2, 4, 7) + entry(4, 4) + entry(8, 6, 8) + entry(16, 4) + entry(32, 0);

TEST(PosixAcl, RoundTrips) {
  const auto acl = PosixAcl::parse(view_of(kExample));
  ASSERT_TRUE(acl) << acl.error().message;
  EXPECT_EQ(acl->to_xattr(), kExample);
  EXPECT_EQ(acl->mode_bits(), 0640u);
  EXPECT_FALSE(acl->equals_mode());
  EXPECT_EQ(PosixAcl::from_mode(0751).mode_bits(), 0751u);
  EXPECT_TRUE(PosixAcl::from_mode(0751).equals_mode());
}

TEST(PosixAcl, EveryTruncationIsRefusedOrShorter) {
  for (std::size_t size = 1; size < kExample.size(); ++size) {
    EXPECT_FALSE(PosixAcl::parse(view_of(kExample.substr(0, size))) && size != 4) << size;
  }
}

TEST(PosixAcl, InvalidOnesAreRefused) {
  const std::string base = entry(1, 6) + entry(4, 4) + entry(32, 0);
  const std::string table[] = {
      kHead + entry(1, 6) + entry(4, 4),                            // no other
      kHead + base + entry(1, 6),                                   // the owner twice
      kHead + base + entry(2, 4, 7),                                // a user without a mask
      kHead + base + entry(2, 4, 7) + entry(2, 4, 7) + entry(16, 7),
      kHead + base + entry(2, 4) + entry(16, 7),                    // user -1
      kHead + base + entry(64, 7),
      kHead + entry(1, 8) + entry(4, 4) + entry(32, 0),
      std::string("\1\0\0\0", 4) + base,
  };
  for (const auto& bytes : table) EXPECT_FALSE(PosixAcl::parse(view_of(bytes))) << to_hex(view_of(bytes));
}

TEST(PosixAcl, AllowsAsTheKernelDoes) {
  const auto acl = PosixAcl::parse(view_of(kExample)).value();
  const struct {
    Subject subject;
    unsigned want;
    bool allowed;
  } table[] = {
      {{1, 99, {}, false}, 6, true},        // the owner, past the mask
      {{7, 99, {}, false}, 4, true},
      {{7, 99, {}, false}, 2, false},
      {{9, 3, {}, false}, 4, true},         // the owning group
      {{9, 3, {}, false}, 2, false},
      {{9, 8, {}, false}, 4, true},
      {{9, 8, {}, false}, 2, false},        // masked
      {{9, 99, {}, false}, 4, false},       // other
  };
  for (const auto& row : table) {
    EXPECT_EQ(acl.allows(row.subject, 1, 3, row.want), row.allowed) << row.subject.uid << "/" << row.subject.gid;
  }
}

TEST(PosixAcl, ChmodSetsTheMaskNotTheGroup) {
  auto acl = PosixAcl::parse(view_of(kExample)).value();
  acl.apply_mode(0777);
  EXPECT_EQ(acl.mode_bits(), 0777u);
  EXPECT_TRUE(acl.allows({9, 8, {}, false}, 1, 3, 6));     // the mask no longer limits group 8
  EXPECT_FALSE(acl.allows({9, 3, {}, false}, 1, 3, 2));    // the owning group's own entry is as it was
}

TEST(PosixAcl, InheritedIsWhatBothAllow) {
  const auto standard = PosixAcl::parse(view_of(kExample)).value();
  std::uint32_t mode = S_IFREG | 0666;
  const auto made = standard.inherited(mode);
  EXPECT_EQ(mode, S_IFREG | 0640u);
  EXPECT_EQ(made.mode_bits(), 0640u);
  mode = S_IFREG | 0400;
  EXPECT_EQ(standard.inherited(mode).mode_bits(), 0400u);
  EXPECT_EQ(mode, S_IFREG | 0400u);
}

}  // namespace
}  // namespace conclave::dir
