// Copies that were deleted, restored from a backup or damaged: nobody takes them for empty or new, and no good copy is
// given up for one.
#include "tests/unit/fileserver/file_world.h"

namespace conclave::file {
namespace {

std::string pattern(std::size_t size, std::uint64_t seed) {
  std::string out(size, '\0');
  sim::SimRandom random(seed);
  random.fill({reinterpret_cast<std::uint8_t*>(out.data()), out.size()});
  return out;
}

const std::string kPath = chunk_path("/data", kChunk);

Status commit(FileWorld& world, const ChunkPlace& where, const MemberStarts& starts, bool births_told = false) {
  const auto places = [&](ServerId) -> Result<std::vector<FileClient::Dirty>> {
    return std::vector{FileClient::Dirty{where, starts}};
  };
  return world.client.commit(world.token(LeaseMode::kWrite), places, births_told);
}

// Written, committed, and in the chunk's file at both servers.
void write_durably(FileWorld& world, const std::string& body) {
  const auto written = world.write(0, body);
  ASSERT_TRUE(written) << written.error().message;
  const Status committed = commit(world, world.where(), written->starts);
  ASSERT_TRUE(committed) << committed.error().message;
  for (auto& server : world.files) ASSERT_TRUE(server->store().checkpoint());
}

Result<std::string> read(FileWorld& world, std::uint64_t length, std::uint64_t seq = 1000) {
  return world.client.read(world.where(), world.token(LeaseMode::kRead, seq), 0, length);
}

// After a read: under a newer lease, with the place asked anew as often as a client does.
Result<FileClient::Written> write_then(FileWorld& world, std::uint64_t offset, const std::string& body) {
  Result<FileClient::Written> done = Errc::kInternal;
  for (int attempt = 0; attempt < 4; ++attempt) {
    done = world.client.write(world.where(), world.token(LeaseMode::kWrite, 2000), offset, body);
    if (done || done.error().code != Errc::kStale) break;
  }
  return done;
}

void damage(FileWorld& world, std::size_t id, const std::function<void(sim::SimFiles&)>& how) {
  world.at(id).kill();
  how(world.at(id).disk);
  world.at(id).node.start();
  world.at(id).start();
  world.simulation.scheduler.sleep_for(1s);
}

TEST(LostCopy, AChunkIsBornWithItsFirstCommitAndToldOnce) {
  FileWorld world(1);
  const auto written = world.write(0, "hello");
  EXPECT_EQ(world.dir.births, 0);
  const ChunkPlace before = world.where();
  ASSERT_TRUE(commit(world, world.where(), written->starts));
  EXPECT_TRUE(world.dir.permits[kChunk].born);
  ASSERT_TRUE(commit(world, before, written->starts));
  ASSERT_TRUE(commit(world, world.where(), written->starts));
  EXPECT_EQ(world.dir.births, 1);
}

TEST(LostCopy, BirthsThatTheClientTellsAreNotToldByTheServer) {
  FileWorld world(1);
  const auto written = world.write(0, "hello");
  ASSERT_TRUE(commit(world, world.where(), written->starts, true));
  EXPECT_EQ(world.dir.births, 0);
}

TEST(LostCopy, ACommitWaitsUntilTheDirectoryServerKnowsOfTheBirth) {
  FileWorld world(1);
  const auto written = world.write(0, "hello");
  world.client.set_patience(1s);
  world.dir.node().kill();
  const Status committed = commit(world, world.where(), written->starts);
  ASSERT_FALSE(committed);
  EXPECT_TRUE(may_pass(committed.error().code)) << name_of(committed.error().code);
}

// Whatever of its copy a master has lost, the member's is read, the next write goes to it, and none of it is given up.
void a_master_loses(const std::function<void(sim::SimFiles&)>& how) {
  FileWorld world(1);
  std::string body = pattern(200000, 1);
  write_durably(world, body);
  damage(world, 1, how);
  const auto found = read(world, body.size());
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_TRUE(*found == body);
  const auto written = write_then(world, 100000, "changed");
  ASSERT_TRUE(written) << written.error().message;
  body.replace(100000, 7, "changed");
  EXPECT_TRUE(*world.at(2).content() == body);
  EXPECT_EQ(world.dir.permits[kChunk].members, std::vector{ServerId{2}});
  EXPECT_TRUE(*read(world, body.size(), 3000) == body);
}

TEST(LostCopy, AMasterWhoseChunkFileIsGone) {
  a_master_loses([](sim::SimFiles& disk) { disk.lose_file(kPath); });
}

TEST(LostCopy, AMasterOfWhoseChunkBothSlotsAreDamaged) {
  a_master_loses([](sim::SimFiles& disk) {
    for (const std::uint64_t slot : {0u, 128u << 10}) disk.flip_bit(kPath, (slot + 100) * 8);
  });
}

TEST(LostCopy, AMasterOfAnHourAgoGivesWayToTheMemberThatHasMore) {
  FileWorld world(1);
  std::string body = pattern(200000, 1);
  write_durably(world, body);
  const auto hour_ago = world.at(1).disk.backup();
  for (int i = 0; i < 3; ++i) write_durably(world, body = pattern(200000, 2 + static_cast<std::uint64_t>(i)));
  damage(world, 1, [&](sim::SimFiles& disk) { disk.restore(*hour_ago); });
  const auto written = world.write(100000, "changed");
  ASSERT_TRUE(written) << written.error().message;
  body.replace(100000, 7, "changed");
  EXPECT_TRUE(*world.at(2).content() == body);
  EXPECT_EQ(world.dir.permits[kChunk].members, std::vector{ServerId{2}});
  EXPECT_EQ(world.dir.leaves, 1);
}

TEST(LostCopy, WhereNobodyElseHasTheChunkItIsCorruptAndNotEmpty) {
  FileWorld world(1, 1);
  write_durably(world, pattern(200000, 1));
  damage(world, 1, [](sim::SimFiles& disk) { disk.lose_file(kPath); });
  EXPECT_EQ(read(world, 100).error().code, Errc::kCorrupt);
  EXPECT_EQ(write_then(world, 0, "x").error().code, Errc::kCorrupt);
  const auto cut = world.client.truncate(world.where(), world.token(LeaseMode::kWrite, 2001), 10);
  EXPECT_EQ(cut.error().code, Errc::kCorrupt);
  EXPECT_EQ(world.at(1).store().sequence(kChunk).value(), 0u);
  EXPECT_EQ(world.dir.permits[kChunk].members.size(), 1u);
}

TEST(LostCopy, BeforeItsFirstCommitAChunkMayBeEmpty) {
  FileWorld world(1);
  ASSERT_TRUE(world.write(0, "never committed"));
  damage(world, 1, [](sim::SimFiles& disk) { disk.restore(*sim::SimFiles(1).backup()); });
  const auto found = world.at(1).content();
  EXPECT_EQ(*found, "");
}

// A member's copy is brought up by the next write that meets it, whatever is wrong with it.
TEST(LostCopy, AMemberThatLacksTheChunkGetsACopyWithTheNextWrite) {
  const std::function<void(sim::SimFiles&)> faults[] = {
      [](sim::SimFiles& disk) { disk.lose_file(kPath); },
      [](sim::SimFiles& disk) {
        for (const std::uint64_t slot : {0u, 128u << 10}) disk.flip_bit(kPath, (slot + 100) * 8);
      }};
  for (const auto& fault : faults) {
    FileWorld world(1);
    std::string body = pattern(200000, 1);
    write_durably(world, body);
    damage(world, 2, fault);
    ASSERT_TRUE(world.write(5, "changed"));
    body.replace(5, 7, "changed");
    EXPECT_TRUE(*world.at(2).content() == body);
    ASSERT_TRUE(world.at(2).store().checkpoint());
    world.at(2).restart();   // what was made anew is there after a start, too
    const auto content = world.at(2).content();
    ASSERT_TRUE(content) << content.error().message;
    EXPECT_TRUE(*content == body);
    EXPECT_EQ(world.dir.permits[kChunk].members.size(), 2u);
  }
}

// A commit is no promise of a member that has lost what the commits before it covered.
TEST(LostCopy, ACommitFindsAMemberThatHoldsNothing) {
  FileWorld world(1);
  const std::string body = pattern(200000, 1);
  write_durably(world, body);
  damage(world, 2, [](sim::SimFiles& disk) { disk.lose_file(kPath); });
  world.at(1).restart();   // it knows nothing of its members any more
  ASSERT_TRUE(commit(world, world.where(), MemberStarts({{ServerId{1}, world.at(1).process->membership.boot()}})));
  const auto content = world.at(2).content();
  ASSERT_TRUE(content) << content.error().message;
  EXPECT_TRUE(*content == body);
}

TEST(LostCopy, TheScrubberFindsACopyThatCannotBeOpened) {
  FileWorld world(1);
  write_durably(world, pattern(200000, 1));
  damage(world, 1, [](sim::SimFiles& disk) {
    for (const std::uint64_t slot : {0u, 128u << 10}) disk.flip_bit(kPath, (slot + 100) * 8);
  });
  auto& process = *world.at(1).process;
  Scrubber scrubber(*process.store, process.repair, world.at(1).disk, "/data", world.simulation.clock, process.log, {});
  for (int i = 0; i < 3; ++i) scrubber.tick(world.simulation.clock.now());
  world.simulation.scheduler.sleep_for(2s);
  EXPECT_EQ(world.dir.permits[kChunk].members, std::vector{ServerId{2}});
}

}  // namespace
}  // namespace conclave::file
