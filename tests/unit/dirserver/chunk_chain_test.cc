#include "dirserver/chunk_chain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/support/sim_random.h"

namespace conclave::dir {
namespace {

std::vector<ServerId> ids(std::initializer_list<std::uint32_t> numbers) {
  std::vector<ServerId> out;
  for (const auto number : numbers) out.push_back(ServerId{number});
  return out;
}

Chunk chunk_on(std::initializer_list<std::uint32_t> members, std::initializer_list<std::uint32_t> former = {}) {
  Chunk out;
  out.chainver = 7;
  out.members = ids(members);
  out.former = ids(former);
  return out;
}

ServerTest any_of(std::set<std::uint32_t> numbers) {
  return [numbers](ServerId id) { return numbers.contains(raw(id)); };
}

TEST(ChunkChain, LeavingIsATable) {
  struct Row {
    const char* what;
    Chunk before;
    std::set<std::uint32_t> gone;
    unsigned min_insync;
    std::vector<ServerId> members, former;
    bool changed;
  };
  const Row rows[] = {
      {"the master: the next is promoted", chunk_on({1, 2}), {1}, 1, ids({2}), ids({1}), true},
      {"a replica", chunk_on({1, 2, 3}), {2}, 1, ids({1, 3}), ids({2}), true},
      {"two of three", chunk_on({1, 2, 3}), {1, 2}, 1, ids({3}), ids({1, 2}), true},
      {"behind what was there before", chunk_on({1, 2}, {4}), {1}, 1, ids({2}), ids({4, 1}), true},
      {"the only one", chunk_on({1}), {1}, 1, ids({1}), {}, false},
      {"all of them", chunk_on({1, 2}), {1, 2}, 1, ids({1, 2}), {}, false},
      {"somebody else", chunk_on({1, 2}), {3}, 1, ids({1, 2}), {}, false},
      {"below min_insync the master only steps back", chunk_on({1, 2}), {1}, 2, ids({2, 1}), {}, true},
      {"below min_insync a replica stays", chunk_on({1, 2}), {2}, 2, ids({1, 2}), {}, false},
      {"three may become two", chunk_on({1, 2, 3}), {1}, 2, ids({2, 3}), ids({1}), true},
  };
  for (const Row& row : rows) {
    Chunk chunk = row.before;
    EXPECT_EQ(leave(chunk, any_of(row.gone), row.min_insync), row.changed) << row.what;
    EXPECT_EQ(chunk.members, row.members) << row.what;
    EXPECT_EQ(chunk.former, row.former) << row.what;
    EXPECT_EQ(chunk.chainver, row.changed ? 8u : 7u) << row.what;
  }
}

TEST(ChunkChain, OnlyAFormerCopyIsAdmitted) {
  Chunk chunk = chunk_on({1, 2}, {3});
  EXPECT_FALSE(admit(chunk, ServerId{1}));
  EXPECT_FALSE(admit(chunk, ServerId{9}));
  EXPECT_EQ(chunk.chainver, 7u);
  EXPECT_TRUE(admit(chunk, ServerId{3}));
  EXPECT_EQ(chunk.members, ids({1, 2, 3}));
  EXPECT_TRUE(chunk.former.empty());
  EXPECT_EQ(chunk.chainver, 8u);
}

TEST(ChunkChain, NoMoreMembersThanAPermitNames) {
  Chunk chunk = chunk_on({1, 2, 3, 4, 5, 6, 7, 8}, {9});
  EXPECT_FALSE(admit(chunk, ServerId{9}));
  EXPECT_EQ(chunk.members.size(), kMaxReplicas);
}

TEST(ChunkChain, ACopyThatIsExpectedChangesNoPermit) {
  Chunk chunk = chunk_on({1});
  EXPECT_FALSE(expect(chunk, ServerId{1}));
  EXPECT_TRUE(expect(chunk, ServerId{2}));
  EXPECT_FALSE(expect(chunk, ServerId{2}));
  EXPECT_EQ(chunk.chainver, 7u);
  EXPECT_TRUE(forget(chunk, ServerId{2}));
  EXPECT_FALSE(forget(chunk, ServerId{1}));
  EXPECT_EQ(chunk.chainver, 7u);
}

// A model of what the copies hold: how many of the acknowledged changes each has. Whoever is in sync has them all.
TEST(ChunkChain, WhateverHappensAMemberHasAllThatWasAcknowledged) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    sim::SimRandom random(seed);
    const auto pick = [&] { return ServerId{static_cast<std::uint32_t>(random.below(5)) + 1}; };
    const unsigned min_insync = 1 + static_cast<unsigned>(random.below(2));
    Chunk chunk = chunk_on({1, 2});
    std::map<ServerId, int> holds;
    std::set<ServerId> down;
    int acknowledged = 0;
    for (int step = 0; step < 100; ++step) {
      const Chunk before = chunk;
      const ServerId server = pick();
      switch (random.below(6)) {
        case 0:   // a change: acknowledged when all members have it, and nobody else has
          if (std::ranges::any_of(chunk.members, [&](ServerId id) { return down.contains(id); })) break;
          ++acknowledged;
          for (const ServerId id : chunk.members) holds[id] = acknowledged;
          break;
        case 1: down.insert(server); break;
        case 2: down.erase(server); break;
        case 3: leave(chunk, [&](ServerId id) { return down.contains(id); }, min_insync); break;
        case 4: expect(chunk, server); break;
        default:   // a copy, made by the master
          if (is_former(chunk, server) && !down.contains(chunk.members.front())) {
            holds[server] = holds[chunk.members.front()];
            EXPECT_TRUE(admit(chunk, server));
          }
      }
      ASSERT_FALSE(chunk.members.empty());
      for (const ServerId id : chunk.members) ASSERT_EQ(holds[id], acknowledged) << "seed " << seed << " step " << step;
      const bool changed = chunk.members != before.members;
      ASSERT_EQ(chunk.chainver, before.chainver + (changed ? 1 : 0));
      ASSERT_TRUE(chunk.members.size() >= std::min<std::size_t>(before.members.size(), min_insync));
      std::set<ServerId> once(chunk.members.begin(), chunk.members.end());
      once.insert(chunk.former.begin(), chunk.former.end());
      ASSERT_EQ(once.size(), chunk.members.size() + chunk.former.size());
    }
  }
}

}  // namespace
}  // namespace conclave::dir
