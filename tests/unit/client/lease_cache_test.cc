// The client's leases against a lock server that answers as each test says: what the real one does only when
// messages overtake each other, it does here at once.
#include "client/session/lease_cache.h"

#include <gtest/gtest.h>

#include <set>

#include "base/limits.h"
#include "conclave/lock/v1/lock.pb.h"
#include "lockserver/lock_client.h"
#include "tests/support/simulation.h"

namespace conclave::client {
namespace {

using namespace std::chrono_literals;
using enum LeaseMode;
constexpr InodeId kInode{5};

struct Returned {
  std::uint64_t seq = 0;
  LeaseMode keep = kNone;
  bool open = false;
  friend bool operator==(const Returned&, const Returned&) = default;
};

struct LeaseCacheTest : testing::Test {
  sim::Simulation sim{1};
  // What the lock server does; the first want's grant.
  std::function<lock::v1::Grant(const lock::v1::Want&)> grant = [this](const auto& want) { return granted(want); };
  std::function<std::uint64_t(const lock::v1::ReturnRequest::One&)> kept_seq = [](const auto&) { return 0u; };
  std::uint64_t next_seq = 10;
  int acquires = 0;
  std::vector<Returned> returned;
  // What the file system does.
  std::vector<std::string> asked;   // of the hooks, in order
  std::function<void()> on_invalidate = [] {};
  std::function<Status()> on_drain = [] { return Status(); };
  std::set<InodeId> cannot_drain;
  Duration patience{};   // until it is said
  bool open = false;

  Router router{sim.clock};
  sim::SimNode server{sim.network, "lock", "lock.sim"};
  sim::SimNode mount{sim.network, "mount"};
  sim::SimTransport transport{sim.network, mount, Peer{}};
  lock::LockClient client{transport, sim.clock, server.endpoint(1)};
  Parking parking{sim.waiter};
  LeaseCache leases{client, sim.clock, sim.waiter, parking,
                    {[this](InodeId) {
                       asked.emplace_back("invalidate");
                       on_invalidate();
                     },
                     [this](InodeId inode, LeaseMode) {
                       asked.emplace_back("drain");
                       if (!cannot_drain.contains(inode)) return on_drain();
                       sim.scheduler.sleep_for(patience);
                       return Status(Errc::kUnavailable);
                     },
                     [this](InodeId) { return open; }}};

  LeaseCacheTest() {
    router.unary<lock::v1::AcquireRequest, lock::v1::AcquireResponse>(
        "/conclave.lock.v1.LockService/Acquire", {Role::kUser},
        [this](const CallContext&, const auto& request) -> Result<lock::v1::AcquireResponse> {
          ++acquires;
          lock::v1::AcquireResponse response;
          for (const auto& want : request.wants()) *response.add_grants() = grant(want);
          return response;
        });
    router.unary<lock::v1::ReturnRequest, lock::v1::ReturnResponse>(
        "/conclave.lock.v1.LockService/Return", {Role::kUser},
        [this](const CallContext&, const auto& request) -> Result<lock::v1::ReturnResponse> {
          lock::v1::ReturnResponse response;
          for (const auto& one : request.returns()) {
            returned.push_back({one.seq(), lock::mode_of(one.keep()), one.open()});
            if (const auto seq = kept_seq(one)) *response.add_kept() = granted(one.inode(), one.keep(), seq);
          }
          return response;
        });
    server.listen(1, router);
    leases.on_session(SessionId{1}, sim.clock.now() + 60s);
    for (int i = 0; i < 2; ++i) mount.spawn("recalls", [this] { leases.run_recalls(); });
    mount.spawn("endings", [this] { leases.run_endings(); });
  }
  ~LeaseCacheTest() override {
    mount.kill();
    server.kill();
  }

  static lock::v1::Grant granted(std::uint64_t inode, lock::v1::Mode mode, std::uint64_t seq) {
    lock::v1::Grant out;
    out.set_inode(inode);
    out.set_mode(mode);
    out.set_seq(seq);
    out.set_token("token " + std::to_string(seq));
    return out;
  }
  lock::v1::Grant granted(const lock::v1::Want& want) { return granted(want.inode(), want.mode(), next_seq++); }
  static lock::v1::Grant pending(const lock::v1::Want& want) {
    lock::v1::Grant out;
    out.set_inode(want.inode());
    out.set_pending(true);
    return out;
  }
  Result<LeaseCache::Use> need(LeaseMode mode) { return leases.need(kInode, mode, "ticket"); }
  LeaseCache::Use hold(LeaseMode mode) {
    auto use = need(mode);
    EXPECT_TRUE(use);
    return use ? std::move(*use) : LeaseCache::Use();
  }
  ParkKey pend(LeaseMode mode) {
    const auto use = need(mode);
    EXPECT_FALSE(use);
    if (use) return 0;
    EXPECT_EQ(use.error().code, Errc::kPending);
    return use.error().key;
  }
  // How often an operation parked under `key` was started again.
  std::shared_ptr<int> park(ParkKey key) {
    auto count = std::make_shared<int>(0);
    parking.park(key, [count] { ++*count; });
    return count;
  }
  void settle(Duration time = 10ms) {
    sim.scheduler.sleep_for(time);
    while (parking.run_one()) {
    }
  }
};

// --- Asking.

TEST_F(LeaseCacheTest, AGrantThatComesAtOnceIsUsedAtOnce) {
  const auto use = hold(kRead);
  EXPECT_EQ(use.seq(), 10);
  EXPECT_EQ(use.token(), "token 10");
}

TEST_F(LeaseCacheTest, WhatIsHeldIsUsedWithoutAsking) {
  hold(kWrite);
  hold(kRead);
  hold(kWrite);
  EXPECT_EQ(acquires, 1);
  EXPECT_TRUE(leases.held(kInode, kRead));
  EXPECT_FALSE(leases.held(kInode, kDirRead));
  EXPECT_FALSE(leases.held(InodeId{6}, kRead));
}

TEST_F(LeaseCacheTest, AllWhoWantTheSameAskOnce) {
  grant = pending;
  const auto first = park(pend(kRead));
  const auto second = park(pend(kRead));
  EXPECT_EQ(acquires, 1);
  pend(kWrite);
  EXPECT_EQ(acquires, 2);
  leases.on_grant(kInode, kRead, 30, "token 30", Errc{}, false);
  settle();
  EXPECT_EQ(*first + *second, 2);
  EXPECT_EQ(hold(kRead).seq(), 30);
  EXPECT_EQ(acquires, 2);
}

TEST_F(LeaseCacheTest, AnUpgradeLeavesNoGap) {
  const auto since = hold(kRead).since();
  auto use = hold(kWrite);
  EXPECT_EQ(use.seq(), 11);
  EXPECT_EQ(use.since(), since);
}

TEST_F(LeaseCacheTest, ARefusalIsTold) {
  grant = [](const auto&) {
    lock::v1::Grant out;
    out.set_errc("Access");
    return out;
  };
  const auto use = need(kWrite);
  ASSERT_FALSE(use);
  EXPECT_EQ(use.error().code, Errc::kAccess);
  grant = [this](const auto& want) { return granted(want); };
  EXPECT_TRUE(need(kRead));
}

TEST_F(LeaseCacheTest, ARefusalByEventWakesWhoWaits) {
  grant = pending;
  const auto parked = park(pend(kRead));
  leases.on_grant(kInode, kRead, 0, "", Errc::kFenced, true);
  settle();
  EXPECT_EQ(*parked, 1);
  pend(kRead);
  EXPECT_EQ(acquires, 2);  // it asks again
}

TEST_F(LeaseCacheTest, APrefetchTakesWhatIsFreeAndWaitsForNothing) {
  grant = [this](const auto& want) {
    EXPECT_TRUE(want.if_free());
    lock::v1::Grant out = granted(want);
    if (want.inode() == 7) {
      out = {};
      out.set_errc("WouldBlock");
    }
    return out;
  };
  leases.prefetch({{InodeId{6}, "t"}, {InodeId{7}, "t"}, {InodeId{8}, "t"}}, kRead);
  EXPECT_EQ(acquires, 1);
  EXPECT_TRUE(leases.held(InodeId{6}, kRead));
  EXPECT_FALSE(leases.held(InodeId{7}, kRead));
  EXPECT_TRUE(leases.held(InodeId{8}, kRead));
}

// --- Recalls.

TEST_F(LeaseCacheTest, ARecallInvalidatesDrainsAndReturns) {
  open = true;
  hold(kRead);
  leases.on_recall(kInode, 10, kNone);
  settle();
  EXPECT_EQ(asked, (std::vector<std::string>{"invalidate", "drain"}));
  EXPECT_EQ(returned, (std::vector<Returned>{{10, kNone, true}}));
  EXPECT_FALSE(leases.held(kInode, kRead));
  EXPECT_EQ(leases.size(), 0);
}

TEST_F(LeaseCacheTest, ARecallToReadKeepsWhatIsCached) {
  const auto since = hold(kWrite).since();
  kept_seq = [](const auto&) { return 20; };
  leases.on_recall(kInode, 10, kRead);
  settle();
  EXPECT_EQ(asked, std::vector<std::string>{"drain"});
  EXPECT_EQ(returned, (std::vector<Returned>{{10, kRead, false}}));
  EXPECT_FALSE(leases.held(kInode, kWrite));
  const auto use = hold(kRead);
  EXPECT_EQ(use.seq(), 20);
  EXPECT_EQ(use.since(), since);
  EXPECT_EQ(acquires, 1);
}

TEST_F(LeaseCacheTest, ARecallWaitsForTheUsesBeforeItAndParksWhatComesLater) {
  auto use = std::optional(hold(kWrite));
  leases.on_recall(kInode, 10, kRead);
  settle();
  EXPECT_TRUE(use->revoked());
  EXPECT_TRUE(asked.empty());
  const auto parked = park(pend(kWrite));
  EXPECT_EQ(acquires, 1);
  use.reset();
  settle();
  EXPECT_EQ(returned.size(), 1);
  EXPECT_EQ(*parked, 1);
}

TEST_F(LeaseCacheTest, AnAnswerFromBeforeTheRecallMayBeCachedSoItIsWaitedForFirst) {
  auto use = std::optional(hold(kRead));
  EXPECT_GT(leases.cache_time(kInode, kRead), Duration::zero());
  leases.on_recall(kInode, 10, kNone);
  settle();
  EXPECT_TRUE(asked.empty()) << "the kernel would cache the old answer after it was invalidated";
  const auto later = hold(kRead);  // admitted
  EXPECT_EQ(leases.cache_time(kInode, kRead), Duration::zero());
  use.reset();
  settle();
  EXPECT_EQ(asked.front(), "invalidate");
}

TEST_F(LeaseCacheTest, AReadAnsweredDuringAnInvalidationIsInvalidatedAgain) {
  hold(kRead);
  int times = 0;
  on_invalidate = [&] {
    if (++times > 2) return;
    const auto read = leases.held(kInode, kRead);
    EXPECT_TRUE(read) << "a READ must not be parked while its inode is invalidated";
    leases.note_read_answered(kInode);
  };
  leases.on_recall(kInode, 10, kNone);
  settle();
  EXPECT_EQ(asked, (std::vector<std::string>{"invalidate", "invalidate", "invalidate", "drain"}));
}

TEST_F(LeaseCacheTest, AReadUnderWayWhenTheInvalidationEndedIsInvalidatedToo) {
  hold(kRead);
  std::optional<LeaseCache::Use> read;
  on_invalidate = [&] {
    if (asked.size() == 1) read = leases.held(kInode, kRead);
  };
  leases.on_recall(kInode, 10, kNone);
  settle();
  ASSERT_TRUE(read);
  EXPECT_EQ(asked.size(), 1);
  const auto parked = park(pend(kRead));
  leases.note_read_answered(kInode);
  read.reset();
  settle();
  EXPECT_EQ(asked, (std::vector<std::string>{"invalidate", "invalidate", "drain"}));
  EXPECT_EQ(*parked, 1);
}

TEST_F(LeaseCacheTest, AReadThatFindsItsUseRevokedIsRunAgainWhenTheRecallIsOver) {
  auto use = std::optional(hold(kWrite));
  leases.on_recall(kInode, 10, kNone);
  on_drain = [] { return Status(Errc::kUnavailable); };
  EXPECT_FALSE(use->revoked());
  EXPECT_EQ(*park(leases.again(kInode).key), 0);
  use.reset();
  settle();
  const auto parked = park(leases.again(kInode).key);
  settle();
  EXPECT_EQ(*parked, 0);
  on_drain = [] { return Status(); };
  settle(1s);
  EXPECT_EQ(*parked, 1);
}

TEST_F(LeaseCacheTest, AgainIsAtOnceUnlessOperationsAreParked) {
  const auto use = hold(kRead);
  const auto parked = park(leases.again(kInode).key);
  settle();
  EXPECT_EQ(*parked, 1);
}

TEST_F(LeaseCacheTest, WhatCannotBeDrainedYetIsNotReturned) {
  hold(kWrite);
  int tries = 0;
  on_drain = [&] { return ++tries < 3 ? Status(Errc::kUnavailable) : Status(); };
  leases.on_recall(kInode, 10, kNone);
  settle();
  EXPECT_TRUE(returned.empty());
  settle(2s);
  EXPECT_EQ(tries, 3);
  EXPECT_EQ(returned.size(), 1);
}

TEST_F(LeaseCacheTest, RecallsThatCannotBeDrainedKeepNoOtherWaiting) {
  for (std::uint64_t inode = 1; inode <= 5; ++inode) EXPECT_TRUE(leases.need(InodeId{inode}, kWrite, "t"));
  cannot_drain = {InodeId{1}, InodeId{2}, InodeId{3}, InodeId{4}};   // more than there are workers
  for (std::uint64_t inode = 1; inode <= 5; ++inode) leases.on_recall(InodeId{inode}, 9 + inode, kNone);
  settle(1s);
  EXPECT_EQ(returned, (std::vector<Returned>{{14, kNone, false}}));
  EXPECT_FALSE(leases.held(InodeId{1}, kWrite)) << "parked until it is drained";
  cannot_drain.clear();
  settle(1s);
  EXPECT_EQ(returned.size(), 5);
}

TEST_F(LeaseCacheTest, WhileFileServersAreAwayForLongARecallThatDoesNotNeedThemIsCarriedOutAtOnce) {
  for (std::uint64_t inode = 1; inode <= 5; ++inode) EXPECT_TRUE(leases.need(InodeId{inode}, kWrite, "t"));
  cannot_drain = {InodeId{1}, InodeId{2}, InodeId{3}, InodeId{4}};
  patience = 10s;
  for (std::uint64_t inode = 1; inode <= 4; ++inode) leases.on_recall(InodeId{inode}, 9 + inode, kNone);
  settle(60s);
  leases.on_recall(InodeId{5}, 14, kNone);
  settle();
  EXPECT_EQ(returned.size(), 1);
  cannot_drain.clear();
  settle(60s);
  EXPECT_EQ(returned.size(), 5);
}

TEST_F(LeaseCacheTest, TheOperationThatWaitedForAGrantComesBeforeItsRecall) {
  grant = pending;
  const ParkKey key = pend(kWrite);
  bool done = false;
  parking.park(key, [&] { done = need(kWrite).has_value(); });
  leases.on_grant(kInode, kWrite, 30, "token 30", Errc{}, false);
  leases.on_recall(kInode, 30, kNone);
  sim.scheduler.sleep_for(5ms);   // no worker of Parking has come to it yet
  EXPECT_TRUE(returned.empty());
  settle();
  EXPECT_TRUE(done);
  settle();
  EXPECT_EQ(returned.size(), 1);
}

TEST_F(LeaseCacheTest, AnOperationThatWaitedAndWasInterruptedDoesNotKeepTheRecallWaiting) {
  grant = pending;
  pend(kWrite);
  leases.on_grant(kInode, kWrite, 30, "token 30", Errc{}, false);
  leases.on_recall(kInode, 30, kNone);
  settle(1s);
  EXPECT_EQ(returned.size(), 1);
}

// --- Messages that overtake each other.

TEST_F(LeaseCacheTest, ARecallThatOvertakesItsGrantIsCarriedOut) {
  grant = [this](const auto& want) {
    leases.on_recall(kInode, next_seq, kNone);
    return granted(want);
  };
  auto use = std::optional(hold(kRead));   // one use, and then it goes
  EXPECT_TRUE(returned.empty());
  use.reset();
  settle();
  EXPECT_EQ(returned, (std::vector<Returned>{{10, kNone, false}}));
  EXPECT_FALSE(leases.held(kInode, kRead));
}

TEST_F(LeaseCacheTest, ARecallOfAGrantThatNeverArrivedIsAnsweredThatItIsNotHeld) {
  leases.on_recall(kInode, 99, kNone);
  settle();
  EXPECT_EQ(returned, (std::vector<Returned>{{99, kNone, false}}));
  EXPECT_TRUE(asked.empty());
  leases.on_grant(kInode, kRead, 99, "token 99", Errc{}, false);  // now it arrives
  EXPECT_FALSE(leases.held(kInode, kRead));
}

TEST_F(LeaseCacheTest, ARecallThatOvertookAnAnswerThatGotLostIsAnsweredThatItIsNotHeld) {
  grant = [this](const auto& want) {
    leases.on_recall(kInode, 99, kNone);
    return pending(want);
  };
  pend(kRead);
  settle();
  EXPECT_EQ(returned, (std::vector<Returned>{{99, kNone, false}}));
}

TEST_F(LeaseCacheTest, AGrantThatIsToldTwiceAndCameBackMeanwhileIsVoid) {
  hold(kRead);
  leases.on_recall(kInode, 10, kNone);
  settle();
  leases.on_grant(kInode, kRead, 10, "token 10", Errc{}, false);
  EXPECT_FALSE(leases.held(kInode, kRead));
  grant = pending;
  pend(kRead);  // an entry is there now
  leases.on_grant(kInode, kRead, 10, "token 10", Errc{}, false);
  EXPECT_FALSE(leases.held(kInode, kRead));
}

TEST_F(LeaseCacheTest, AGrantByEventBeforeThePendingAnswerIsUsed) {
  grant = [this](const auto& want) {
    leases.on_grant(kInode, kRead, 30, "token 30", Errc{}, false);
    return pending(want);
  };
  EXPECT_EQ(hold(kRead).seq(), 30);
}

TEST_F(LeaseCacheTest, AGrantThatCameAndWentBeforeThePendingAnswerIsAskedForAgain) {
  grant = [this](const auto& want) {
    leases.on_grant(kInode, kRead, 30, "token 30", Errc{}, false);
    leases.on_recall(kInode, 30, kNone);
    sim.scheduler.sleep_for(200ms);
    grant = [this](const auto& again) { return granted(again.inode(), again.mode(), 40); };
    return pending(want);
  };
  EXPECT_EQ(hold(kRead).seq(), 40);
  EXPECT_EQ(returned.size(), 1);
}

TEST_F(LeaseCacheTest, AnOldGrantFoundByANewQuestionGoesBackFirst) {
  hold(kRead);
  leases.on_recall(kInode, 10, kNone);
  settle();
  grant = [this](const auto& want) { return granted(want.inode(), want.mode(), returned.size() < 2 ? 8 : 20); };
  const auto parked = park(pend(kRead));
  settle();
  EXPECT_EQ(returned.back(), (Returned{8, kNone, false}));
  EXPECT_EQ(*parked, 1);
  EXPECT_EQ(hold(kRead).seq(), 20);
}

TEST_F(LeaseCacheTest, ARecallOfWhatWasKeptMayOvertakeTheAnswerThatKeepsIt) {
  hold(kWrite);
  kept_seq = [this](const auto& one) -> std::uint64_t {
    if (one.seq() != 10) return 0;
    leases.on_recall(kInode, 20, kNone);
    return 20;
  };
  leases.on_recall(kInode, 10, kRead);
  settle();
  EXPECT_EQ(returned, (std::vector<Returned>{{10, kRead, false}, {20, kNone, false}}));
  EXPECT_EQ(asked, (std::vector<std::string>{"drain", "invalidate", "drain"}));
  EXPECT_FALSE(leases.held(kInode, kRead));
}

// --- The session.

TEST_F(LeaseCacheTest, WithoutASessionOperationsWaitUntilThereIsOne) {
  hold(kRead);
  sim.scheduler.sleep_for(61s);
  EXPECT_FALSE(leases.held(kInode, kRead));
  EXPECT_EQ(leases.cache_time(kInode, kRead), Duration::zero());
  const auto parked = park(pend(kRead));
  settle();
  EXPECT_EQ(*parked, 0);
  leases.on_session(SessionId{1}, sim.clock.now() + 60s);
  settle();
  EXPECT_EQ(*parked, 1);
  EXPECT_TRUE(leases.held(kInode, kRead));
}

TEST_F(LeaseCacheTest, TheKernelKeepsNothingLongerThanTheSessionLasts) {
  hold(kRead);
  EXPECT_EQ(leases.cache_time(kInode, kRead), Duration(30s));
  leases.on_session(SessionId{1}, sim.clock.now() + 7s);
  EXPECT_LE(leases.cache_time(kInode, kRead), Duration(7s));
  EXPECT_EQ(leases.cache_time(kInode, kWrite), Duration::zero());
}

TEST_F(LeaseCacheTest, TheEndOfASessionTakesEveryLeaseAndEmptiesTheKernelsCaches) {
  const auto since = hold(kRead).since();
  leases.drop_all();
  settle();
  EXPECT_EQ(leases.size(), 0);
  EXPECT_EQ(asked, std::vector<std::string>{"invalidate"});
  EXPECT_TRUE(returned.empty());
  const auto parked = park(pend(kRead));
  leases.on_session(SessionId{2}, sim.clock.now() + 60s);
  settle();
  EXPECT_EQ(*parked, 1);
  const auto use = hold(kRead);
  EXPECT_NE(use.since(), since);
}

TEST_F(LeaseCacheTest, AnAnswerOfTheLostSessionIsNotTaken) {
  grant = [this](const auto& want) {
    const auto late = granted(want);
    if (acquires == 1) {
      leases.drop_all();
      leases.on_session(SessionId{2}, sim.clock.now() + 60s);
    }
    return late;
  };
  EXPECT_EQ(hold(kRead).seq(), 11);
  EXPECT_EQ(acquires, 2);
}

TEST_F(LeaseCacheTest, WhenTheLockServerIsAwayOperationsWait) {
  server.kill();
  const auto parked = park(pend(kRead));
  server.start();
  server.listen(1, router);
  leases.on_session(SessionId{1}, sim.clock.now() + 60s);  // renewed
  settle();
  EXPECT_EQ(*parked, 1);
}

TEST_F(LeaseCacheTest, NothingIsAdmittedFromWhenTheEndIsNear) {
  hold(kRead);
  leases.on_suspect();
  EXPECT_FALSE(leases.held(kInode, kRead)) << "its READ would fill the page cache again";
  const auto parked = park(pend(kRead));
  settle();
  EXPECT_EQ(asked, std::vector<std::string>{"invalidate"});
  EXPECT_EQ(*parked, 0);
  leases.on_session(SessionId{1}, sim.clock.now() + 60s);  // renewed after all
  settle();
  EXPECT_EQ(*parked, 1);
  EXPECT_TRUE(leases.held(kInode, kRead));
  EXPECT_EQ(acquires, 1);
}

TEST_F(LeaseCacheTest, WhatWasUnderWayWhenTheEndCameNearIsInvalidatedToo) {
  auto use = std::optional(hold(kRead));
  EXPECT_FALSE(use->revoked());
  leases.on_suspect();
  EXPECT_TRUE(use->revoked()) << "a READ is not answered any more";
  settle(1s);
  const auto before = asked.size();
  use.reset();   // its answer has reached the kernel
  settle(1s);
  EXPECT_EQ(asked.size(), before + 1);
}

TEST_F(LeaseCacheTest, WhatIsRenewedInTimeKeepsWhatTheKernelCached) {
  auto use = std::optional(hold(kRead));
  leases.on_suspect();
  settle();
  const auto before = asked.size();
  leases.on_session(SessionId{1}, sim.clock.now() + 60s);
  use.reset();
  settle(1s);
  EXPECT_EQ(asked.size(), before);
}

// --- Giving back what nobody needs.

TEST_F(LeaseCacheTest, ReleasesShareACall) {
  for (std::uint64_t inode = 1; inode <= 20; ++inode) EXPECT_TRUE(leases.need(InodeId{inode}, kRead, "t"));
  for (std::uint64_t inode = 1; inode <= 20; ++inode) leases.release_soon(InodeId{inode});
  settle();
  EXPECT_EQ(returned.size(), 20);
  EXPECT_EQ(leases.size(), 0);
}

TEST_F(LeaseCacheTest, AReleaseThatCannotBeDrainedKeepsNoOtherWaiting) {
  for (std::uint64_t inode = 1; inode <= 3; ++inode) EXPECT_TRUE(leases.need(InodeId{inode}, kWrite, "t"));
  cannot_drain = {InodeId{1}};
  for (std::uint64_t inode = 1; inode <= 3; ++inode) leases.release_soon(InodeId{inode});
  settle(1s);
  EXPECT_EQ(returned, (std::vector<Returned>{{11, kNone, false}, {12, kNone, false}}));
  cannot_drain.clear();
  settle(1s);
  EXPECT_EQ(returned.size(), 3);
  EXPECT_EQ(leases.size(), 0);
}

TEST_F(LeaseCacheTest, WhatIsUsedAgainBeforeItsReleaseStays) {
  hold(kRead);
  leases.release_soon(kInode);
  hold(kRead);
  settle();
  EXPECT_TRUE(returned.empty());
  EXPECT_TRUE(leases.held(kInode, kRead));
  leases.on_recall(kInode, 10, kNone);
  settle();
  EXPECT_EQ(returned.size(), 1);
}

TEST_F(LeaseCacheTest, ARecallThatCameBeforeAReleaseIsCarriedOutAlthoughTheLeaseIsUsedAgain) {
  hold(kRead);
  leases.release_soon(kInode);
  leases.on_recall(kInode, 10, kNone);
  hold(kRead);
  settle();
  EXPECT_EQ(returned, (std::vector<Returned>{{10, kNone, false}}));
}

TEST_F(LeaseCacheTest, AnotherKindOfLeaseEndsWhatTheFirstAllowed) {
  const auto since = hold(kRead).since();
  const auto parked = park(pend(kShared));
  settle();
  EXPECT_EQ(asked, (std::vector<std::string>{"invalidate", "drain"}));
  EXPECT_EQ(returned.size(), 1);
  EXPECT_EQ(*parked, 1);
  const auto use = hold(kShared);
  EXPECT_EQ(use.mode(), kShared);
  EXPECT_NE(use.since(), since);
}

TEST_F(LeaseCacheTest, TheLongestUnusedAreReleasedWhenThereAreTooMany) {
  const std::size_t most = kMaxLeasesHeld;
  std::vector<std::pair<InodeId, std::string>> wants;
  for (std::uint64_t inode = 1; inode <= most + 20'000; ++inode) {
    wants.emplace_back(InodeId{inode}, "t");
    if (wants.size() < kMaxLeasesPerCall) continue;
    leases.prefetch(wants, kRead);
    wants.clear();
    EXPECT_TRUE(leases.held(InodeId{1}, kRead)) << "in use all the time";
    settle(1ms);
  }
  settle(1s);
  EXPECT_LE(leases.size(), most + 1000);
  EXPECT_GT(leases.size(), most / 2);
}

TEST_F(LeaseCacheTest, UnmountingDrainsAndReturnsEverything) {
  for (std::uint64_t inode = 1; inode <= 3; ++inode) EXPECT_TRUE(leases.need(InodeId{inode}, kWrite, "t"));
  EXPECT_TRUE(leases.return_all());
  EXPECT_EQ(returned.size(), 3);
  EXPECT_EQ(asked, (std::vector<std::string>{"drain", "drain", "drain"}));
  EXPECT_EQ(need(kRead).error().code, Errc::kUnavailable);
}

}  // namespace
}  // namespace conclave::client
