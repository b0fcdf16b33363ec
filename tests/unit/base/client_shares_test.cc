#include "base/client_shares.h"

#include <gtest/gtest.h>

namespace conclave {
namespace {

struct Shares : ::testing::Test {
  ClientShares shares{{.connections = 3, .streams = 1, .body_bytes = 100, .all_body_bytes = 150}};
};

TEST_F(Shares, OneClientLeavesRoomForOthers) {
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(shares.connect("user mallory"));
  EXPECT_FALSE(shares.connect("user mallory"));
  EXPECT_TRUE(shares.connect("user alice"));
  EXPECT_TRUE(shares.begin_stream("user mallory"));
  EXPECT_FALSE(shares.begin_stream("user mallory"));
  EXPECT_TRUE(shares.begin_stream("user alice"));
  EXPECT_TRUE(shares.take_body("user mallory", 100));
  EXPECT_FALSE(shares.take_body("user mallory", 1));
  EXPECT_TRUE(shares.take_body("user alice", 50));
}

TEST_F(Shares, AllTogetherHaveALimitToo) {
  EXPECT_TRUE(shares.take_body("user a", 80));
  EXPECT_TRUE(shares.take_body("user b", 70));
  EXPECT_FALSE(shares.take_body("user c", 1));
  shares.give_body("user b", 70);
  EXPECT_TRUE(shares.take_body("user c", 70));
}

TEST_F(Shares, WhatIsGivenBackCanBeTakenAgain) {
  for (int round = 0; round < 100; ++round) {
    ASSERT_TRUE(shares.connect("host desk"));
    ASSERT_TRUE(shares.begin_stream("host desk"));
    ASSERT_TRUE(shares.take_body("host desk", 100));
    shares.give_body("host desk", 100);
    shares.end_stream("host desk");
    shares.disconnect("host desk");
  }
}

TEST_F(Shares, ABodyThatNeverFitsIsRefused) {
  EXPECT_FALSE(shares.take_body("host desk", 101));
  EXPECT_FALSE(shares.take_body("host desk", SIZE_MAX));
  EXPECT_TRUE(shares.take_body("host desk", 100));
}

TEST_F(Shares, CertificatesOfOnePersonAreOneClient) {
  Peer first{Role::kUser, "alice", 1000, 1000, "", {}};
  Peer second = first;
  second.fingerprint[0] = 9;
  EXPECT_EQ(client_of(first), client_of(second));
  second.role = Role::kHost;
  EXPECT_NE(client_of(first), client_of(second));
}

}  // namespace
}  // namespace conclave
