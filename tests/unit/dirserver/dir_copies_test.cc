// Births of chunks, and servers that leave the in-sync sets of copies that are no good.
#include "dirserver/dir_copies.h"

#include <gtest/gtest.h>

#include "tests/unit/dirserver/dir_world.h"

namespace conclave::dir {
namespace {

constexpr std::uint64_t kRoot = 1;

class DirCopies : public testing::Test {
 protected:
  sim::SimFiles files;
  DirWorld world{files};
  DirSession host = host_session(world);
  std::uint64_t file = 0;
  v1::Layout placed;

  void SetUp() override {
    world.add_server("1", "a");
    world.add_server("2", "b");
    file = host.make(kRoot, "f", S_IFREG | 0644);
    placed = host.place(file, {0})->layouts(0);
  }
  Peer server(std::uint32_t id) { return peer_named(Role::kFile, std::to_string(id)); }
  Peer master() { return server(placed.members(0)); }
  Peer replica() { return server(placed.members(1)); }
  v1::Layout now() { return host.place(file, {0}, false)->layouts(0); }
  ChunkPermit permit_of(const v1::Layout& layout) { return world.keys().open_permit(view_of(layout.permit())).value(); }

  Result<v1::CommitResponse> commit(std::uint64_t index, std::uint64_t chunk) {
    v1::CommitRequest request;
    request.set_inode(file);
    request.set_size_bytes(100);
    request.set_mtime_ns(5);
    request.set_token(host.lease(file, LeaseMode::kWrite));
    v1::ChunkRef& born = *request.add_born();
    born.set_index(index);
    born.set_chunk(chunk);
    return host.change<v1::CommitResponse>("Commit", request);
  }
  Result<v1::BornResponse> born(const Peer& from, const v1::Layout& layout) {
    v1::BornRequest request;
    request.add_permits(layout.permit());
    return world.call<v1::BornResponse>(from, "Born", request);
  }
  Result<v1::LeaveResponse> leave(const Peer& from, const v1::Layout& layout) {
    v1::LeaveRequest request;
    request.add_permits(layout.permit());
    return world.call<v1::LeaveResponse>(from, "Leave", request);
  }
  Result<v1::HeartbeatResponse> beat(const Peer& from, std::uint64_t inode, std::uint64_t chunk) {
    v1::HeartbeatRequest request;
    request.set_boot(1);
    request.set_free_bytes(50ull << 30);
    if (chunk != 0) {
      v1::ChunkRef& lacking = *request.add_lacking();
      lacking.set_inode(inode);
      lacking.set_chunk(chunk);
    }
    return world.call<v1::HeartbeatResponse>(from, "Heartbeat", request);
  }
};

TEST_F(DirCopies, AChunkIsBornWhenItsWriterCommits) {
  EXPECT_FALSE(placed.born());
  EXPECT_FALSE(permit_of(placed).born);
  const auto answer = commit(0, placed.chunk());
  ASSERT_TRUE(answer) << answer.error().message;
  ASSERT_EQ(answer->born_size(), 1);
  EXPECT_TRUE(permit_of(answer->born(0)).born);
  EXPECT_EQ(answer->born(0).permit(), now().permit());
  world.start();   // it is in the database
  world.clock().advance(kFileServerDead);   // until then file servers might say that it is an old one
  EXPECT_TRUE(now().born());
}

TEST_F(DirCopies, AChunkThatIsNotKnownIsNoBirthAndNoCommit) {
  EXPECT_EQ(code_of(commit(0, placed.chunk() + 1)), Errc::kStale);
  EXPECT_EQ(code_of(commit(1, placed.chunk())), Errc::kStale);
  EXPECT_EQ(host.attr(file)->size_bytes(), 0u);
  EXPECT_FALSE(now().born());
}

TEST_F(DirCopies, AMasterTellsBirthsSynced) {
  EXPECT_EQ(code_of(born(replica(), placed)), Errc::kStale);
  const auto syncs = files.all_syncs();
  ASSERT_TRUE(born(master(), placed));
  EXPECT_GT(files.all_syncs(), syncs);
  EXPECT_TRUE(now().born());
}

TEST_F(DirCopies, AMasterThatLeavesIsFollowedByTheNextMember) {
  const auto left = leave(master(), placed);
  ASSERT_TRUE(left) << left.error().message;
  ASSERT_EQ(left->left_size(), 1);
  const v1::Layout after = now();
  ASSERT_EQ(after.members_size(), 1);
  EXPECT_EQ(after.members(0), placed.members(1));
  EXPECT_EQ(permit_of(after).chainver, 2u);
  EXPECT_EQ(leave(master(), placed)->left_size(), 1);     // asked again, under the old permit: nothing more happens
  EXPECT_EQ(permit_of(now()).chainver, 2u);
  EXPECT_EQ(leave(replica(), after)->left_size(), 0);     // the last one stays
  EXPECT_EQ(now().members_size(), 1);
}

TEST_F(DirCopies, NobodyLeavesWhileTheOthersAreDown) {
  world.clock().advance(kFileServerDead);
  world.add_server(master().name, "a");
  EXPECT_EQ(leave(master(), placed)->left_size(), 0);
  world.add_server(replica().name, "b");
  EXPECT_EQ(leave(master(), placed)->left_size(), 1);
}

TEST_F(DirCopies, AHeartbeatNamesCopiesThatAreNoGood) {
  for (const bool known : {true, false}) {
    const auto first = beat(master(), known ? file : 0, placed.chunk());
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_EQ(first->left_size(), 0);
    EXPECT_EQ(now().members_size(), 1) << known;
    EXPECT_EQ(beat(master(), known ? file : 0, placed.chunk())->left_size(), 1);
    file = host.make(kRoot, known ? "g" : "h", S_IFREG | 0644);
    placed = host.place(file, {0})->layouts(0);
    ASSERT_EQ(placed.members_size(), 2);
  }
}

TEST_F(DirCopies, HealthTellsOfCopiesThatNobodyElseHas) {
  world.clock().advance(kFileServerDead);
  world.add_server(master().name, "a");
  ASSERT_TRUE(beat(master(), file, placed.chunk()));
  std::uint64_t lacking = 0;
  const auto health = *host.read<v1::HealthResponse>("Health", v1::HealthRequest());
  for (const auto& member : health.members()) lacking += member.lacking();
  EXPECT_EQ(lacking, 1u);
  EXPECT_EQ(now().members_size(), 2);
}

}  // namespace
}  // namespace conclave::dir
