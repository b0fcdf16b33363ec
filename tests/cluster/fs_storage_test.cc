// Disks that lose files, get bits flipped or are restored from a backup, below one server at a time: nobody reads
// anything else than what was written, and no good copy is given up.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/connect_client.h"
#include "tests/cluster/fs_programs.h"

namespace conclave::sim {
namespace {

constexpr std::string_view kChunkFiles = "data/chunks/";
constexpr std::string_view kJournalFiles = "data/journal-";

std::vector<std::string> files_of(SimFiles& disk, std::string_view prefix) {
  std::vector<std::string> out;
  for (const std::string& path : disk.paths()) {
    if (path.starts_with(prefix)) out.push_back(path);
  }
  return out;
}

enum class Fault : std::uint8_t { kNoChunks, kSomeChunks, kSlots, kData, kJournal, kHourAgo };
constexpr std::uint64_t kFaults = 6;

// Whose process is gone.
void damage(SimServer& server, Fault fault, const SimFiles::Backup& hour_ago, SimRandom& random) {
  SimFiles& disk = server.disk();
  const auto chunks = files_of(disk, kChunkFiles);
  const auto journals = files_of(disk, kJournalFiles);
  const auto some = [&] { return random.below(3) == 0; };
  switch (fault) {
    case Fault::kNoChunks:
      for (const auto& path : chunks) disk.lose_file(path);
      return;
    case Fault::kSomeChunks:
      for (const auto& path : chunks) {
        if (some()) disk.lose_file(path);
      }
      return;
    case Fault::kSlots:
      for (const auto& path : chunks) {
        for (const std::uint64_t slot : {0u, 128u << 10}) disk.flip_bit(path, (slot + random.below(120)) * 8);
      }
      return;
    case Fault::kData:
      for (const auto& path : chunks) disk.flip_bit(path, ((256u << 10) + random.below(100'000)) * 8);
      return;
    case Fault::kJournal:
      for (const auto& path : journals) disk.flip_bit(path, (4096 + random.below(20'000)) * 8);
      return;
    case Fault::kHourAgo: disk.restore(hour_ago); return;
  }
}

void damage_one_while_programs_run(std::uint64_t seed, Fault fault) {
  FsWorld world(seed, {.mounts = 2, .file_servers = 3});
  SimRandom& random = world.sim.random;
  const auto nap = [&](std::uint64_t most_ms) { world.sim.scheduler.sleep_for(std::chrono::milliseconds(random.below(most_ms))); };
  FsPrograms programs(world, {.steps = 60, .pause = 200ms, .may_fail = true});
  programs.make_files();
  for (const int mount : {0, 0, 1}) programs.start(mount);
  SimServer& victim = *world.files[random.below(world.files.size())];
  nap(2000);
  const auto hour_ago = victim.disk().backup();
  nap(4000);
  victim.kill();
  damage(victim, fault, *hour_ago, random);
  nap(5000);
  victim.restart();
  programs.finish();
  world.settle();
  world.sim.scheduler.sleep_for(5s);
  for (const int mount : {0, 1}) programs.read_all(mount);
}

TEST(FsStorage, ChunkFilesThatAreGoneReadAsTheOtherMemberHasThem) {
  for_seeds(3, [](std::uint64_t seed) { damage_one_while_programs_run(seed, seed % 2 == 0 ? Fault::kNoChunks : Fault::kSomeChunks); });
}

TEST(FsStorage, FlippedBitsHarmNobody) {
  for_seeds(4, [](std::uint64_t seed) { damage_one_while_programs_run(seed, seed % 2 == 0 ? Fault::kSlots : Fault::kData); });
}

TEST(FsStorage, ADamagedJournalHarmsNobody) {
  for_seeds(4, [](std::uint64_t seed) { damage_one_while_programs_run(seed, Fault::kJournal); });
}

TEST(FsStorage, AFileServerOfAnHourAgoHarmsNobody) {
  for_seeds(4, [](std::uint64_t seed) { damage_one_while_programs_run(seed, Fault::kHourAgo); });
}

// An operator's machine.
class Operator {
 public:
  explicit Operator(FsWorld& world)
      : node_(world.sim.network, "operator", ""), transport_(world.sim.network, node_, sim_peer(Role::kHost, "operator")),
        client_(transport_, world.sim.clock, world.dir.endpoint()) {}
  Result<dir::v1::RecoverResponse> recover(const std::string& fileserver, bool accept) {
    dir::v1::RecoverRequest request;
    request.set_fileserver(fileserver);
    request.set_accept(accept);
    return client_.call<dir::v1::RecoverResponse>("/conclave.dir.v1.DirService/Recover", request);
  }
  Result<dir::v1::HealthResponse> health() {
    return client_.call<dir::v1::HealthResponse>("/conclave.dir.v1.DirService/Health", dir::v1::HealthRequest());
  }

 private:
  SimNode node_;
  SimTransport transport_;
  ConnectClient client_;
};

// What a power loss may take was never in the mark.
TEST(FsStorage, AFileServerThatOnlyLostItsPowerIsBelieved) {
  for_seeds(4, [](std::uint64_t seed) {
    FsWorld world(seed, {.mounts = 2, .file_servers = 3});
    Operator oper(world);
    FsPrograms programs(world, {.steps = 60, .pause = 200ms, .may_fail = true});
    programs.make_files();
    for (const int mount : {0, 1, 1}) programs.start(mount);
    for (int i = 0; i < 4 && programs.running(); ++i) {
      world.sim.scheduler.sleep_for(std::chrono::milliseconds(world.sim.random.below(3000)));
      SimServer& server = *world.files[world.sim.random.below(world.files.size())];
      i % 2 == 0 ? world.lose_power(server, 1s) : FsWorld::crash(server, 1s);
    }
    programs.finish();
    world.sim.scheduler.sleep_for(3s);
    const auto health = oper.health();
    ASSERT_TRUE(health) << health.error().message;
    for (const auto& member : health->members()) EXPECT_EQ(member.behind_ns(), 0) << member.name();
    EXPECT_FALSE(health->has_newer());
  });
}

void write_file(SimMount& mount, const std::string& path, std::uint64_t offset, ByteView bytes) {
  const auto handle = mount.create(path, O_RDWR);
  ASSERT_TRUE(handle) << path << ": " << handle.error().message;
  ASSERT_TRUE(mount.write(*handle, offset, bytes));
  const Status synced = mount.fsync(*handle);
  EXPECT_TRUE(synced) << path << ": " << synced.error().message;
  mount.close(*handle);
}

TEST(FsStorage, ADirectoryServerOfAnHourAgoServesNothingUntilItIsAccepted) {
  FsWorld world(1, {.mounts = 2});
  Operator oper(world);
  world.on_mount(0, [&](SimMount& mount) { write_file(mount, "first", 0, view_of("first")); });
  world.dir.kill();
  const auto hour_ago = world.dir.disk().backup();
  world.dir.restart();
  const Bytes secret(50'000, 's');
  world.on_mount(0, [&](SimMount& mount) {
    world.sim.scheduler.sleep_for(2s);
    for (int i = 0; i < 10; ++i) write_file(mount, "private" + std::to_string(i), 0, secret);
  });
  world.sim.scheduler.sleep_for(10s);
  world.dir.kill();
  world.dir.disk().restore(*hour_ago);
  world.dir.restart();
  world.sim.scheduler.sleep_for(5s);
  world.mount(1).kill();
  world.mount(1).restart();
  world.settle();
  world.on_mount(1, [&](SimMount& mount) {
    EXPECT_FALSE(mount.stat("first"));
    EXPECT_FALSE(mount.create("new", O_RDWR));
  });
  EXPECT_TRUE(oper.health()->has_newer());
  EXPECT_TRUE(oper.recover("", false)->has_newer());
  ASSERT_TRUE(oper.recover("", true));
  EXPECT_FALSE(oper.health()->has_newer());
  world.sim.scheduler.sleep_for(2s);
  world.on_mount(1, [&](SimMount& mount) {
    for (int i = 0; i < 10; ++i) {
      const std::string path = "sparse" + std::to_string(i);
      write_file(mount, path, 60'000, view_of("end"));
      const auto handle = mount.open(path, O_RDONLY);
      ASSERT_TRUE(handle) << handle.error().message;
      const auto bytes = mount.read(*handle, 0, 100'000);
      ASSERT_TRUE(bytes) << bytes.error().message;
      EXPECT_TRUE(*bytes == std::string(60'000, '\0') + "end");
      mount.close(*handle);
    }
  });
  for (auto& server : world.files) {   // whoever comes late, or again, changes nothing
    FsWorld::crash(*server, 1s);
    world.sim.scheduler.sleep_for(3s);
  }
  world.dir.kill();
  world.dir.restart();
  world.sim.scheduler.sleep_for(5s);
  EXPECT_FALSE(oper.health()->has_newer());
}

TEST(FsStorage, WhatLiesOnlyOnAFolderOfAnHourAgoIsRefusedUntilItIsAccepted) {
  FsWorld world(1, {.mounts = 1, .file_servers = 1, .replicas = 1});
  Operator oper(world);
  world.on_mount(0, [&](SimMount& mount) { write_file(mount, "f", 0, view_of("old")); });
  const auto hour_ago = world.files[0]->disk().backup();
  world.on_mount(0, [&](SimMount& mount) { write_file(mount, "f", 0, view_of("new")); });
  world.sim.scheduler.sleep_for(2s);
  world.files[0]->kill();
  world.files[0]->disk().restore(*hour_ago);
  world.files[0]->restart();
  world.sim.scheduler.sleep_for(3s);
  const auto content = [&] {
    Result<std::string> out = Errc::kInternal;
    world.mount(0).kill();   // what it has cached is of no use
    world.mount(0).restart();
    world.sim.scheduler.sleep_for(1s);
    world.on_mount(0, [&](SimMount& mount) {
      const auto handle = mount.open("f", O_RDONLY);
      ASSERT_TRUE(handle) << handle.error().message;
      out = mount.read(*handle, 0, 100);
      mount.close(*handle);
    });
    return out;
  };
  EXPECT_EQ(content().error().code, Errc::kCorrupt);
  EXPECT_EQ(oper.health()->doubted(), 1u);
  EXPECT_EQ(oper.recover("1", false)->doubted(), 1u);
  ASSERT_TRUE(oper.recover("1", true));
  EXPECT_EQ(oper.health()->doubted(), 0u);
  EXPECT_EQ(*content(), "old");
}

}  // namespace
}  // namespace conclave::sim
