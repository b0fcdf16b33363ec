#include "dirserver/heal_plan.h"

#include <gtest/gtest.h>

#include "dirserver/heal_jobs.h"

namespace conclave::dir {
namespace {

using namespace std::chrono_literals;
using Kind = HealStep::Kind;

std::vector<ServerId> ids(std::initializer_list<std::uint32_t> numbers) {
  std::vector<ServerId> out;
  for (const auto number : numbers) out.push_back(ServerId{number});
  return out;
}

constexpr Host kUp{true, false, {}};
constexpr Host kDrained{true, true, {}};
constexpr Host kGoneForGood{false, true, {}};
constexpr Host down_for(Duration time) { return {false, false, time}; }

TEST(HealPlan, IsATable) {
  struct Row {
    const char* what;
    std::vector<ServerId> members, former;
    std::map<ServerId, Host> hosts;   // by number; those that are not named are up
    Kind kind;
    std::vector<ServerId> servers;
  };
  const Row rows[] = {
      {"all is well", ids({1, 2}), {}, {}, Kind::kNothing, {}},
      {"who had a copy is back", ids({1}), ids({2}), {}, Kind::kCopyTo, ids({2})},
      {"the one that left last first", ids({1}), ids({2, 3}), {}, Kind::kCopyTo, ids({3, 2})},
      {"it may return soon", ids({1}), ids({2}), {{ServerId{2}, down_for(1min)}}, Kind::kNothing, {}},
      {"it has been away too long", ids({1}), ids({2}), {{ServerId{2}, down_for(6min)}}, Kind::kCopyAnywhere, {}},
      {"it was removed", ids({1}), ids({2}), {{ServerId{2}, kGoneForGood}}, Kind::kCopyAnywhere, {}},
      {"one that nobody knows", ids({1}), ids({9}), {}, Kind::kCopyAnywhere, {}},
      {"there never was another", ids({1}), {}, {}, Kind::kCopyAnywhere, {}},
      {"another one is up", ids({1}), ids({2, 3}), {{ServerId{2}, down_for(6min)}}, Kind::kCopyTo, ids({3})},
      {"the master is down", ids({1}), ids({2}), {{ServerId{1}, down_for(1min)}}, Kind::kNothing, {}},
      {"a copy too many", ids({1, 2}), ids({3}), {}, Kind::kFree, ids({3})},
      {"also of one that is down", ids({1, 2}), ids({3}), {{ServerId{3}, down_for(1min)}}, Kind::kFree, ids({3})},
      {"a replica is drained", ids({1, 2}), {}, {{ServerId{2}, kDrained}}, Kind::kCopyAnywhere, {}},
      {"the master is drained", ids({1, 2}), {}, {{ServerId{1}, kDrained}}, Kind::kCopyAnywhere, {}},
      {"drained: no copy is made there", ids({1}), ids({2}), {{ServerId{2}, kDrained}}, Kind::kCopyAnywhere, {}},
      {"the drained master has its successors", ids({1, 2, 3}), {}, {{ServerId{1}, kDrained}}, Kind::kStepBack, {}},
      {"and goes", ids({2, 3, 1}), {}, {{ServerId{1}, kDrained}}, Kind::kLeave, {}},
      {"and its copy", ids({2, 3}), ids({1}), {{ServerId{1}, kDrained}}, Kind::kFree, ids({1})},
  };
  for (const Row& row : rows) {
    Chunk chunk;
    chunk.members = row.members;
    chunk.former = row.former;
    std::map<ServerId, Host> hosts = row.hosts;
    for (std::uint32_t id = 1; id <= 5; ++id) hosts.emplace(ServerId{id}, kUp);
    const HealStep step = heal_step(chunk, hosts, 2, 5min);
    EXPECT_EQ(int(step.kind), int(row.kind)) << row.what;
    EXPECT_EQ(step.servers, row.servers) << row.what;
  }
}

TEST(HealPlan, WhatIsDoubtedIsGivenToNobody) {
  Chunk chunk;
  chunk.members = ids({1});
  chunk.former = ids({2});
  const std::map<ServerId, Host> hosts = {{ServerId{1}, kUp}, {ServerId{2}, kUp}, {ServerId{3}, kUp}};
  EXPECT_EQ(heal_step(chunk, hosts, 2, 5min).kind, Kind::kCopyTo);
  chunk.doubted = true;
  EXPECT_EQ(heal_step(chunk, hosts, 2, 5min).kind, Kind::kNothing);
}

// Whatever order things happen in: enough copies in the end, all of them on servers that stay.
TEST(HealPlan, DoingWhatItSaysEndsWithEnoughCopiesOnServersThatStay) {
  for (std::uint32_t drained = 1; drained <= 3; ++drained) {
    for (std::uint32_t dead = 4; dead <= 5; ++dead) {
      Chunk chunk;
      chunk.members = ids({1, 2});
      chunk.former = ids({dead});
      std::map<ServerId, Host> hosts;
      for (std::uint32_t id = 1; id <= 5; ++id) hosts[ServerId{id}] = id == drained ? kDrained : id == dead ? kGoneForGood : kUp;
      const auto leaves = [&](ServerId id) { return hosts[id].leaving; };
      int steps = 0;
      for (HealStep step; (step = heal_step(chunk, hosts, 2, 5min)).kind != Kind::kNothing; ++steps) {
        ASSERT_LT(steps, 10);
        switch (step.kind) {
          case Kind::kCopyTo: ASSERT_TRUE(admit(chunk, step.servers.front())); break;
          case Kind::kCopyAnywhere:
            for (const auto& [id, host] : hosts) {
              if (host.up && !host.leaving && expect(chunk, id)) break;
            }
            break;
          case Kind::kStepBack: ASSERT_TRUE(step_back(chunk, leaves)); break;
          case Kind::kLeave: ASSERT_TRUE(leave(chunk, leaves, 1)); break;
          case Kind::kFree:
            for (const ServerId id : step.servers) ASSERT_TRUE(forget(chunk, id));
            break;
          case Kind::kNothing: break;
        }
        ASSERT_FALSE(chunk.members.empty());
      }
      EXPECT_EQ(chunk.members.size(), 2u);
      EXPECT_TRUE(std::ranges::none_of(chunk.members, leaves));
      EXPECT_TRUE(chunk.former.empty());
    }
  }
}

HealJobs::Job job_of(std::uint64_t chunk, std::uint32_t master, std::uint32_t newcomer) {
  return {{InodeId{chunk}, 0}, ChunkId{chunk}, ServerId{master}, ServerId{newcomer}, {}};
}

TEST(HealJobs, AMasterHasSoManyAtATimeAndAChunkOne) {
  HealJobs jobs;
  EXPECT_TRUE(jobs.add(job_of(1, 7, 8), 2));
  EXPECT_FALSE(jobs.add(job_of(1, 7, 9), 2)) << "of this chunk there is one";
  EXPECT_TRUE(jobs.add(job_of(2, 7, 8), 2));
  EXPECT_FALSE(jobs.add(job_of(3, 7, 8), 2));
  EXPECT_TRUE(jobs.add(job_of(3, 8, 7), 2));
  EXPECT_EQ(jobs.of_master(ServerId{7}).size(), 2u);
  jobs.done(ChunkId{1}, 4096, MonoTime{});
  EXPECT_FALSE(jobs.busy(ChunkId{1}));
  EXPECT_TRUE(jobs.add(job_of(4, 7, 8), 2));
}

TEST(HealJobs, OneThatFailedIsNotTriedAtOnceAgain) {
  HealJobs jobs;
  const MonoTime now = MonoTime{} + 1h;
  ASSERT_TRUE(jobs.add(job_of(1, 7, 8), 2));
  jobs.failed(ChunkId{1}, now);
  EXPECT_FALSE(jobs.busy(ChunkId{1}));
  EXPECT_TRUE(jobs.failed_lately(ChunkId{1}, ServerId{8}, now + 1s));
  EXPECT_FALSE(jobs.failed_lately(ChunkId{1}, ServerId{9}, now + 1s));
  EXPECT_FALSE(jobs.failed_lately(ChunkId{1}, ServerId{8}, now + 1min));
}

TEST(HealJobs, ThePaceIsThatOfTheLastMinute) {
  HealJobs jobs;
  const MonoTime now = MonoTime{} + 1h;
  for (std::uint64_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(jobs.add(job_of(i, 7, 8), 1));
    jobs.done(ChunkId{i}, 1000, now + i * Duration(500ms));
  }
  const auto progress = jobs.progress(now + 10s);
  EXPECT_EQ(progress.chunks_done, 20u);
  EXPECT_EQ(progress.bytes_per_chunk, 1000u);
  EXPECT_NEAR(progress.chunks_per_second, 2, 0.01);
  EXPECT_EQ(jobs.progress(now + 1h).chunks_per_second, 0) << "nothing was done lately";
}

}  // namespace
}  // namespace conclave::dir
