#include "dirserver/dir_duties.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/dirserver/dir_world.h"

namespace conclave::dir {
namespace {

constexpr std::uint64_t kRoot = 1;

// A lock server's side of what D asks, reached without a network.
class LockSide final : public Transport {
 public:
  explicit LockSide(Clock& clock) : router_(clock) {
    router_.unary<lock::v1::SyncRequest, lock::v1::SyncResponse>(
        "/conclave.lock.v1.LockService/Sync", {Role::kDir},
        [this](const CallContext&, const lock::v1::SyncRequest& request) -> Result<lock::v1::SyncResponse> {
          acknowledged = request.fence_acknowledged();
          return sync;
        });
    router_.unary<lock::v1::OpensRequest, lock::v1::OpensResponse>(
        "/conclave.lock.v1.LockService/Opens", {Role::kDir},
        [this](const CallContext&, const lock::v1::OpensRequest& request) -> Result<lock::v1::OpensResponse> {
          lock::v1::OpensResponse out;
          for (const auto inode : request.inodes()) {
            if (in_use.contains(inode)) out.add_in_use(inode);
          }
          return out;
        });
  }
  Result<HttpReply> call(const Endpoint&, const HttpRequest& request, MonoTime) override {
    if (down) return Error(Errc::kUnknown, "down");
    return router_.serve(peer_named(Role::kDir, "1"), request);
  }
  Status stream(const Endpoint&, const HttpRequest&, const std::function<bool(std::string_view)>&) override {
    return Errc::kNotSupported;
  }

  lock::v1::SyncResponse sync;
  std::uint64_t acknowledged = 0;
  std::set<std::uint64_t> in_use;
  bool down = false;

 private:
  Router router_;
};

class DirDuties : public testing::Test {
 protected:
  sim::SimFiles files;
  DirWorld world{files};
  DirSession host = host_session(world);
  LockSide lock_side{world.clock()};
  lock::LockClient client{lock_side, world.clock(), Endpoint{"lock", "sim", 1}};
  Log quiet{"test", LogLevel::kError};
  LockSync lock_sync{world.store(), world.gate(), world.servers(), client, world.clock(), quiet};
  OrphanSweep sweep{world.store(), client, world.clock(), quiet};
  SyncTick sync_tick{world.store(), world.clock(), quiet};

  void SetUp() override {
    lock_side.sync.set_epoch(1);
    lock_side.sync.set_key(std::string(32, '\1'));
    lock_side.sync.add_live(100);
  }
  void tick(Duty& duty) {
    world.clock().advance_to(duty.next_tick());
    duty.tick(world.clock().now());
  }
};

TEST_F(DirDuties, OrphansGoWhenNobodyUsesThemAndTheyAreTwoSecondsOld) {
  const auto used = host.make(kRoot, "used", S_IFREG | 0644);
  const auto unused = host.make(kRoot, "unused", S_IFREG | 0644);
  ASSERT_TRUE(host.remove(kRoot, "used"));
  ASSERT_TRUE(host.remove(kRoot, "unused"));
  lock_side.in_use = {used};
  tick(sweep);
  EXPECT_EQ(world.store().figures().counts.orphans, 2u);
  world.clock().advance(2s);
  lock_side.down = true;
  tick(sweep);
  EXPECT_EQ(world.store().figures().counts.orphans, 2u);
  lock_side.down = false;
  tick(sweep);
  EXPECT_EQ(world.store().figures().counts.orphans, 1u);
  EXPECT_TRUE(host.attr(used));
  EXPECT_EQ(code_of(host.attr(unused)), Errc::kStale);
  EXPECT_EQ(world.store().synced_commit(), world.store().figures().counts.commits);
  lock_side.in_use.clear();
  tick(sweep);
  EXPECT_EQ(world.store().figures().counts.orphans, 0u);
}

TEST_F(DirDuties, ThousandsOfOrphansGoInOneSweep) {
  for (int i = 0; i < 2500; ++i) host.make(kRoot, std::to_string(i), S_IFREG | 0644);
  for (int i = 0; i < 2500; ++i) ASSERT_TRUE(host.remove(kRoot, std::to_string(i)));
  world.clock().advance(3s);
  tick(sweep);
  EXPECT_EQ(world.store().figures().counts.orphans, 0u);
  EXPECT_EQ(world.store().figures().counts.inodes, 4u);
}

TEST_F(DirDuties, AFenceIsStoredBeforeItIsAcknowledged) {
  lock_side.sync.clear_live();
  lock_side.sync.add_fenced(100);
  lock_side.sync.set_newest_fence(7);
  host.make(kRoot, "before", S_IFREG | 0644);
  tick(lock_sync);
  EXPECT_EQ(lock_side.acknowledged, 0u);
  EXPECT_EQ(code_of(host.create(kRoot, "after", S_IFREG | 0644)), Errc::kFenced);
  tick(lock_sync);
  EXPECT_EQ(lock_side.acknowledged, 7u);
  world.start();
  const auto fences = world.store().read<std::vector<View::Fence>>([](View& view) { return view.fences(0); });
  ASSERT_EQ(fences->size(), 1u);
  EXPECT_EQ((*fences)[0].number, 7u);
}

TEST_F(DirDuties, AFileServerThatIsUpHoldsTheAcknowledgementBack) {
  world.add_server("1");
  lock_side.sync.add_fenced(5);
  lock_side.sync.set_newest_fence(7);
  tick(lock_sync);
  tick(lock_sync);
  EXPECT_EQ(lock_side.acknowledged, 0u);
  v1::HeartbeatRequest beat;
  beat.set_boot(1);
  const auto told = world.call<v1::HeartbeatResponse>(peer_named(Role::kFile, "1"), "Heartbeat", beat);
  ASSERT_EQ(told->fenced_size(), 1);
  EXPECT_EQ(told->newest_fence(), 7u);
  beat.set_fence_acknowledged(7);
  EXPECT_EQ(world.call<v1::HeartbeatResponse>(peer_named(Role::kFile, "1"), "Heartbeat", beat)->fenced_size(), 0);
  tick(lock_sync);
  EXPECT_EQ(lock_side.acknowledged, 7u);
}

// It may serve for a while on what D told it before.
TEST_F(DirDuties, AFileServerThatIsNotBackYetHoldsTheAcknowledgementBack) {
  world.add_server("1");
  world.start();
  LockSync again(world.store(), world.gate(), world.servers(), client, world.clock(), quiet);
  lock_side.sync.add_fenced(5);
  lock_side.sync.set_newest_fence(7);
  for (int i = 0; i < 2; ++i) {
    tick(again);
    EXPECT_EQ(lock_side.acknowledged, 0u);
  }
  world.clock().advance(kFileServerDead);
  tick(again);
  EXPECT_EQ(lock_side.acknowledged, 7u);
}

TEST_F(DirDuties, EndedSessionsLoseTheirSlots) {
  host.make(kRoot, "f", S_IFREG | 0644);
  tick(lock_sync);
  world.start();
  EXPECT_EQ(world.store().sessions_at_start().size(), 1u);
  LockSync again(world.store(), world.gate(), world.servers(), client, world.clock(), quiet);
  lock_side.sync.clear_live();
  tick(again);
  world.clock().advance(1s);
  tick(again);
  world.start();
  EXPECT_TRUE(world.store().sessions_at_start().empty());
}

TEST_F(DirDuties, OnlyWhatIsUnsyncedIsSynced) {
  tick(sync_tick);
  const auto idle = files.all_syncs();
  tick(sync_tick);
  EXPECT_EQ(files.all_syncs(), idle);
  host.make(kRoot, "f", S_IFREG | 0644);
  tick(sync_tick);
  EXPECT_GT(files.all_syncs(), idle);
}

}  // namespace
}  // namespace conclave::dir
