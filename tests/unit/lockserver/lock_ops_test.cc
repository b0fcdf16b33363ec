// The lock server's rpcs, called as a client calls them, over the simulated network.
#include "lockserver/lock_ops.h"

#include <gtest/gtest.h>

#include "lockserver/lock_client.h"
#include "tests/support/simulation.h"

namespace conclave::lock {
namespace {

constexpr ClusterId kCluster{9};
constexpr std::uint64_t kInode = 5;

Peer peer_of(Role role, std::uint8_t id) {
  Peer peer;
  peer.role = role;
  peer.name = std::to_string(id);
  peer.fingerprint[0] = id;
  return peer;
}

struct LockOpsTest : testing::Test {
  sim::Simulation sim{1};
  Log log{"lockserver 1", LogLevel::kError};
  sim::SimFiles disk{1};
  LockMemory memory = begun(3);
  LockOps ops{kCluster, SessionTerm(), memory, sim.clock, sim.waiter, sim.random, log};
  Router router{sim.clock};
  sim::SimNode node{sim.network, "lock", "lock.sim"};
  sim::SimNode others{sim.network, "others"};

  // Up to this epoch.
  LockMemory begun(std::uint32_t epoch) {
    EXPECT_TRUE(disk.make_folders("data"));
    for (;;) {
      auto next = LockMemory::begin(disk, sim.random, "data");
      if (!next || next->epoch() >= epoch) return std::move(next).value();
    }
  }
  LockOpsTest() {
    ops.add_routes(router);
    node.listen(1, router);
    node.run_duty("expiry", ops);
  }
  ~LockOpsTest() override {
    others.kill();
    node.kill();
  }

  // One certificate and, once open() was called, its session and its stream's events.
  struct Client {
    Client(LockOpsTest& t, Role role, std::uint8_t id)
        : test(t), transport(t.sim.network, t.others, peer_of(role, id)),
          lock(transport, t.sim.clock, t.node.endpoint(1)) {}

    Client& open(std::uint64_t nonce = 1) {
      v1::OpenSessionRequest request;
      request.set_nonce(nonce);
      request.set_label("test");
      const auto opened = lock.open_session(request);
      EXPECT_TRUE(opened);
      session = opened->session();
      pass = opened->pass();
      slots = std::make_unique<SlotPool>(SessionId{session}, opened->epoch(), test.sim.waiter);
      test.others.spawn("events", [this, epoch = opened->epoch()] {
        (void)lock.events(SessionId{session}, epoch, 0, [this](std::uint64_t number, std::string_view bytes) {
          if (number == 0) return true;
          EXPECT_TRUE(events.emplace_back().ParseFromString(std::string(bytes)));
          return true;
        });
      });
      return *this;
    }
    Result<v1::RenewResponse> renew() {
      v1::RenewRequest request;
      request.set_session(session);
      return lock.renew(request, 1s);
    }
    v1::Grant acquire(v1::Mode mode, std::string ticket = "", bool if_free = false) {
      v1::AcquireRequest request;
      request.set_session(session);
      auto& want = *request.add_wants();
      want.set_inode(kInode);
      want.set_mode(mode);
      want.set_ticket(ticket.empty() ? test.ticket(session, kInode) : std::move(ticket));
      want.set_if_free(if_free);
      const auto answer = lock.acquire(request);
      EXPECT_TRUE(answer);
      return answer ? answer->grants(0) : v1::Grant();
    }
    void give_back(std::uint64_t seq, v1::Mode keep = v1::NONE, bool open = false) {
      v1::ReturnRequest request;
      request.set_session(session);
      auto& one = *request.add_returns();
      one.set_inode(kInode);
      one.set_seq(seq);
      one.set_keep(keep);
      one.set_open(open);
      EXPECT_TRUE(lock.give_back(request));
    }
    v1::SetLockRequest lock_request(v1::LockType type, std::uint64_t wait = 0) {
      v1::SetLockRequest request;
      request.set_session(session);
      request.set_inode(kInode);
      request.set_kind(v1::POSIX);
      request.set_owner(1);
      request.set_type(type);
      request.mutable_range()->set_end(UINT64_MAX);
      request.set_wait(wait);
      request.set_ticket(test.ticket(session, kInode));
      return request;
    }
    Result<v1::SetLockResponse> set_lock(v1::LockType type, std::uint64_t wait = 0) {
      const auto slot = slots->acquire();
      return lock.set_lock(lock_request(type, wait), slot.id());
    }

    LockOpsTest& test;
    sim::SimTransport transport;
    LockClient lock;
    std::uint64_t session = 0;
    std::string pass;
    std::unique_ptr<SlotPool> slots;
    std::deque<v1::Event> events;
  };
  Client a{*this, Role::kHost, 1}, b{*this, Role::kUser, 2}, dir{*this, Role::kDir, 3}, file{*this, Role::kFile, 4};

  v1::SyncResponse sync(std::uint64_t acknowledged = 0) {
    v1::SyncRequest request;
    request.set_fence_acknowledged(acknowledged);
    const auto answer = dir.lock.sync(request, 1s);
    EXPECT_TRUE(answer);
    return answer ? *answer : v1::SyncResponse();
  }
  EpochKeys keys() {
    const auto answer = sync();
    return {kCluster, {answer.epoch(), SecretBytes::copy_of(view_of(answer.key()))}};
  }
  std::string ticket(std::uint64_t session, std::uint64_t inode, std::uint8_t rights = kTicketRead | kTicketWrite) {
    return string_of(keys().seal(Ticket{SessionId{session}, InodeId{inode}, rights}));
  }
  void settle(Duration time = 5ms) { sim.scheduler.sleep_for(time); }
};

TEST_F(LockOpsTest, PassesAndTokensAreGoodUnderTheKeyThatDGets) {
  a.open();
  const auto pass = keys().open_pass(view_of(a.pass));
  ASSERT_TRUE(pass);
  EXPECT_EQ(pass->session, SessionId{a.session});
  EXPECT_EQ(pass->holder, holder_of(peer_of(Role::kHost, 1).fingerprint));
  EXPECT_EQ(pass->epoch, 3);
  const auto grant = a.acquire(v1::WRITE);
  const auto token = keys().open_lease(view_of(grant.token()));
  ASSERT_TRUE(token);
  EXPECT_EQ(token->session, SessionId{a.session});
  EXPECT_EQ(token->holder, pass->holder);
  EXPECT_EQ(token->inode, InodeId{kInode});
  EXPECT_EQ(token->mode, LeaseMode::kWrite);
  EXPECT_EQ(token->seq, grant.seq());
  EXPECT_EQ(token->seq >> 32, 3);
}

TEST_F(LockOpsTest, EveryRpcIsForItsRoles) {
  EXPECT_EQ(file.lock.open_session({}).error().code, Errc::kAccess);
  EXPECT_EQ(file.lock.sync({}, 1s).error().code, Errc::kAccess);
  EXPECT_EQ(a.lock.sync({}, 1s).error().code, Errc::kAccess);
  EXPECT_EQ(a.lock.opens({}).error().code, Errc::kAccess);
  EXPECT_EQ(dir.lock.acquire({}).error().code, Errc::kAccess);
  EXPECT_TRUE(b.lock.health());
}

TEST_F(LockOpsTest, ASessionIsItsCertificatesAlone) {
  a.open();
  b.session = a.session;
  EXPECT_EQ(b.renew().error().code, Errc::kAccess);
  v1::AcquireRequest request;
  request.set_session(a.session);
  EXPECT_EQ(b.lock.acquire(request).error().code, Errc::kAccess);
  v1::CloseSessionRequest close;
  close.set_session(a.session);
  EXPECT_EQ(b.lock.close_session(close).error().code, Errc::kAccess);
  EXPECT_EQ(b.lock.events(SessionId{a.session}, memory.epoch(), 0, [](auto, auto) { return true; }).error().code, Errc::kAccess);
  b.session = 12345;
  EXPECT_EQ(b.renew().error().code, Errc::kStale);
}

TEST_F(LockOpsTest, ALeaseNeedsATicketThatAllowsIt) {
  a.open();
  b.open();
  EXPECT_EQ(a.acquire(v1::READ, ticket(a.session, kInode, kTicketWrite)).errc(), "Access");
  EXPECT_EQ(a.acquire(v1::WRITE, ticket(a.session, kInode, kTicketRead)).errc(), "Access");
  EXPECT_EQ(a.acquire(v1::SHARED, ticket(a.session, kInode, kTicketRead)).errc(), "Access");
  EXPECT_EQ(a.acquire(v1::WRITE, ticket(a.session, kInode, kTicketWrite)).errc(), "Access");  // it would let them read
  EXPECT_EQ(a.acquire(v1::READ, ticket(b.session, kInode)).errc(), "Stale");
  EXPECT_EQ(a.acquire(v1::READ, ticket(a.session, kInode + 1)).errc(), "Stale");
  EXPECT_EQ(a.acquire(v1::READ, "no ticket").errc(), "Invalid");
  std::string forged = ticket(a.session, kInode, kTicketRead);
  forged.back() = static_cast<char>(forged.back() ^ 1);
  EXPECT_EQ(a.acquire(v1::READ, forged).errc(), "Access");
  EXPECT_EQ(a.acquire(v1::NONE).errc(), "Invalid");
  EXPECT_EQ(a.acquire(v1::READ, ticket(a.session, kInode, kTicketRead)).errc(), "");
}

TEST_F(LockOpsTest, ARecallAndThenTheGrantArePushed) {
  a.open();
  b.open();
  const auto grant = a.acquire(v1::WRITE);
  EXPECT_TRUE(b.acquire(v1::READ).pending());
  settle();
  ASSERT_EQ(a.events.size(), 1);
  EXPECT_EQ(a.events[0].recall().seq(), grant.seq());
  EXPECT_EQ(a.events[0].recall().keep(), v1::READ);
  EXPECT_TRUE(b.events.empty());
  a.give_back(grant.seq(), v1::READ);
  settle();
  ASSERT_EQ(b.events.size(), 1);
  EXPECT_EQ(b.events[0].granted().mode(), v1::READ);
  EXPECT_TRUE(keys().open_lease(view_of(b.events[0].granted().token())));
}

TEST_F(LockOpsTest, IfFreeIsRefusedRatherThanQueued) {
  a.open();
  b.open();
  a.acquire(v1::WRITE);
  EXPECT_EQ(b.acquire(v1::READ, "", true).errc(), "WouldBlock");
  settle();
  EXPECT_TRUE(a.events.empty());
}

TEST_F(LockOpsTest, ARecallIsRepeatedUntilAnswered) {
  a.open();
  b.open();
  a.acquire(v1::WRITE);
  b.acquire(v1::READ);
  settle(kRecallPatience + 1s);
  EXPECT_EQ(a.events.size(), 2);
}

TEST_F(LockOpsTest, WhatASilentSessionHeldIsFreeOnlyWhenDHasAcknowledgedItsFence) {
  a.open();
  b.open();
  a.acquire(v1::WRITE);
  ASSERT_TRUE(a.set_lock(v1::EXCLUSIVE_LOCK));
  b.acquire(v1::WRITE);
  for (int i = 0; i < 4; ++i) {
    settle(10s);
    EXPECT_TRUE(b.renew());
  }
  EXPECT_EQ(a.renew().error().code, Errc::kFenced);
  EXPECT_TRUE(b.events.empty());
  const auto told = sync();
  ASSERT_EQ(told.fenced_size(), 1);
  EXPECT_EQ(told.fenced(0), a.session);
  EXPECT_EQ(std::vector<std::uint64_t>(told.live().begin(), told.live().end()), std::vector{b.session});
  EXPECT_EQ(b.set_lock(v1::SHARED_LOCK).error().code, Errc::kWouldBlock);
  EXPECT_TRUE(b.events.empty());

  EXPECT_EQ(sync(told.newest_fence()).fenced_size(), 0);
  settle();
  ASSERT_EQ(b.events.size(), 1);
  EXPECT_EQ(b.events[0].granted().mode(), v1::WRITE);
  EXPECT_TRUE(b.set_lock(v1::SHARED_LOCK));
  EXPECT_EQ(a.renew().error().code, Errc::kStale);
}

TEST_F(LockOpsTest, AnAcknowledgementFromAnEarlierEpochFreesNothing) {
  a.open();
  b.open();
  settle(kLeaseTerm + 2s);
  EXPECT_EQ(sync((std::uint64_t{2} << 32) + 1000).fenced_size(), 2);
}

TEST_F(LockOpsTest, AClosedSessionFreesAllAtOnce) {
  a.open();
  b.open();
  a.acquire(v1::WRITE);
  ASSERT_TRUE(a.set_lock(v1::EXCLUSIVE_LOCK));
  b.acquire(v1::WRITE);
  EXPECT_TRUE(b.set_lock(v1::EXCLUSIVE_LOCK, 7)->pending());
  v1::CloseSessionRequest close;
  close.set_session(a.session);
  EXPECT_TRUE(a.lock.close_session(close));
  EXPECT_TRUE(a.lock.close_session(close));   // a retry
  settle();
  ASSERT_EQ(b.events.size(), 2);
  EXPECT_EQ(b.events[0].granted().mode(), v1::WRITE);
  EXPECT_EQ(b.events[1].lock().wait(), 7);
  EXPECT_EQ(b.events[1].lock().errc(), "");
}

TEST_F(LockOpsTest, ALateRepetitionOfALockDoesNotTakeItAgain) {
  a.open();
  b.open();
  const auto first = std::make_optional(a.slots->acquire());
  const auto request = a.lock_request(v1::EXCLUSIVE_LOCK);
  const OpId op = first->id();
  ASSERT_TRUE(a.lock.set_lock(request, op));
  OpId next = op;
  ++next.sequence;
  ASSERT_TRUE(a.lock.set_lock(a.lock_request(v1::UNLOCK), next));
  EXPECT_EQ(a.lock.set_lock(request, op).error().code, Errc::kMisordered);
  EXPECT_TRUE(b.set_lock(v1::EXCLUSIVE_LOCK));
}

TEST_F(LockOpsTest, ARetriedRefusalIsRefusedAgain) {
  a.open();
  b.open();
  ASSERT_TRUE(a.set_lock(v1::EXCLUSIVE_LOCK));
  const auto slot = b.slots->acquire();
  const auto request = b.lock_request(v1::EXCLUSIVE_LOCK);
  EXPECT_EQ(b.lock.set_lock(request, slot.id()).error().code, Errc::kWouldBlock);
  ASSERT_TRUE(a.set_lock(v1::UNLOCK));
  EXPECT_EQ(b.lock.set_lock(request, slot.id()).error().code, Errc::kWouldBlock);
  OpId foreign = slot.id();
  foreign.session = SessionId{a.session};
  EXPECT_EQ(b.lock.set_lock(request, foreign).error().code, Errc::kInvalid);
  EXPECT_EQ(b.lock.set_lock(request, OpId()).error().code, Errc::kInvalid);
}

TEST_F(LockOpsTest, ALockTellsItsProcessToItsOwnMachineOnly) {
  a.open();
  b.open();
  auto request = a.lock_request(v1::EXCLUSIVE_LOCK);
  request.set_pid(77);
  const auto slot = a.slots->acquire();
  ASSERT_TRUE(a.lock.set_lock(request, slot.id()));
  v1::GetLockRequest question;
  question.set_inode(kInode);
  question.set_kind(v1::POSIX);
  question.set_owner(2);
  question.set_type(v1::SHARED_LOCK);
  question.mutable_range()->set_end(10);
  question.set_session(a.session);
  EXPECT_EQ(a.lock.get_lock(question)->pid(), 77);
  question.set_session(b.session);
  const auto there = b.lock.get_lock(question);
  EXPECT_EQ(there->type(), v1::EXCLUSIVE_LOCK);
  EXPECT_EQ(there->pid(), 0);
}

TEST_F(LockOpsTest, ACancelledWaitIsNotAnswered) {
  a.open();
  b.open();
  ASSERT_TRUE(a.set_lock(v1::EXCLUSIVE_LOCK));
  EXPECT_TRUE(b.set_lock(v1::SHARED_LOCK, 7)->pending());
  v1::CancelLockRequest cancel;
  cancel.set_session(b.session);
  cancel.set_wait(7);
  EXPECT_TRUE(b.lock.cancel_lock(cancel)->cancelled());
  EXPECT_FALSE(b.lock.cancel_lock(cancel)->cancelled());
  ASSERT_TRUE(a.set_lock(v1::UNLOCK));
  settle();
  EXPECT_TRUE(b.events.empty());
}

TEST_F(LockOpsTest, OpensTellsWhatIsLeasedOrOpenSomewhere) {
  a.open();
  const auto in_use = [&] {
    v1::OpensRequest request;
    request.add_inodes(kInode);
    request.add_inodes(kInode + 1);
    return dir.lock.opens(request)->in_use_size();
  };
  EXPECT_EQ(in_use(), 0);
  const auto grant = a.acquire(v1::READ);
  EXPECT_EQ(in_use(), 1);
  a.give_back(grant.seq(), v1::NONE, true);
  EXPECT_EQ(in_use(), 1);
  v1::ClosedRequest closed;
  closed.set_session(a.session);
  closed.add_inodes(kInode);
  const auto slot = a.slots->acquire();
  EXPECT_TRUE(a.lock.closed(closed, slot.id()));
  EXPECT_EQ(in_use(), 0);
}

struct LockReclaimTest : LockOpsTest {
  std::optional<LockMemory> next_memory;
  std::unique_ptr<LockOps> next;
  std::unique_ptr<Router> next_router;

  ~LockReclaimTest() override { node.kill(); }
  void restart() {
    node.kill();
    next.reset();
    next_memory.emplace(begun(0));
    node.start();
    next = std::make_unique<LockOps>(kCluster, SessionTerm(), *next_memory, sim.clock, sim.waiter, sim.random, log);
    next_router = std::make_unique<Router>(sim.clock);
    next->add_routes(*next_router);
    node.listen(1, *next_router);
    node.run_duty("expiry", *next);
  }
  [[nodiscard]] v1::ReclaimRequest request(const Client& client, std::uint32_t attempt, bool done = false) const {
    v1::ReclaimRequest out;
    out.set_session(client.session);
    out.set_epoch(next_memory->epoch());
    out.set_attempt(attempt);
    out.set_done(done);
    return out;
  }
  [[nodiscard]] v1::Grant claim(Client& client, const std::string& token, v1::Mode keep, std::uint32_t attempt = 1) const {
    auto wanted = request(client, attempt);
    auto& lease = *wanted.add_leases();
    lease.set_token(token);
    lease.set_keep(keep);
    const auto answer = client.lock.reclaim(wanted);
    EXPECT_TRUE(answer);
    return answer ? answer->leases(0) : v1::Grant();
  }
  void done(Client& client, std::uint32_t attempt = 1) const {
    const auto answer = client.lock.reclaim(request(client, attempt, true));
    EXPECT_TRUE(answer) << answer.error().message;
    if (!answer) return;
    client.slots = std::make_unique<SlotPool>(SessionId{client.session}, answer->epoch(), client.test.sim.waiter);
  }
};

TEST_F(LockReclaimTest, NothingIsGrantedUntilAllHaveSaidWhatTheyHold) {
  a.open();
  b.open(2);
  const auto held = a.acquire(v1::WRITE);
  const auto proof = a.set_lock(v1::EXCLUSIVE_LOCK)->proof();
  restart();
  EXPECT_EQ(b.lock.acquire({}).error().code, Errc::kStale);
  EXPECT_TRUE(a.renew()->reclaim());
  done(b);
  EXPECT_TRUE(b.renew()->grace());
  EXPECT_EQ(b.set_lock(v1::EXCLUSIVE_LOCK).error().code, Errc::kUnavailable);
  v1::OpensRequest opens;
  opens.add_inodes(kInode);
  EXPECT_EQ(dir.lock.opens(opens).error().code, Errc::kUnavailable);

  const auto reclaimed = claim(a, held.token(), v1::WRITE);
  EXPECT_EQ(reclaimed.errc(), "");
  EXPECT_GT(reclaimed.seq(), held.seq());
  auto locks = request(a, 1);
  auto& lock = *locks.add_locks();
  lock.set_inode(kInode);
  lock.set_kind(v1::POSIX);
  lock.set_owner(1);
  lock.set_type(v1::EXCLUSIVE_LOCK);
  lock.mutable_range()->set_end(UINT64_MAX);
  lock.set_proof(proof);
  EXPECT_EQ(a.lock.reclaim(locks)->locks(0).errc(), "");
  done(a);
  EXPECT_FALSE(b.renew()->grace());
  EXPECT_EQ(b.set_lock(v1::EXCLUSIVE_LOCK).error().code, Errc::kWouldBlock);
  EXPECT_TRUE(b.acquire(v1::READ).pending());
  EXPECT_EQ(dir.lock.opens(opens)->in_use_size(), 1);
}

TEST_F(LockReclaimTest, WithoutASessionThereIsNothingToWaitFor) {
  restart();
  a.open();
  EXPECT_TRUE(a.set_lock(v1::EXCLUSIVE_LOCK));
  EXPECT_EQ(sync().previous_epoch(), 0);
}

TEST_F(LockReclaimTest, WhoDoesNotComeIsFencedAndDMustKnow) {
  a.open();
  b.open(2);
  restart();
  done(b);
  settle(SessionTerm().at_server() + 1s);
  EXPECT_EQ(a.renew().error().code, Errc::kFenced);
  EXPECT_EQ(b.set_lock(v1::EXCLUSIVE_LOCK).error().code, Errc::kFenced) << "it was not renewed either";
  const auto owned = std::make_unique<Client>(*this, Role::kHost, 9);
  Client& third = *owned;
  third.open(3);
  EXPECT_EQ(third.set_lock(v1::EXCLUSIVE_LOCK).error().code, Errc::kUnavailable);
  const auto told = sync();
  EXPECT_EQ(told.previous_epoch(), 3);
  sync(told.newest_fence());
  EXPECT_TRUE(third.set_lock(v1::EXCLUSIVE_LOCK));
  others.kill();   // it reads its events
}

TEST_F(LockReclaimTest, ABriefSessionIsFencedAtOnce) {
  v1::OpenSessionRequest open;
  open.set_nonce(4);
  open.set_brief(true);
  ASSERT_TRUE(a.lock.open_session(open));
  b.open(2);
  restart();
  done(b);
  const auto told = sync();
  EXPECT_EQ(told.fenced_size(), 1);
  EXPECT_TRUE(b.renew()->grace());
  sync(told.newest_fence());
  EXPECT_FALSE(b.renew()->grace());
}

TEST_F(LockReclaimTest, ALeaseThatWasGivenBackCannotBeClaimedAgainstItsHolder) {
  a.open();
  b.open(2);
  const auto old = a.acquire(v1::WRITE);
  a.give_back(old.seq());
  const auto held = b.acquire(v1::WRITE);
  restart();
  EXPECT_EQ(claim(b, held.token(), v1::WRITE).errc(), "");
  EXPECT_EQ(claim(a, old.token(), v1::WRITE).errc(), "Fenced");
}

TEST_F(LockReclaimTest, WhoClaimsWhatHeGaveBackBeforeItsHolderCameIsFenced) {
  a.open();
  b.open(2);
  const auto old = a.acquire(v1::WRITE);
  a.give_back(old.seq());
  const auto held = b.acquire(v1::WRITE);
  restart();
  EXPECT_EQ(claim(a, old.token(), v1::WRITE).errc(), "");
  EXPECT_EQ(claim(b, held.token(), v1::WRITE).errc(), "Overloaded");
  EXPECT_EQ(a.renew().error().code, Errc::kFenced);
  sync(sync().newest_fence());
  EXPECT_EQ(claim(b, held.token(), v1::WRITE, 2).errc(), "");
}

TEST_F(LockReclaimTest, ANewAttemptForgetsWhatTheOneBeforeHadSaidAndALateCallOfThatCountsForNothing) {
  a.open();
  const auto held = a.acquire(v1::WRITE);
  restart();
  EXPECT_EQ(claim(a, held.token(), v1::WRITE, 1).errc(), "");
  auto late = request(a, 1);
  late.add_open(kInode);
  done(a, 2);
  EXPECT_EQ(a.lock.reclaim(late).error().code, Errc::kStale);
  v1::OpensRequest opens;
  opens.add_inodes(kInode);
  EXPECT_EQ(dir.lock.opens(opens)->in_use_size(), 0);
  done(a, 2);   // a retry of the last word
}

TEST_F(LockReclaimTest, ATokenOfTwoEpochsAgoIsGoodWhileItsSessionHasNotComeBack) {
  a.open();
  const auto held = a.acquire(v1::WRITE);
  restart();
  restart();
  EXPECT_EQ(claim(a, held.token(), v1::WRITE).errc(), "");
  done(a);
  EXPECT_FALSE(a.renew()->grace());
}

// A second restart between the claims and the last word: the new run has heard nothing of them.
TEST_F(LockReclaimTest, TheLastWordToAnotherRunEndsNothing) {
  a.open();
  b.open(2);
  const auto held = a.acquire(v1::WRITE);
  restart();
  EXPECT_EQ(claim(a, held.token(), v1::WRITE).errc(), "");
  const auto last_word = request(a, 1, true);
  restart();
  EXPECT_EQ(a.lock.reclaim(last_word).error().code, Errc::kUnavailable);
  done(b);
  EXPECT_TRUE(b.renew()->grace()) << "what a holds is not known yet";
  EXPECT_EQ(claim(a, held.token(), v1::WRITE, 2).errc(), "");
  done(a, 2);
  EXPECT_TRUE(b.acquire(v1::WRITE).pending());
}

// The answer to the last word was lost: the client counts the last run's events yet.
TEST_F(LockReclaimTest, EventsAreCountedByEpoch) {
  a.open();
  restart();
  done(a);
  EXPECT_TRUE(a.renew()->newest_event() > 0) << "that grace is over";
  v1::RenewRequest renewal;
  renewal.set_session(a.session);
  renewal.set_epoch(memory.epoch());
  renewal.set_events_seen(8);
  EXPECT_TRUE(a.lock.renew(renewal, 1s));
  EXPECT_EQ(a.lock.events(SessionId{a.session}, memory.epoch(), 8, [](auto, auto) { return true; }).error().code, Errc::kUnavailable);
  std::uint64_t seen = 0;
  EXPECT_TRUE(a.lock.events(SessionId{a.session}, next_memory->epoch(), 0, [&](std::uint64_t number, auto) {
    seen = number;
    return false;
  }));
  EXPECT_EQ(seen, 1);
}

TEST_F(LockReclaimTest, AClaimNeedsItsOwnTokenAndItsOwnProof) {
  a.open();
  b.open(2);
  const auto held = a.acquire(v1::READ);
  const auto proof = a.set_lock(v1::SHARED_LOCK)->proof();
  restart();
  EXPECT_EQ(claim(b, held.token(), v1::READ).errc(), "Access");
  EXPECT_EQ(claim(a, held.token(), v1::WRITE).errc(), "Access");
  auto locks = request(b, 1);
  auto& lock = *locks.add_locks();
  lock.set_inode(kInode);
  lock.set_type(v1::SHARED_LOCK);
  lock.set_proof(proof);
  EXPECT_NE(b.lock.reclaim(locks)->locks(0).errc(), "");
}

TEST_F(LockReclaimTest, ACallThatWasNumberedBeforeTheRestartHasNoEffect) {
  a.open();
  const auto slots = std::move(a.slots);
  const auto slot = slots->acquire();
  restart();
  done(a);
  EXPECT_EQ(a.lock.set_lock(a.lock_request(v1::EXCLUSIVE_LOCK), slot.id()).error().code, Errc::kStale);
}

TEST_F(LockOpsTest, ASessionThatAcknowledgesNothingIsFencedWhenItsGrantsAreTooMany) {
  a.open();
  b.open();
  const EpochKeys seals = keys();
  const auto acquire_all = [&](Client& client) {
    for (std::uint64_t first = 0; first <= kMaxEventsKept; first += 1000) {
      v1::AcquireRequest request;
      request.set_session(client.session);
      for (std::uint64_t inode = first + 1; inode <= first + 1000; ++inode) {
        auto& want = *request.add_wants();
        want.set_inode(inode);
        want.set_mode(v1::WRITE);
        want.set_ticket(string_of(seals.seal(Ticket{SessionId{client.session}, InodeId{inode}, kTicketRead | kTicketWrite})));
      }
      EXPECT_TRUE(client.lock.acquire(request));
    }
  };
  acquire_all(a);
  acquire_all(b);
  settle(1s);
  EXPECT_TRUE(a.renew()) << "recalls that do not fit are sent again later";
  v1::CloseSessionRequest close;
  close.set_session(a.session);
  ASSERT_TRUE(a.lock.close_session(close));
  settle(1s);
  EXPECT_EQ(b.renew().error().code, Errc::kFenced);
}

TEST_F(LockOpsTest, TooMuchInOneCallIsRefused) {
  a.open();
  v1::AcquireRequest wants;
  wants.set_session(a.session);
  for (std::size_t i = 0; i <= kMaxLeasesPerCall; ++i) wants.add_wants();
  EXPECT_EQ(a.lock.acquire(wants).error().code, Errc::kInvalid);
  v1::ReturnRequest returns;
  returns.set_session(a.session);
  for (std::size_t i = 0; i <= kMaxLeasesPerCall; ++i) returns.add_returns();
  EXPECT_EQ(a.lock.give_back(returns).error().code, Errc::kInvalid);
}

}  // namespace
}  // namespace conclave::lock
