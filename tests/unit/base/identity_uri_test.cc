#include "base/identity_uri.h"

#include <gtest/gtest.h>

namespace conclave {
namespace {

constexpr ClusterId kCluster = {0xab};
const std::string kHex = "ab" + std::string(30, '0');

TEST(IdentityUri, ComesBackAsItself) {
  for (const auto& [subject, uri] : std::initializer_list<std::pair<CertificateSubject, std::string>>{
           {{Role::kFile, "3", 0, 0, ""}, "conclave://file." + kHex + "/3"},
           {{Role::kHost, "a.b_c-d", 0, 0, ""}, "conclave://host." + kHex + "/a.b_c-d"},
           {{Role::kGuest, "bob", 0, 0, ""}, "conclave://user." + kHex + "/bob"},
           {{Role::kUser, "alice", 1001, UINT32_MAX, "00ff"},
            "conclave://user." + kHex + "/alice?uid=1001&gid=4294967295&device=00ff"}}) {
    EXPECT_EQ(*write_identity(subject, kCluster), uri);
    const auto peer = read_identity(uri, kCluster);
    ASSERT_TRUE(peer) << uri;
    EXPECT_EQ(peer->role, subject.role);
    EXPECT_EQ(peer->name, subject.name);
    EXPECT_EQ(peer->uid, subject.uid);
    EXPECT_EQ(peer->gid, subject.gid);
    EXPECT_EQ(peer->device_kid_hex, subject.device_kid_hex);
  }
}

TEST(IdentityUri, AnythingElseIsNobody) {
  const std::string user = "conclave://user." + kHex + "/a";
  for (const std::string& uri :
       {std::string(), std::string("conclave://"), std::string("https://file.") + kHex + "/3", "conclave://file." + kHex,
        "conclave://file." + kHex + "/", "conclave://file." + kHex + "/A", "conclave://file." + kHex + "/3/4",
        "conclave://file." + kHex + "/3?uid=0&gid=0&device=00", "conclave://guest." + kHex + "/a",
        "conclave://root." + kHex + "/a", "conclave://file.00" + kHex.substr(2) + "/3", "conclave://file/3." + kHex,
        user + "?", user + "?uid=1", user + "?uid=1&gid=1", user + "?uid=1&gid=1&device=", user + "?uid=1&gid=1&device=zz",
        user + "?uid=1&gid=1&device=00&", user + "?uid=01&gid=1&device=00", user + "?uid=+1&gid=1&device=00",
        user + "?uid=4294967296&gid=1&device=00", user + "?gid=1&uid=1&device=00", user + "?uid=1&gid=1&device=00&uid=0",
        user + "?uid=1&gid=1&device=00#", user + std::string("\0", 1)}) {
    const auto peer = read_identity(uri, kCluster);
    ASSERT_FALSE(peer) << uri;
    EXPECT_EQ(peer.error().code, Errc::kUnauthenticated);
  }
}

}  // namespace
}  // namespace conclave
