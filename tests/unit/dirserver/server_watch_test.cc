#include "dirserver/server_watch.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/dirserver/dir_world.h"

namespace conclave::dir {
namespace {

constexpr std::uint64_t kRoot = 1;

// The machines of file servers, as a SYN finds them.
struct Machines {
  Result<bool> listens(const Endpoint& to) {
    ++asked;
    if (silent) return Error(Errc::kUnavailable, "nothing");
    return !refusing.contains(to.name);
  }
  int asked = 0;
  bool silent = false;
  std::set<std::string> refusing;
};

class Watch : public testing::Test {
 protected:
  sim::SimFiles files;
  DirWorld world{files};
  DirSession host = host_session(world);
  Machines machines;
  Log quiet{"test", LogLevel::kError};
  std::unique_ptr<ServerWatch> watch;

  void SetUp() override {
    world.add_server("f1");
    world.add_server("f2");
    restart_watch();
  }
  void restart_watch() {
    watch = std::make_unique<ServerWatch>(ClusterId{}, world.store(), world.servers(),
                                          world.jobs(), [this](const Endpoint& to, MonoTime) { return machines.listens(to); },
                                          world.clock(), quiet);
  }
  // Time passes, in which these file servers send heartbeats.
  void pass(Duration time, const std::vector<std::string>& alive) {
    for (const MonoTime end = world.clock().now() + time; world.clock().now() < end;) {
      for (const std::string& name : alive) beat(name);
      world.clock().advance(100ms);
      watch->tick(world.clock().now());
    }
  }
  std::optional<Errc> beat(const std::string& name) {
    v1::HeartbeatRequest request;
    request.set_boot(1);
    request.set_free_bytes(50ull << 30);
    const auto answer = world.call<v1::HeartbeatResponse>(peer_named(Role::kFile, name), "Heartbeat", request);
    return answer ? std::nullopt : std::optional(answer.error().code);
  }
  v1::Layout layout_of_file(std::uint64_t file) { return host.place(file, {0}, false)->layouts(0); }
  std::string name_of_member(std::uint32_t id) { return "f" + std::to_string(id); }
};

TEST_F(Watch, TheNextMemberIsTheMasterOnceHeartbeatsHaveStopped) {
  machines.silent = true;
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  const v1::Layout before = host.place(file, {0})->layouts(0);
  const std::string replica = name_of_member(before.members(1));
  pass(kFileServerDead - 200ms, {replica});
  EXPECT_EQ(layout_of_file(file).members_size(), 2);
  pass(400ms, {replica});
  const v1::Layout after = layout_of_file(file);
  ASSERT_EQ(after.members_size(), 1);
  EXPECT_EQ(after.members(0), before.members(1));
  EXPECT_EQ(world.keys().open_permit(view_of(after.permit()))->chainver, 2u);
}

TEST_F(Watch, NobodyIsTakenOutWhileNobodyElseStands) {
  machines.silent = true;
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  const v1::Layout before = host.place(file, {0})->layouts(0);
  pass(10s, {});
  EXPECT_EQ(layout_of_file(file).members_size(), 2);
  // One of them comes back: the other goes.
  const std::string back = name_of_member(before.members(1));
  EXPECT_EQ(beat(back), std::nullopt) << "the same start: it never went";
  pass(5s, {back});
  const v1::Layout after = layout_of_file(file);
  ASSERT_EQ(after.members_size(), 1);
  EXPECT_EQ(after.members(0), before.members(1));
}

TEST_F(Watch, AProcessThatHasEndedIsReplacedAtOnceAndMustRegisterAgain) {
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  const v1::Layout before = host.place(file, {0})->layouts(0);
  const auto other = host.make(kRoot, "other", S_IFREG | 0644);
  ASSERT_TRUE(host.place(other, {0}));
  const std::string master = name_of_member(before.members(0));
  machines.refusing = {server_dns_name(Role::kFile, master, ClusterId{})};
  v1::PlaceRequest question;
  question.set_inode(file);
  question.add_indexes(0);
  question.set_token(host.lease(file, LeaseMode::kRead));
  question.add_silent(before.members(0));
  ASSERT_TRUE(host.read<v1::PlaceResponse>("Place", question));
  pass(100ms, {name_of_member(before.members(1))});
  const v1::Layout after = layout_of_file(file);
  ASSERT_EQ(after.members_size(), 1);
  EXPECT_EQ(after.members(0), before.members(1));
  EXPECT_EQ(beat(master), Errc::kStale);
  EXPECT_EQ(layout_of_file(other).members_size(), 2) << "nobody waits for it, and the server may come back";
  pass(kFileServerDead, {name_of_member(before.members(1))});
  EXPECT_EQ(layout_of_file(other).members_size(), 1);
}

TEST_F(Watch, OneThatListensIsNotReplacedWhateverClientsSay) {
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  const v1::Layout before = host.place(file, {0})->layouts(0);
  world.servers().suspect(ServerId{before.members(0)}, {InodeId{file}, 0});
  pass(100ms, {});
  pass(2s, {"f1", "f2"});
  EXPECT_GT(machines.asked, 0);
  EXPECT_EQ(layout_of_file(file).permit(), before.permit());
}

TEST_F(Watch, AfterItsOwnStartDReplacesNobodyBeforeTheyCouldBeHeard) {
  machines.silent = true;
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  ASSERT_TRUE(host.place(file, {0}));
  world.clock().advance(1h);
  world.start();
  restart_watch();
  watch->tick(world.clock().now());
  world.add_server("f1");
  pass(kFileServerDead - 300ms, {"f1"});
  EXPECT_EQ(layout_of_file(file).members_size(), 2);
  pass(500ms, {"f1"});
  EXPECT_EQ(layout_of_file(file).members_size(), 1);
}

TEST_F(Watch, ThousandsOfChunksAreTakenOut) {
  machines.silent = true;
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  std::vector<std::uint64_t> some;
  for (std::uint64_t i = 0; i < 1200; ++i) {
    some.push_back(i);
    if (some.size() < 200) continue;
    ASSERT_TRUE(host.place(file, std::exchange(some, {})));
  }
  pass(kFileServerDead + 300ms, {"f2"});
  const auto left = *world.store().read<std::vector<ChunkPlace>>(
      [](View& view) { return view.copies_at(ServerId{1}, true, {}, 10); });
  EXPECT_TRUE(left.empty());
  const auto stale = *world.store().read<std::vector<ChunkPlace>>(
      [](View& view) { return view.copies_at(ServerId{1}, false, {}, 5000); });
  EXPECT_EQ(stale.size(), 1200u);
}

}  // namespace
}  // namespace conclave::dir
