// Mounts that share registers (inodes with one value each) under leases: the real lock server, sessions, lease caches
// and parking, over a stand-in for D (it acknowledges fences), for F (it admits by token) and for each kernel (a page
// cache with page locks). What programs saw is checked from outside.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "base/log.h"
#include "client/session/client_session.h"
#include "client/session/lease_cache.h"
#include "client/session/lock_waits.h"
#include "client/session/parking.h"
#include "lockserver/lock_client.h"
#include "lockserver/lock_ops.h"
#include "tests/support/simulation.h"

namespace conclave::sim {

inline constexpr ClusterId kLeaseCluster{9};
inline const std::string kLockName = "lock-1.sim";

inline Peer peer_named(Role role, const std::string& name) {
  Peer peer;
  peer.role = role;
  peer.name = name;
  for (std::size_t i = 0; i < name.size(); ++i) peer.fingerprint[i % 32] ^= static_cast<std::uint8_t>(name[i]);
  return peer;
}

// What programs did, and whether one machine could have answered so. A write that was lost with its session counts
// for nothing; any other must be seen from its end on.
class History {
 public:
  struct Op {
    MonoTime begin{}, end = kNever;
    int mount = 0;
    std::uint64_t value = 0;   // unique for a write; of a read: what it returned
    bool lost = false;
  };
  std::map<InodeId, std::vector<Op>> writes, reads;

  void check() const {
    for (const auto& [inode, list] : reads) {
      const auto found = writes.find(inode);
      const std::vector<Op> none;
      const auto& all = found == writes.end() ? none : found->second;
      for (const Op& read : list) check_read(read, all);
    }
  }

 private:
  static void check_read(const Op& read, const std::vector<Op>& all) {
    Op seen{MonoTime{}, MonoTime{}};   // the register's first value, 0
    for (const Op& write : all) {
      if (write.value == read.value) seen = write;
    }
    ASSERT_EQ(seen.value, read.value) << "a value that nobody wrote";
    ASSERT_LE(seen.begin, read.end) << "a value from the future";
    if (seen.lost) return;
    for (const Op& later : all) {
      if (later.lost || later.begin <= seen.end || later.end >= read.begin) continue;
      FAIL() << "mount " << read.mount << " read " << seen.value << " although mount " << later.mount << " had written "
             << later.value << " before";
    }
  }
};

// The file servers: values, and what a token must be to be let in (coherence.md, "F admits …").
class Registers {
 public:
  Result<std::uint64_t> read(const LeaseToken& token) {
    if (auto refused = refuse(token)) return *refused;
    if (token.seq < write_floor_[token.inode]) return Error(Errc::kFenced, "an older lease");
    read_floor_[token.inode] = std::max(read_floor_[token.inode], token.seq);
    return values_[token.inode];
  }
  Status write(const LeaseToken& token, std::uint64_t value) {
    if (auto refused = refuse(token)) return *refused;
    if (token.mode != LeaseMode::kWrite) return Error(Errc::kAccess, "no lease to write");
    if (token.seq < std::max(read_floor_[token.inode], write_floor_[token.inode])) {
      return Error(Errc::kFenced, "an older lease");
    }
    write_floor_[token.inode] = token.seq;
    values_[token.inode] = value;
    return {};
  }
  std::set<SessionId> fenced;
  std::set<std::uint64_t> epochs;   // whose keys are here

 private:
  std::optional<Error> refuse(const LeaseToken& token) const {
    if (fenced.contains(token.session)) return Error(Errc::kFenced, "a fenced session");
    if (!epochs.contains(token.seq >> 32)) return Error(Errc::kStale, "another epoch");
    return std::nullopt;
  }
  std::map<InodeId, std::uint64_t> values_, read_floor_, write_floor_;
};

// A lock server process; restart() begins the next epoch.
struct LockServer {
  Simulation& sim;
  lock::SessionTerm term;
  SimFiles files;
  SimNode node;
  Log log{"lockserver 1", LogLevel::kError};
  std::optional<lock::LockMemory> memory;
  std::unique_ptr<lock::LockOps> ops;
  std::unique_ptr<Router> router;

  LockServer(Simulation& s, Duration seconds) : sim(s), term{seconds}, node(s.network, "lock", kLockName) {
    EXPECT_TRUE(files.make_folders("data"));
    start();
  }
  ~LockServer() { node.kill(); }
  void start() {
    ops.reset();
    auto begun = lock::LockMemory::begin(files, sim.random, "data");
    ASSERT_TRUE(begun);
    memory.emplace(std::move(*begun));
    ops = std::make_unique<lock::LockOps>(kLeaseCluster, term, *memory, sim.clock, sim.waiter, sim.random, log);
    router = std::make_unique<Router>(sim.clock);
    ops->add_routes(*router);
    node.listen(1, *router);
    node.run_duty("expiry", *ops);
  }
  void restart() {
    node.kill();
    node.start();
    start();
  }
};

// D as far as L needs it: fetches the keys, and makes fences known to F before it acknowledges them.
class DirStandIn {
 public:
  DirStandIn(Simulation& sim, const Endpoint& lock, Registers& registers)
      : sim_(sim), node_(sim.network, "dir"), transport_(sim.network, node_, peer_named(Role::kDir, "1")),
        client_(transport_, sim.clock, lock), registers_(registers) {
    node_.spawn("sync", [this] {
      for (;; sim_.scheduler.sleep_for(kHeartbeat)) sync();
    });
  }
  ~DirStandIn() { node_.kill(); }
  SimNode& node() { return node_; }

  std::string ticket(SessionId session, InodeId inode) {
    return keys_ ? string_of(keys_->seal(Ticket{session, inode, kTicketRead | kTicketWrite})) : "";
  }
  Result<LeaseToken> open(const std::string& token) {
    if (!keys_) return Error(Errc::kStale);
    return keys_->open_lease(view_of(token));
  }

 private:
  void sync() {
    lock::v1::SyncRequest request;
    request.set_fence_acknowledged(acknowledged_);
    const auto answer = client_.sync(request, 1s);
    if (!answer) return;
    std::optional<EpochKeys::Key> previous;
    if (answer->previous_epoch() != 0) {
      previous = EpochKeys::Key{answer->previous_epoch(), SecretBytes::copy_of(view_of(answer->previous_key()))};
    }
    keys_.emplace(kLeaseCluster, EpochKeys::Key{answer->epoch(), SecretBytes::copy_of(view_of(answer->key()))},
                  std::move(previous));
    registers_.epochs = {answer->epoch(), answer->previous_epoch()};
    for (const auto session : answer->fenced()) registers_.fenced.insert(SessionId{session});
    acknowledged_ = answer->newest_fence();
  }

  Simulation& sim_;
  SimNode node_;
  SimTransport transport_;
  lock::LockClient client_;
  Registers& registers_;
  std::optional<EpochKeys> keys_;
  std::uint64_t acknowledged_ = 0;
};

// Who uses what, over all mounts: nobody reads while another writes, nor two write.
struct UseWatch {
  std::map<InodeId, std::multiset<std::pair<int, LeaseMode>>> uses;

  void begin(InodeId inode, int mount, LeaseMode mode) {
    for (const auto& [other, held] : uses[inode]) {
      const bool fits = other == mount || lock::compatible(held, mode);
      EXPECT_TRUE(fits) << "mounts " << other << " and " << mount << " use inode " << raw(inode) << " at once";
    }
    uses[inode].emplace(mount, mode);
  }
  void end(InodeId inode, int mount, LeaseMode mode) { uses[inode].erase(uses[inode].find({mount, mode})); }
};

class Mount {
 public:
  struct World {
    Simulation& sim;
    DirStandIn& dir;
    Registers& registers;
    History& history;
    UseWatch& watch;
    std::uint64_t next_value = 1;
  };

  Mount(World& world, int number, const Endpoint& lock)
      : world_(world), sim_(world.sim), number_(number), node_(sim_.network, "mount" + std::to_string(number)),
        transport_(sim_.network, node_, peer_named(Role::kHost, node_.name())), client_(transport_, sim_.clock, lock),
        parking_(sim_.waiter), waits_(parking_), log_(node_.name(), LogLevel::kError),
        leases_(client_, sim_.clock, sim_.waiter, parking_,
                {[this](InodeId inode) { invalidate(inode); },
                 [this](InodeId inode, LeaseMode) { return drain(inode); }, [](InodeId) { return true; }, [](InodeId) {},
                 [this](InodeId inode, const client::HeldLease& lease) { renewed(inode, lease); }}),
        session_(client_, sim_.clock, sim_.waiter, sim_.random, leases_, waits_, locks_, log_, node_.name(),
                 {[this](const Error&) { lose_dirty(); }, [](client::OpenedSession&) {}}) {
    node_.spawn("open", [this] {
      while (!session_.open()) sim_.scheduler.sleep_for(100ms);
      node_.run_duty("renew", session_);
      for (int i = 0; i < 2; ++i) node_.spawn("recalls", [this] { leases_.run_recalls(); });
      for (int i = 0; i < 2; ++i) node_.spawn("endings", [this] { leases_.run_endings(); });
      node_.spawn("events", [this] { session_.run_events(); });
      node_.spawn("parking", [this] { parking_.run(); });
    });
  }
  ~Mount() { node_.kill(); }
  SimNode& node() { return node_; }
  client::LeaseCache& leases() { return leases_; }
  client::ClientSession& session() { return session_; }
  [[nodiscard]] std::size_t parked() const { return parking_.parked(); }

  // A program's read(2): from the page cache, or by a READ that fills it and holds the page meanwhile.
  std::uint64_t read(InodeId inode) {
    History::Op op{sim_.clock.now(), kNever, number_};
    Page& page = pages_[inode];
    lock_page(page);
    if (!page.cached) page.cached = rerun([&] { return read_request(inode, page); }, &page);
    op.value = *page.cached;
    unlock_page(page);
    op.end = sim_.clock.now();
    world_.history.reads[inode].push_back(op);
    return op.value;
  }
  // A read(2) that needs nobody: nothing happens unless the page is cached.
  void read_if_cached(InodeId inode) {
    const Page& page = pages_[inode];
    const MonoTime now = sim_.clock.now();
    if (page.cached && !page.locked) world_.history.reads[inode].push_back({now, now, number_, *page.cached});
  }
  // A program's write(2), write-back under W.
  void write(InodeId inode) {
    const std::uint64_t value = world_.next_value++;
    auto& all = world_.history.writes[inode];
    const std::size_t at = all.size();
    all.push_back({sim_.clock.now(), kNever, number_, value});
    rerun([&] { return write_request(inode, value); });
    world_.history.writes[inode][at].end = sim_.clock.now();
  }
  // What the background flusher does.
  void flush(InodeId inode) {
    auto use = leases_.held(inode, LeaseMode::kWrite);
    if (use) (void)send(inode, use->token());
  }

 private:
  struct Page {
    std::optional<std::uint64_t> cached;
    bool locked = false;
    bool waits = false;   // its READ does: an invalidation passes by (fuse/page_invalidator.h)
  };
  struct Bytes {
    std::optional<std::uint64_t> value;   // valid under the lease held since `since`
    std::uint64_t since = 0;
    std::vector<std::uint64_t> unsent;    // values written since the last that F has; the last is `value`
    std::string token;                    // of that lease
  };

  template <class Op>
  std::uint64_t rerun(Op op, Page* page = nullptr) {
    for (;;) {
      const auto result = op();
      if (result) return *result;
      if (result.error().code != Errc::kPending) {
        sim_.scheduler.sleep_for(50ms);   // a ticket of an earlier session, or no server: as the file system does
        continue;
      }
      auto delivered = std::make_shared<bool>(false);
      const auto wait = [&](bool waits) {
        if (page == nullptr) return;
        page->waits = waits;
        sim_.waiter.wake(page);
      };
      wait(true);
      parking_.park(result.error().key, [this, delivered] {
        *delivered = true;
        sim_.waiter.wake(delivered.get());
      });
      while (!*delivered) {
        const auto seen = sim_.waiter.observe(delivered.get());
        if (!*delivered) sim_.waiter.wait(delivered.get(), seen, kNever);
      }
      wait(false);
    }
  }

  Result<client::LeaseCache::Use> need(InodeId inode, LeaseMode mode) {
    const auto current = session_.current();
    if (!current) return Error(Errc::kUnavailable);
    return leases_.need(inode, mode, world_.dir.ticket(current->id(), inode));
  }

  Result<std::uint64_t> read_request(InodeId inode, Page& page) {
    auto use = TRY(need(inode, LeaseMode::kRead));
    world_.watch.begin(inode, number_, use.mode());
    const auto value = value_under(inode, use);
    world_.watch.end(inode, number_, use.mode());
    if (!value) return value;
    if (sim_.random.chance(0.5) && use.revoked()) {   // it may be revoked just after a READ looked
      use = {};
      return leases_.again(inode);
    }
    page.cached = *value;   // the kernel has the answer
    sim_.scheduler.yield();
    leases_.note_read_answered(inode);
    return value;
  }

  Result<std::uint64_t> value_under(InodeId inode, const client::LeaseCache::Use& use) {
    Bytes& bytes = bytes_[inode];
    if (bytes.value && bytes.since == use.since()) return *bytes.value;
    const auto token = TRY(world_.dir.open(use.token()));
    sim_.scheduler.sleep_for(100us);
    const auto value = TRY(world_.registers.read(token));
    sim_.scheduler.sleep_for(100us);
    if (bytes.value && bytes.since == use.since()) return *bytes.value;  // written meanwhile
    bytes = {value, use.since(), {}, use.token()};
    return value;
  }

  Result<std::uint64_t> write_request(InodeId inode, std::uint64_t value) {
    auto use = TRY(need(inode, LeaseMode::kWrite));
    world_.watch.begin(inode, number_, use.mode());
    sim_.scheduler.sleep_for(20us);
    Bytes& bytes = bytes_[inode];
    bytes.value = value;
    bytes.since = use.since();
    bytes.token = use.token();
    bytes.unsent.push_back(value);
    if (pages_[inode].cached) pages_[inode].cached = value;
    if (!is_ours(use)) lose(inode, bytes);   // the session went while this was written
    world_.watch.end(inode, number_, use.mode());
    return value;
  }

  bool is_ours(const client::LeaseCache::Use& use) {
    const auto current = session_.current();
    const auto token = world_.dir.open(use.token());
    return current && token && token->session == current->id();
  }

  void lock_page(Page& page) {
    while (page.locked) {
      const auto seen = sim_.waiter.observe(&page);
      if (page.locked) sim_.waiter.wait(&page, seen, kNever);
    }
    page.locked = true;
  }
  void unlock_page(Page& page) {
    page.locked = false;
    sim_.waiter.wake(&page);
  }
  void invalidate(InodeId inode) {
    Page& page = pages_[inode];
    for (auto seen = sim_.waiter.observe(&page); page.locked && !page.waits; seen = sim_.waiter.observe(&page)) {
      sim_.waiter.wait(&page, seen, kNever);
    }
    if (!page.locked) page.cached.reset();
    sim_.scheduler.sleep_for(150us);   // the file's other pages; this one may be read again meanwhile
  }
  Status drain(InodeId inode) { return send(inode, bytes_[inode].token); }
  void renewed(InodeId inode, const client::HeldLease& lease) {
    Bytes& bytes = bytes_[inode];
    if (bytes.since == lease.since) bytes.token = lease.token;
  }
  Status send(InodeId inode, const std::string& sealed) {
    Bytes& bytes = bytes_[inode];
    if (bytes.unsent.empty()) return {};
    const auto token = world_.dir.open(sealed);
    if (!token) return Errc::kUnavailable;   // of an earlier epoch, or of one whose key is on its way here
    const std::vector<std::uint64_t> sending = bytes.unsent;
    sim_.scheduler.sleep_for(200us);
    if (world_.registers.write(*token, sending.back())) {
      std::erase_if(bytes.unsent, [&](std::uint64_t value) { return std::ranges::count(sending, value) != 0; });
    }
    return {};
  }
  void lose_dirty() {
    for (auto& [inode, bytes] : bytes_) lose(inode, bytes);
  }
  void lose(InodeId inode, Bytes& bytes) {
    for (History::Op& write : world_.history.writes[inode]) {
      write.lost |= std::ranges::count(bytes.unsent, write.value) != 0;
    }
    bytes = {};
  }

  World& world_;
  Simulation& sim_;
  const int number_;
  SimNode node_;
  SimTransport transport_;
  lock::LockClient client_;
  client::Parking parking_;
  client::LockWaits waits_;
  client::HeldLocks locks_;
  Log log_;
  std::map<InodeId, Page> pages_;
  std::map<InodeId, Bytes> bytes_;
  client::LeaseCache leases_;
  client::ClientSession session_;
};

}  // namespace conclave::sim
