// Two and three file servers in the simulator: what a client wrote is at every member, whatever dies on the way.
#include "tests/unit/fileserver/file_world.h"

namespace conclave::file {
namespace {

std::string pattern(std::size_t size, std::uint64_t seed) {
  std::string out(size, '\0');
  sim::SimRandom random(seed);
  random.fill({reinterpret_cast<std::uint8_t*>(out.data()), out.size()});
  return out;
}

void expect_equal_members(FileWorld& world, ChunkId chunk = kChunk) {
  const auto first = world.at(raw(world.dir.permits.at(chunk).members.front())).store().head(chunk);
  const auto content = world.at(raw(world.dir.permits.at(chunk).members.front())).content(chunk);
  ASSERT_TRUE(content) << content.error().message;
  for (const ServerId id : world.dir.permits.at(chunk).members) {
    const auto head = world.at(raw(id)).store().head(chunk);
    EXPECT_EQ(head->sequence, first->sequence) << "at " << raw(id);
    EXPECT_EQ(head->link, first->link) << "at " << raw(id);
    const auto other = world.at(raw(id)).content(chunk);
    ASSERT_TRUE(other) << other.error().message;
    EXPECT_TRUE(*other == *content) << "at " << raw(id);
  }
}

TEST(Replication, AWriteIsAtEveryMemberWhenItIsAnswered) {
  FileWorld world(1, 3);
  const std::string big = pattern(1u << 20, 1);
  ASSERT_TRUE(world.write(0, big));
  ASSERT_TRUE(world.write(5000, "small"));
  std::string expected = big;
  expected.replace(5000, 5, "small");
  for (std::size_t id = 1; id <= 3; ++id) EXPECT_TRUE(*world.at(id).content() == expected);
  EXPECT_EQ(*world.client.read(world.where(), world.token(LeaseMode::kRead, 101), 4990, 20), expected.substr(4990, 20));
  EXPECT_TRUE(world.client.truncate(world.where(), world.token(LeaseMode::kWrite, 102), 6000));
  EXPECT_TRUE(world.client.zero(world.where(), world.token(LeaseMode::kWrite, 102), 100, 4900));
  expected.resize(6000);
  std::fill_n(expected.begin() + 100, 4900, '\0');
  for (std::size_t id = 1; id <= 3; ++id) EXPECT_TRUE(*world.at(id).content() == expected);
}

TEST(Replication, ReadsComeFromAnotherMemberWhileTheMasterIsDown) {
  FileWorld world(1);
  ASSERT_TRUE(world.write(0, "hello"));
  world.at(1).kill();
  EXPECT_EQ(*world.client.read(world.where(), world.token(LeaseMode::kRead, 101), 0, 100), "hello");
}

TEST(Replication, ADeadMemberIsTakenOutBeforeTheAnswer) {
  FileWorld world(1);
  ASSERT_TRUE(world.write(0, "first"));
  const ChunkPlace old = world.where();
  world.at(2).kill();
  const auto written = world.write(0, "other");
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_TRUE(written->moved);
  EXPECT_EQ(world.dir.shrinks, 1);
  EXPECT_EQ(*world.at(1).content(), "other");
  // What the lost member has is old: nobody may go on with the layout that names it.
  EXPECT_EQ(world.client.write(old, world.token(LeaseMode::kWrite), 0, "x").error().code, Errc::kStale);
  EXPECT_TRUE(world.write(0, "third"));
  EXPECT_TRUE(world.commit(*written));
  EXPECT_EQ(world.dir.shrinks, 1);
}

TEST(Replication, AMemberThatWasKilledAndCameBackGoesOn) {
  FileWorld world(1);
  ASSERT_TRUE(world.write(0, pattern(200000, 1)));
  world.at(2).restart();
  ASSERT_TRUE(world.write(100, "more"));
  EXPECT_EQ(world.dir.shrinks, 0);
  expect_equal_members(world);
}

// The journal is all chunks': the record of a large write can be durable there without its bytes.
TEST(Replication, CommitBringsAMemberThatLostPowerUpToDate) {
  int lost = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    for (const bool journal_synced : {false, true}) {
      FileWorld world(seed);
      const std::string body = pattern(200000, 1);
      const auto written = world.write(0, body);
      ASSERT_TRUE(written);
      const ChunkId other{43};
      world.place(other, 1);
      ASSERT_TRUE(world.client.write(world.where(other), world.token(LeaseMode::kWrite), 0, "small"));
      if (journal_synced) {
        ASSERT_TRUE(world.at(2).store().sync(std::array{other}));
      }
      world.at(2).restart(true);
      lost += *world.at(2).content() != body ? 1 : 0;
      const auto done = world.commit(*written);
      EXPECT_TRUE(done) << done.error().message;
      world.at(2).restart(true);
      EXPECT_TRUE(*world.at(2).content() == body) << "seed " << seed;
      EXPECT_EQ(world.dir.shrinks, 0);
      expect_equal_members(world);
    }
  }
  EXPECT_GT(lost, 12);
}

TEST(Replication, CommitAfterAMemberWasKilledSendsNothingAgain) {
  FileWorld world(1);
  const auto written = world.write(0, pattern(200000, 1));
  world.at(2).restart();
  EXPECT_TRUE(world.commit(*written));
  EXPECT_EQ(world.at(2).store().counts.writes, 0u);
  expect_equal_members(world);
}

TEST(Replication, AMemberTellsAMasterThatWasRestartedWhetherItHasAll) {
  FileWorld world(1);
  const auto written = world.write(0, "hello");
  world.at(1).restart();
  world.at(1).store().lose_boot();
  const Status committed = world.commit(*written);
  EXPECT_TRUE(committed) << (committed ? "" : committed.error().message);
}

TEST(Replication, CommitAfterAllMembersWereKilledFindsAllThere) {
  FileWorld world(1);
  const auto written = world.write(0, "hello");
  world.at(1).restart();
  world.at(2).restart();
  const Status committed = world.commit(*written);
  EXPECT_TRUE(committed) << (committed ? "" : committed.error().message);
  world.at(1).restart(true);
  EXPECT_EQ(*world.at(1).content(), "hello") << "what a process wrote that was killed is durable too";
}

TEST(Replication, CommitIsRefusedAfterAllMembersLostTheirPower) {
  FileWorld world(1);
  const auto written = world.write(0, "hello");
  world.at(1).restart(true);
  world.at(2).restart(true);
  const Status committed = world.commit(*written);
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code, Errc::kRestarted);
}

TEST(Replication, CommittedBytesSurviveAPowerFailureOfAll) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    FileWorld world(seed);
    const std::string body = pattern(300000, seed);
    const auto written = world.write(0, body);
    ASSERT_TRUE(written);
    ASSERT_TRUE(world.commit(*written));
    world.at(1).restart(true);
    world.at(2).restart(true);
    for (std::size_t id = 1; id <= 2; ++id) EXPECT_TRUE(*world.at(id).content() == body);
  }
}

// The power fails at a master that had synced one of two changes. Where it forgets the second, it gives its number to
// another change; the member, which has the second, must not take that for a repetition.
TEST(Replication, AMemberWithOtherChangesGetsACopy) {
  int forgot = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    FileWorld world(seed);
    ASSERT_TRUE(world.write(0, pattern(100000, 1)));
    ASSERT_TRUE(world.at(1).store().sync(std::array{kChunk}));
    ASSERT_TRUE(world.write(50, "only the member remembers this"));
    world.at(1).restart(true);
    forgot += world.at(1).store().head(kChunk)->sequence == 1 ? 1 : 0;
    ASSERT_TRUE(world.write(60000, "something else"));
    expect_equal_members(world);
    EXPECT_EQ(world.dir.shrinks, 0);
  }
  EXPECT_GT(forgot, 0);
}

TEST(Replication, ANewMemberGetsTheWholeChunkWithTheNextWrite) {
  FileWorld world(1, 3);
  world.dir.permits[kChunk].members.pop_back();
  const std::string body = pattern(1u << 20, 3);
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(world.write(i * 5000000, body));
  ASSERT_TRUE(world.client.zero(world.where(), world.token(LeaseMode::kWrite), 1000, 300000));
  world.dir.permits[kChunk] = {kInode, 0, kChunk, 2, {ServerId{1}, ServerId{2}, ServerId{3}}};
  ASSERT_TRUE(world.write(77, "all of it"));
  expect_equal_members(world);
  EXPECT_EQ(world.at(3).store().extents(kChunk)->ranges, world.at(1).store().extents(kChunk)->ranges);
}

// A member is emptied before it gets a copy: not while it has what the master needs for it.
TEST(Replication, ABadBlockOfTheMasterIsRepairedBeforeAMemberIsEmptied) {
  for (const bool bad_at_both : {false, true}) {
    FileWorld world(1);
    std::string expected = pattern(300000, 1);
    ASSERT_TRUE(world.write(0, expected));
    const std::uint64_t bad_bit = ((256u << 10) + 1000) * 8;
    world.at(1).disk.flip_bit(chunk_path("/data", kChunk), bad_bit);
    if (bad_at_both) world.at(2).disk.flip_bit(chunk_path("/data", kChunk), bad_bit);
    ChunkOp other = op_for(world.dir.permits[kChunk], OpKind::kWrite);   // its changes are others now
    other.offset = 200000;
    ASSERT_TRUE(world.at(2).store().apply(other, view_of("other"), BodySums::of(200000, view_of("other"))));
    ASSERT_TRUE(world.write(250000, "small"));
    expected.replace(250000, 5, "small");
    if (bad_at_both) {
      const auto head = world.at(2).store().head(kChunk);
      EXPECT_FALSE(head->copying);
      EXPECT_EQ(head->length_bytes, expected.size());
      EXPECT_EQ(world.dir.shrinks, 1);
    } else {
      const auto found = world.at(1).content();
      ASSERT_TRUE(found) << found.error().message;
      EXPECT_TRUE(*found == expected);
      expect_equal_members(world);
      EXPECT_EQ(world.dir.shrinks, 0);
    }
  }
}

TEST(Replication, AStaleMasterIsRefused) {
  FileWorld world(1);
  ASSERT_TRUE(world.write(0, "hello"));
  const ChunkPlace old = world.where();
  // D has made 2 the master; 1 does not know yet.
  world.dir.permits[kChunk] = {kInode, 0, kChunk, 2, {ServerId{2}, ServerId{1}}};
  ASSERT_TRUE(world.write(0, "world"));
  EXPECT_EQ(world.client.write(old, world.token(LeaseMode::kWrite), 0, "zombie").error().code, Errc::kStale);
  EXPECT_EQ(*world.at(2).content(), "world");
  expect_equal_members(world);
}

TEST(Replication, ConcurrentWritersLeaveEqualMembers) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    FileWorld world(seed, 3);
    std::vector<sim::SimScheduler::TaskId> tasks;
    for (int task = 0; task < 6; ++task) {
      tasks.push_back(world.simulation.scheduler.spawn("writer", [&world, task] {
        for (std::uint64_t i = 0; i < 8; ++i) {
          const std::uint64_t size = i % 3 == 0 ? 90000 : 700;
          EXPECT_TRUE(world.write((i * 7919 + static_cast<std::uint64_t>(task) * 353) % 200000, pattern(size, i)));
        }
      }));
    }
    for (const auto task : tasks) world.simulation.scheduler.join(task);
    expect_equal_members(world);
    EXPECT_EQ(world.at(1).store().head(kChunk)->sequence, 48u);
    EXPECT_EQ(world.dir.shrinks, 0);
  }
}

TEST(Replication, NothingIsLostOrDoubledOnABadNetworkWithDyingServers) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    FileWorld world(seed);
    world.client.set_patience(60s);
    world.simulation.network.faults.drop_request = 0.02;
    world.simulation.network.faults.drop_reply = 0.02;
    world.simulation.network.faults.duplicate = 0.05;
    sim::SimRandom random(seed);
    std::string model;
    const auto chaos = world.simulation.scheduler.spawn("chaos", [&] {
      for (int i = 0; i < 3; ++i) {
        world.simulation.scheduler.sleep_for(std::chrono::milliseconds(random.below(1500)));
        world.at(1 + random.below(2)).restart();
      }
    });
    for (int i = 0; i < 40; ++i) {
      const std::uint64_t offset = random.below(150000);
      const std::string body = pattern(1 + random.below(random.chance(0.3) ? 100000 : 3000), random.u64());
      const auto written = world.write(offset, body);
      ASSERT_TRUE(written) << "seed " << seed << ": " << written.error().message;
      if (model.size() < offset + body.size()) model.resize(offset + body.size());
      model.replace(offset, body.size(), body);
      world.simulation.scheduler.sleep_for(std::chrono::milliseconds(random.below(100)));
    }
    world.simulation.scheduler.join(chaos);
    world.simulation.network.faults = {};
    ASSERT_TRUE(world.write(0, model.substr(0, 1)));
    EXPECT_TRUE(*world.at(raw(world.dir.permits[kChunk].members.front())).content() == model) << "seed " << seed;
    expect_equal_members(world);
  }
}

TEST(Replication, AServerThatDoesNotHearFromDServesNobody) {
  FileWorld world(1);
  ASSERT_TRUE(world.write(0, "hello"));
  world.dir.node().pause();
  world.simulation.scheduler.sleep_for(3s);
  world.client.set_patience(100ms);
  EXPECT_EQ(world.client.read(world.where(), world.token(LeaseMode::kRead, 101), 0, 5).error().code, Errc::kUnavailable);
  EXPECT_EQ(world.client.write(world.where(), world.token(LeaseMode::kWrite, 101), 0, "x").error().code, Errc::kUnavailable);
  world.dir.node().resume();
  world.simulation.scheduler.sleep_for(3s);
  EXPECT_EQ(*world.client.read(world.where(), world.token(LeaseMode::kRead, 101), 0, 5), "hello");
}

TEST(Replication, RemovedChunksAreGoneAndDIsTold) {
  FileWorld world(1);
  ASSERT_TRUE(world.write(0, "hello"));
  world.dir.remove.insert(raw(kChunk));
  world.simulation.scheduler.sleep_for(2s);
  EXPECT_TRUE(world.dir.deleted.contains(raw(kChunk)));
  EXPECT_EQ(*world.at(1).content(), "");
  EXPECT_EQ(*world.at(2).content(), "");
}

TEST(Replication, AMasterForgetsWhatItKnewOfRemovedChunks) {
  FileWorld world(1);
  ASSERT_TRUE(world.write(0, "never committed"));
  EXPECT_EQ(world.at(1).process->replicator.known_chunks(), 1u);
  world.dir.remove.insert(raw(kChunk));
  world.simulation.scheduler.sleep_for(2s);
  EXPECT_EQ(world.at(1).process->replicator.known_chunks(), 0u);
}

TEST(Replication, HeartbeatsGoOnWhileADiskRemovesChunks) {
  FileWorld world(1);
  ASSERT_TRUE(world.write(0, pattern(200000, 1)));
  world.at(1).sync_takes = 5s;
  world.dir.remove.insert(raw(kChunk));
  for (int i = 0; i < 12; ++i) {
    world.simulation.scheduler.sleep_for(1s);
    EXPECT_TRUE(world.at(1).process->membership.serving()) << "after " << i;
  }
  EXPECT_TRUE(world.dir.deleted.contains(raw(kChunk)));
}

}  // namespace
}  // namespace conclave::file
