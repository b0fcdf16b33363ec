// Append files: offsets given by the master, cursors, and repetitions through restarts, retries and full chunks.
#include "tests/unit/fileserver/file_world.h"

namespace conclave::file {
namespace {

Result<FileClient::Appended> append(FileWorld& world, const std::string& body, const FileClient::Cursor* cursor = nullptr,
                                    ChunkId chunk = kChunk) {
  return world.client.append(world.where(chunk), world.token(LeaseMode::kShared), body, cursor);
}

TEST(Append, GivesEachRecordTheEndOfTheFile) {
  FileWorld world(1);
  EXPECT_EQ(append(world, "one\n")->offset, 0u);
  EXPECT_EQ(append(world, "two\n")->offset, 4u);
  EXPECT_EQ(append(world, std::string(100000, 'x'))->offset, 8u);
  EXPECT_EQ(append(world, "three\n")->offset, 100008u);
  for (std::size_t id = 1; id <= 2; ++id) {
    EXPECT_EQ(*world.at(id).content(), "one\ntwo\n" + std::string(100000, 'x') + "three\n");
  }
  EXPECT_EQ(world.client.stat(world.where(), world.token(LeaseMode::kRead, 101))->length_bytes(), 100014u);
}

TEST(Append, ACursorThatIsPastIsAcknowledgedAndOneBeforeIsRefused) {
  FileWorld world(1);
  const FileClient::Cursor first{"kafka/0", 0, 10};
  EXPECT_FALSE(append(world, "ten\n", &first)->done);
  EXPECT_TRUE(append(world, "ten\n", &first)->done);
  const FileClient::Cursor gap{"kafka/0", 11, 12};
  EXPECT_EQ(append(world, "gap\n", &gap).error().code, Errc::kRange);
  const FileClient::Cursor overlap{"kafka/0", 5, 15};   // half of it was written, half was not
  EXPECT_EQ(append(world, "five to fifteen\n", &overlap).error().code, Errc::kRange);
  const FileClient::Cursor within{"kafka/0", 2, 8};
  EXPECT_TRUE(append(world, "two to eight\n", &within)->done);
  const FileClient::Cursor other{"kafka/1", 0, 5};
  EXPECT_FALSE(append(world, "other\n", &other)->done);
  const FileClient::Cursor back{"kafka/0", 10, 10};
  EXPECT_EQ(append(world, "back\n", &back).error().code, Errc::kInvalid);
  EXPECT_EQ(*world.at(2).content(), "ten\nother\n");
  const auto stat = world.client.stat(world.where(), world.token(LeaseMode::kShared), {"kafka/0", "kafka/1", "none"});
  EXPECT_EQ(std::vector<std::uint64_t>(stat->cursors().begin(), stat->cursors().end()), (std::vector<std::uint64_t>{10, 5, 0}));
}

TEST(Append, WhatWasAppendedIsNotChanged) {
  FileWorld world(1);
  const ChunkId plain{43};
  const ChunkId next{44};
  world.place(plain, 1);
  world.place(next, 2);
  const std::string writer = world.token(LeaseMode::kWrite, 101);
  ASSERT_TRUE(world.client.write(world.where(plain), writer, 0, "forged"));
  ASSERT_TRUE(world.client.append(world.where(), world.token(LeaseMode::kShared, 102), "record\n", nullptr));
  ChunkPlace started = world.where(next);
  started.start_bytes = 7;
  ASSERT_TRUE(world.client.stat(started, world.token(LeaseMode::kShared, 102), {"cursor"}));   // starts it
  const std::string again = world.token(LeaseMode::kWrite, 103);
  const auto expect_refused = [](const auto& done) {
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Errc::kNotPermitted);
  };
  for (const ChunkPlace& log : {world.where(), started}) {
    expect_refused(world.client.write(log, again, 0, "forged"));
    expect_refused(world.client.truncate(log, again, 0));
    expect_refused(world.client.zero(log, again, 0, 3));
    expect_refused(world.client.copy(world.where(plain), again, 0, log, again, 0, 6));
  }
  EXPECT_EQ(*world.at(1).content(), "record\n");
  EXPECT_EQ(*world.at(2).content(), "record\n");
}

// Ten feeders of ten records, each repeating what is not known to have arrived, in spite of all that can happen.
TEST(Append, EveryRecordIsThereOnceInSpiteOfLostAnswersAndRestarts) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    FileWorld world(seed);
    world.client.set_patience(60s);
    world.simulation.network.faults.drop_request = 0.05;
    world.simulation.network.faults.drop_reply = 0.1;
    world.simulation.network.faults.duplicate = 0.1;
    const bool with_cursors = seed % 2 == 0;
    std::vector<sim::SimScheduler::TaskId> tasks;
    for (std::uint64_t feeder = 0; feeder < 5; ++feeder) {
      tasks.push_back(world.simulation.scheduler.spawn("feeder", [&world, feeder, with_cursors] {
        for (std::uint64_t i = 0; i < 10; ++i) {
          const std::string record = std::to_string(feeder) + ":" + std::to_string(i) + "\n";
          const FileClient::Cursor cursor{"feeder " + std::to_string(feeder), i, i + 1};
          const auto done = world.client.append(world.where(), world.token(LeaseMode::kShared), record,
                                                with_cursors ? &cursor : nullptr,
                                                [&world](ServerId) -> Result<ChunkPlace> { return world.where(); });
          ASSERT_TRUE(done) << done.error().message;
          world.simulation.scheduler.sleep_for(50ms);
        }
      }));
    }
    for (int i = 0; i < 3; ++i) {
      world.simulation.scheduler.sleep_for(400ms);
      world.at(1 + seed % 2).restart();
    }
    for (const auto task : tasks) world.simulation.scheduler.join(task);
    world.simulation.network.faults = {};
    const std::string content = *world.at(raw(world.dir.permits[kChunk].members.front())).content();
    for (std::uint64_t feeder = 0; feeder < 5; ++feeder) {
      std::size_t at = 0;
      for (std::uint64_t i = 0; i < 10; ++i) {
        const std::string record = std::to_string(feeder) + ":" + std::to_string(i) + "\n";
        at = content.find(record, at);
        ASSERT_NE(at, std::string::npos) << "seed " << seed << " lost or out of order: " << record;
        EXPECT_EQ(content.find(record, at + 1), std::string::npos) << "seed " << seed << " twice: " << record;
      }
    }
  }
}

// Whoever took "fenced" for "it did not happen" would append the record a second time.
TEST(Append, ARecordWhoseAnswerIsLostAndWhoseSessionIsFencedThenMayBeThere) {
  int unknown = 0, both = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    FileWorld world(seed);
    ASSERT_TRUE(append(world, "first\n"));
    bool there = true;
    const auto appended = world.simulation.scheduler.spawn("append", [&] {
      const auto done = append(world, "second\n");
      if (done) return;
      there = done.error().code == Errc::kUnknown;
      EXPECT_TRUE(there || done.error().code == Errc::kFenced) << done.error().message;
      unknown += there;
    });
    world.simulation.scheduler.sleep_for(Duration(200us) * static_cast<int>(seed));
    world.simulation.network.cut_one_way("f1", "c");
    world.dir.fenced.push_back(raw(kSession));
    world.simulation.scheduler.sleep_for(2s);
    world.simulation.network.heal();
    world.simulation.scheduler.join(appended);
    const std::string content = *world.at(1).content();
    EXPECT_TRUE(there || content == "first\n") << "seed " << seed << ": fenced, and there";
    both += there && content == "first\nsecond\n";
  }
  EXPECT_GT(unknown, 0);
  EXPECT_GT(both, unknown / 2);
}

TEST(Append, AFullChunkIsSealedAndTheNextGoesOnWithItsCursors) {
  FileWorld world(1);
  const std::string megabyte(kMaxIoBytes, 'm');
  const FileClient::Cursor cursor{"c", 0, 7};
  ASSERT_TRUE(append(world, "first", &cursor));
  for (int i = 0; i < 63; ++i) ASSERT_TRUE(append(world, megabyte));
  EXPECT_EQ(append(world, megabyte).error().code, Errc::kStale);
  EXPECT_EQ(append(world, "a short one").error().code, Errc::kStale);   // sealed is sealed
  ASSERT_EQ(world.dir.seals.size(), 2u);                                // D answers the same again
  EXPECT_EQ(world.dir.seals[0].length_bytes(), 63u * kMaxIoBytes + 5);
  EXPECT_EQ(world.dir.seals[1].length_bytes(), world.dir.seals[0].length_bytes());
  const FileClient::Cursor repeated{"c", 0, 7};
  EXPECT_TRUE(append(world, "first", &repeated)->done);                 // known here for ever

  constexpr ChunkId kNext{43};
  world.place(kNext, 1);
  ChunkPlace next = world.where(kNext);
  next.start_bytes = world.dir.seals[0].length_bytes();
  next.cursors = world.dir.seals[0].cursors();
  const auto at_next = [&](const std::string& body, const FileClient::Cursor* with) {
    return world.client.append(next, world.token(LeaseMode::kShared), body, with);
  };
  EXPECT_TRUE(at_next("first", &cursor)->done);
  EXPECT_EQ(at_next("more", nullptr)->offset, next.start_bytes);
  const FileClient::Cursor on{"c", 7, 8};
  EXPECT_EQ(at_next("seven", &on)->offset, next.start_bytes + 4);
  EXPECT_EQ(*world.at(2).content(kNext), "moreseven");
  world.at(1).restart();
  EXPECT_TRUE(at_next("seven", &on)->done);
}

}  // namespace
}  // namespace conclave::file
