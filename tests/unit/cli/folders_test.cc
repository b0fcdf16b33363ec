#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/config.h"
#include "cli/cluster_folder.h"
#include "cli/identity_folder.h"
#include "cli/server_files.h"

namespace conclave::cli {
namespace {

class Folders : public testing::Test {
 protected:
  Folders() : path_(testing::TempDir() + "/folders_" + std::to_string(getpid())) { std::filesystem::create_directories(path_); }
  ~Folders() override { std::filesystem::remove_all(path_); }
  std::string path_;
  SystemFiles files_;
};

TEST_F(Folders, FileServersAreListedByNumberAndNothingElseIs) {
  for (const char* name : {"fileserver-10", "fileserver-2", "fileserver-", "fileserver-x", "fileserver-3x", "vault", "run"}) {
    std::filesystem::create_directories(path_ + "/" + name + "/data");
  }
  EXPECT_EQ(*ClusterFolder{path_}.file_servers(files_), (std::vector<std::string>{"fileserver-2", "fileserver-10"}));
  EXPECT_EQ(*ClusterFolder{path_}.servers(files_),
            (std::vector<std::string>{"lockserver", "dirserver", "fileserver-2", "fileserver-10", "vault"}));
}

TEST_F(Folders, AFileServerThatWasLeftHalfMadeIsNone) {
  std::filesystem::create_directories(path_ + "/fileserver-1");   // neither configured nor ever run
  EXPECT_TRUE(ClusterFolder{path_}.file_servers(files_)->empty());
  ASSERT_TRUE(files_.write_all(path_ + "/fileserver-1/fileserver.toml", ""));
  EXPECT_EQ(ClusterFolder{path_}.file_servers(files_)->size(), 1u);
  // What has data was one, and its missing configuration must be said.
  std::filesystem::create_directories(path_ + "/fileserver-2/data");
  EXPECT_EQ(ClusterFolder{path_}.file_servers(files_)->size(), 2u);
}

TEST_F(Folders, EachServersConfigurationIsNamedAfterItsKind) {
  EXPECT_EQ(ClusterFolder{"/d"}.config("fileserver-2"), "/d/fileserver-2/fileserver.toml");
  EXPECT_EQ(ClusterFolder{"/d"}.config("vault"), "/d/vault/vault.toml");
}

TEST_F(Folders, AnIdentitysConfigurationComesBackWhateverItsPathHolds) {
  const IdentityFolder folder{path_};
  IdentityConfig config;
  config.cluster_folder = "/srv/a \"quoted\" \\ path\nwith a line end";
  config.roster_1[0] = 0xab;
  ASSERT_TRUE(config.save(files_, folder));
  const auto back = IdentityConfig::load(files_, folder);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->cluster_folder, config.cluster_folder);
  EXPECT_EQ(back->roster_1, config.roster_1);
}

TEST_F(Folders, WhatWeWriteIsToml) {
  for (const std::string& text : {lockserver_toml("127.0.0.1:1"), dirserver_toml("[::1]:2", 2, 0, 0), vault_toml("127.0.0.1:3"),
                                  fileserver_toml("3", "127.0.0.1:4", "127.0.0.1:5"), mount_toml()}) {
    EXPECT_TRUE(Config::parse(text, "test")) << text;
  }
}

TEST(AbsolutePath, IsNormalAndHasNoSlashAtItsEnd) {
  EXPECT_EQ(absolute_path("/a/./b/../c/"), "/a/c");
  EXPECT_EQ(absolute_path("/"), "/");
  EXPECT_TRUE(absolute_path("x").starts_with("/"));
}

}  // namespace
}  // namespace conclave::cli
