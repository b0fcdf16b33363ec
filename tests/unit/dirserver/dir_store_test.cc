#include "dirserver/dir_store.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "tests/support/crash_points.h"
#include "tests/unit/dirserver/dir_world.h"

namespace conclave::dir {
namespace {

constexpr std::uint64_t kRoot = 1;

TEST(DirStore, AnOperationThatIsRepeatedHasOneEffectAndOneAnswer) {
  sim::SimFiles files;
  DirWorld world(files);
  DirSession host = host_session(world);
  const auto request = host.create_request(kRoot, "f", S_IFREG | 0644);
  const auto first = host.change<v1::CreateResponse>("Create", request);
  host.repeat = true;
  EXPECT_EQ(host.change<v1::CreateResponse>("Create", request)->SerializeAsString(), first->SerializeAsString());
  world.start();  // the answer is in the database
  EXPECT_EQ(host.change<v1::CreateResponse>("Create", request)->SerializeAsString(), first->SerializeAsString());
  host.repeat = false;
  EXPECT_EQ(code_of(host.change<v1::CreateResponse>("Create", request)), Errc::kExists);
}

TEST(DirStore, ARefusalIsRepeatedToo) {
  sim::SimFiles files;
  DirWorld world(files);
  DirSession host = host_session(world);
  EXPECT_EQ(code_of(host.remove(kRoot, "f")), Errc::kNotFound);
  DirSession late = host_session(world, 101);
  late.make(kRoot, "f", S_IFREG | 0644);
  host.repeat = true;  // the first attempt, delayed on its way: it must not happen now
  EXPECT_EQ(code_of(host.remove(kRoot, "f")), Errc::kNotFound);
  EXPECT_TRUE(host.look(kRoot, "f"));
}

TEST(DirStore, AnOperationOlderThanItsSlotsLastIsRefused) {
  sim::SimFiles files;
  DirWorld world(files);
  DirSession host = host_session(world);
  const auto change = [&](const OpId& op) {
    return world.store().commit<v1::SyncResponse>(op, false, [](Change&) { return Result<v1::SyncResponse>(v1::SyncResponse()); });
  };
  const SessionId session{5};
  EXPECT_TRUE(change({session, 1, 3, 10}));     // gaps are allowed
  EXPECT_TRUE(change({session, 1, 4, 1}));      // slots are apart
  EXPECT_EQ(code_of(change({session, 1, 3, 9})), Errc::kMisordered);
  EXPECT_TRUE(change({session, 2, 3, 1}));      // a new generation begins anew
  EXPECT_EQ(code_of(change({session, 1, 3, 11})), Errc::kStale);
  EXPECT_TRUE(change({session, 2, 4, 1}));
  world.start();
  EXPECT_EQ(code_of(change({session, 1, 3, 12})), Errc::kStale);
  EXPECT_EQ(code_of(change({session, 2, 99, 1})), Errc::kInvalid);
}

TEST(DirStore, DroppedSessionsAreForgotten) {
  sim::SimFiles files;
  DirWorld world(files);
  DirSession host = host_session(world, 77);
  host.make(kRoot, "f", S_IFREG | 0644);
  world.start();
  EXPECT_EQ(world.store().sessions_at_start(), std::vector{SessionId{77}});
  ASSERT_TRUE(world.store().drop_sessions({SessionId{77}}));
  world.start();
  EXPECT_TRUE(world.store().sessions_at_start().empty());
}

TEST(DirStore, AnOperationThatFailsHalfwaySpoilsNobodyElse) {
  sim::SimFiles files;
  DirWorld world(files);
  const auto add = [&](const std::string& name, bool fail) {
    return world.store().commit_status(false, [&](Change& change) -> Status {
      Node node;
      node.inode = change.new_inode();
      node.mode = S_IFREG | 0644;
      TRY(change.add_name(kRootInode, name, change.add_node(node)));
      ++TRY(change.edit(kRootInode))->size_bytes;
      return fail ? Status(Errc::kInternal) : Status();
    });
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int k = 0; k < 40; ++k) {
        EXPECT_EQ(add(std::to_string(i) + "." + std::to_string(k), k % 20 == 7).has_value(), k % 20 != 7);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  DirSession host = host_session(world);
  EXPECT_EQ(host.list(kRoot)->entries_size(), 8 * 38 + 3);
  EXPECT_EQ(host.attr(kRoot)->size_bytes(), 8 * 38u);
  EXPECT_EQ(world.store().figures().counts.inodes, 8 * 38u + 4);
}

TEST(DirStore, ThreadsShareCommitsAndLoseNothing) {
  sim::SimFiles files;
  DirWorld world(files);
  DirSession host = host_session(world);
  const auto dir = host.make(kRoot, "d", S_IFDIR | 0755);
  const std::uint64_t before = host.attr(dir)->change();
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      DirSession mine = host_session(world, 200 + i);
      for (int k = 0; k < 100; ++k) {
        const auto name = std::to_string(i) + "." + std::to_string(k);
        mine.make(dir, name, S_IFREG | 0644);
        EXPECT_TRUE(mine.look(dir, name));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::uint64_t last = 0;
  const auto all = host.list(dir);
  EXPECT_EQ(all->entries_size(), 800);
  for (const auto& one : all->entries()) EXPECT_GT(one.cookie(), std::exchange(last, one.cookie()));
  EXPECT_EQ(world.store().figures().operations, 800u + 2);
  EXPECT_EQ(host.attr(dir)->change(), before + 800);
}

TEST(DirStore, SyncsHappenOnlyWhenAsked) {
  sim::SimFiles files;
  DirWorld world(files);
  DirSession host = host_session(world);
  const auto before = files.all_syncs();
  const auto file = host.make(kRoot, "a", S_IFREG | 0644);
  for (int i = 0; i < 50; ++i) host.make(kRoot, std::to_string(i), S_IFREG | 0644);
  EXPECT_EQ(files.all_syncs(), before);
  EXPECT_LT(world.store().synced_commit(), world.store().figures().counts.commits);
  ASSERT_TRUE(host.commit(file, 5, true));
  EXPECT_GT(files.all_syncs(), before);
  EXPECT_EQ(world.store().synced_commit(), world.store().figures().counts.commits);
  const auto after = files.all_syncs();
  ASSERT_TRUE(host.sync());  // nothing left to sync
  EXPECT_EQ(files.all_syncs(), after);
}

// What was answered before a sync that succeeded is there after a power loss, and no number is given out twice.
TEST(DirStore, WhatWasSyncedSurvivesPowerLossAtEverySyncPoint) {
  struct Promised {
    std::vector<std::string> synced;
    std::uint64_t largest_inode = 0;
  };
  sim::crash_at_every_sync(
      [](sim::SimFiles& files) {
        Promised promised;
        DirWorld world(files);
        if (!world.start_failure().empty()) return promised;
        DirSession host = host_session(world);
        std::vector<std::string> pending;
        for (int i = 0; i < 40 && files.has_power(); ++i) {
          const auto name = "f" + std::to_string(i);
          const auto made = host.create(kRoot, name, S_IFREG | 0644);
          if (!made) break;
          promised.largest_inode = made->entry().attr().inode();
          pending.push_back(name);
          if (i % 8 != 7) continue;
          if (!host.sync()) break;
          promised.synced.insert(promised.synced.end(), pending.begin(), pending.end());
          pending.clear();
          if (i % 16 == 15 && !world.store().checkpoint()) break;
        }
        return promised;
      },
      [](sim::SimFiles& files, const Promised& promised) {
        DirWorld world(files);
        ASSERT_EQ(world.start_failure(), "");
        DirSession host = host_session(world, 555);
        for (const auto& name : promised.synced) EXPECT_TRUE(host.look(kRoot, name)) << name;
        const auto all = *host.list(kRoot, 0, 1000, true);
        std::uint64_t inodes = 1;
        for (const auto& one : all.entries()) inodes += one.entry().attr().nlink() != 0 ? 1 : 0;
        EXPECT_EQ(world.store().figures().counts.inodes, inodes);
        EXPECT_GT(host.make(kRoot, "after", S_IFREG | 0644), promised.largest_inode);
      },
      3);
}

TEST(DirStore, KilledProcessLosesNothingThatWasAnswered) {
  sim::SimFiles files;
  auto world = std::make_unique<DirWorld>(files);
  {
    DirSession host = host_session(*world);
    for (int i = 0; i < 100; ++i) host.make(kRoot, std::to_string(i), S_IFREG | 0644);
  }
  files.kill_process();
  world.reset();
  DirWorld next(files);
  ASSERT_EQ(next.start_failure(), "");
  EXPECT_EQ(host_session(next).list(kRoot)->entries_size(), 103);
}

// A mount that saw what a power loss took back would else take an earlier state for the newer one, and keep to it.
TEST(DirStore, ChangeNumbersRiseThoughAPowerLossTakesChangesBack) {
  sim::SimFiles files;
  auto world = std::make_unique<DirWorld>(files);
  std::uint64_t file = 0;
  std::uint64_t seen = 0;
  {
    DirSession host = host_session(*world);
    file = host.make(kRoot, "f", S_IFREG | 0644);
    ASSERT_TRUE(world->store().sync());
    for (int i = 0; i < 10; ++i) host.make(kRoot, std::to_string(i), S_IFREG | 0644);
    seen = std::max(host.attr(kRoot)->change(), host.attr(file)->change());
  }
  files.crash();
  world.reset();
  DirWorld next(files);
  DirSession host = host_session(next, 101);
  EXPECT_GT(host.attr(kRoot)->change(), seen);
  EXPECT_GT(host.attr(file)->change(), seen);
  const auto before = host.attr(kRoot)->change();
  EXPECT_GE(host.attr(host.make(kRoot, "g", S_IFREG | 0644))->change(), before);
  EXPECT_GT(host.attr(kRoot)->change(), before);
}

TEST(DirStore, AFullDiskRefusesAndGoesOnWhenThereIsRoom) {
  sim::SimFiles files;
  DirWorld world(files);
  DirSession host = host_session(world);
  host.make(kRoot, "before", S_IFREG | 0644);
  files.set_capacity(1);
  std::optional<Errc> code;
  for (int i = 0; i < 2000 && !code; ++i) code = code_of(host.create(kRoot, "x" + std::to_string(i), S_IFREG | 0644));
  EXPECT_EQ(code, Errc::kNoSpace);
  EXPECT_TRUE(host.look(kRoot, "before"));
  files.set_capacity(std::uint64_t{1} << 40);
  EXPECT_FALSE(code_of(host.create(kRoot, "after", S_IFREG | 0644)));
}

// Whichever page it lies in: a refusal, never a wrong answer, and never a second tree in the place of an unreadable one.
TEST(DirStore, AFlippedBitIsFoundOutOrHarmless) {
  int found = 0;
  for (std::uint64_t page = 0; page < 22; ++page) {
    sim::SimFiles files;
    { DirWorld world(files); }
    files.flip_bit("/dir.db", 8 * (page * 4096 + 2000));
    DirWorld world(files);
    if (!world.start_failure().empty()) {
      ++found;
      continue;
    }
    DirSession host = host_session(world);
    const auto look = host.look(kRoot, "secrets");
    const auto list = host.list(kRoot, 0, 10, true);
    const auto made = host.create(kRoot, "new", S_IFREG | 0644);
    EXPECT_EQ(look ? look->attr().class_() : v1::SECRET, v1::SECRET);
    EXPECT_EQ(list ? list->entries_size() : 3, 3);
    for (const auto code : {code_of(look), code_of(list), code_of(made)}) EXPECT_TRUE(!code || *code == Errc::kCorrupt);
    found += look && list && made ? 0 : 1;
  }
  EXPECT_GE(found, 8);
}

}  // namespace
}  // namespace conclave::dir
