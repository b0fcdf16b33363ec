#include "tests/cluster/sim_servers.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/check.h"
#include "base/sqlite.h"
#include "dirserver/dir_duties.h"
#include "dirserver/dir_ops.h"
#include "dirserver/healing.h"
#include "dirserver/server_watch.h"
#include "fileserver/checkpoint_duty.h"
#include "fileserver/file_back.h"
#include "fileserver/file_ops.h"
#include "fileserver/newcomer_duty.h"
#include "fileserver/removal_duty.h"
#include "fileserver/scrubber.h"
#include "lockserver/lock_ops.h"
#include "tests/support/drifting_clock.h"

namespace conclave::sim {
namespace {

constexpr const char* kFolder = "data";
constexpr Duration kHealAfter = 5s;   // so that it happens while programs run

template <class Value>
Value must(Result<Value> result) {
  if (!result) std::fprintf(stderr, "%s\n", result.error().message.c_str());
  CHECK(result);
  return std::move(result).value();
}

struct LockParts {
  lock::LockMemory memory;
  lock::LockOps ops;
  Router router;

  LockParts(SimServer& process, Duration term)
      : memory(must(lock::LockMemory::begin(process.disk(), process.sim().random, kFolder))),
        ops(kSimCluster, lock::SessionTerm{term}, memory, process.sim().clock, process.sim().waiter, process.sim().random,
            process.log()),
        router(process.sim().clock) {
    ops.add_routes(router);
    process.node().listen(kFrontPort, router);
    process.node().run_duty("expiry", ops);
  }
};

struct DirParts {
  SqliteVfs vfs;
  dir::ServerTable servers;
  dir::SessionGate gate{kSimCluster};
  const dir::Change::Placing placing;
  lock::LockClient locks;
  std::unique_ptr<dir::DirStore> store;
  dir::HealJobs heal_jobs;
  dir::DirOps ops;
  Router router;
  dir::LockSync lock_sync;
  dir::OrphanSweep orphan_sweep;
  dir::SyncTick sync_tick;
  dir::Checkpointing checkpointing;
  dir::ServerWatch server_watch;
  dir::Healing healing;

  DirParts(SimServer& process, const Endpoint& lock, unsigned replicas)
      : vfs(process.disk(), process.sim().clock, process.sim().random), servers(process.sim().random.u64()), placing{servers, process.sim().clock, replicas, 1},
        locks(process.transport(), process.sim().clock, lock),
        store(must(dir::DirStore::open(vfs, std::string(kFolder) + "/dir.db", 4, placing, dir::TreeOwner{}, process.sim().clock,
                                       process.sim().waiter, process.log()))),
        ops(*store, gate, placing, heal_jobs, 60, process.sim().random.u64(), sim_dir_identity(), process.log()),
        router(process.sim().clock), lock_sync(*store, gate, servers, locks, process.sim().clock, process.log()),
        orphan_sweep(*store, locks, process.sim().clock, process.log()),
        sync_tick(*store, process.sim().clock, process.log()),
        checkpointing(*store, process.sim().clock, process.log()),
        server_watch(
            kSimCluster, *store, servers, heal_jobs,
            [&process](const Endpoint& there, MonoTime deadline) { return process.transport().listens(there, deadline); },
            process.sim().clock, process.log()),
        healing(*store, servers, heal_jobs, {replicas, kHealAfter, 4}, process.sim().clock, process.log()) {
    know_what_is_stored(process.sim().clock);
    ops.add_to(router);
    SimNode& node = process.node();
    node.listen(kFrontPort, router);
    node.run_duty("lock sync", lock_sync);
    node.run_duty("orphan sweep", orphan_sweep);
    node.run_duty("sync tick", sync_tick);
    node.run_duty("checkpoint", checkpointing);
    node.run_duty("server watch", server_watch);
    node.run_duty("healing", healing);
  }
  void know_what_is_stored(Clock& clock) {
    gate.know(store->sessions_at_start(), clock.now());
    using Rows = std::vector<dir::ServerRow>;
    using Fences = std::vector<dir::View::Fence>;
    for (const auto& row : must(store->read<Rows>([](dir::View& view) { return view.servers(); }))) {
      servers.know(row, clock.now());
    }
    for (const auto& fence : must(store->read<Fences>([](dir::View& view) { return view.fences(0); }))) {
      gate.know_fence(fence.session, fence.number);
    }
  }
};

struct FileParts {
  DriftingClock own_clock;
  std::unique_ptr<file::ChunkStore> store;
  dir::DirClient dir;
  ParallelCalls calls;
  file::SeenPast past;
  file::Membership membership;
  file::Admission admission;
  file::BlockRepair repair;
  file::Replicator replicator;
  file::FileOps ops;
  file::FileBack back_ops;
  file::CheckpointDuty checkpoints;
  file::RemovalDuty removals;
  file::NewcomerDuty newcomers;
  file::Scrubber scrubber;
  Router front, back;

  FileParts(SimServer& process, const Endpoint& dir_server, const std::string& instance, double clock_rate)
      : own_clock(process.sim().clock, clock_rate), store(must(file::ChunkStore::open(
            {process.disk(), process.sim().clock, process.sim().waiter, process.sim().random, process.log()}, kFolder,
            small_journal(process.machine_run())))),
        dir(process.transport(), process.sim().clock, dir_server), calls(process.sim().waiter),
        past(process.disk(), kFolder, process.log()),
        membership({kSimCluster, "sim", kFrontPort, kBackPort, instance, process.sim().random.u64()}, dir, *store, past,
                   own_clock, process.log()),
        admission(membership, *store),
        repair(*store, membership, process.transport(), process.sim().clock, process.log()),
        replicator({*store, membership, dir, process.transport(), process.sim().clock, process.sim().waiter, calls,
                    repair, process.log()}),
        ops({*store, membership, admission, replicator, repair, dir, process.sim().clock, process.log()}),
        back_ops(*store, membership, admission), checkpoints(*store, process.log()),
        removals(*store, membership, replicator, process.log()),
        newcomers(*store, membership, replicator, process.sim().clock, process.log()),
        scrubber(*store, repair, process.disk(), kFolder, process.sim().clock, process.log(), {8u << 20, 1s}),
        front(process.sim().clock), back(process.sim().clock) {
    ops.add_to(front);
    back_ops.add_to(back);
    SimNode& node = process.node();
    node.listen(kFrontPort, front);
    node.listen(kBackPort, back);
    for (int i = 0; i < 2; ++i) node.spawn("side", [this] { calls.run(); });
    node.run_duty("heartbeat", membership);
    node.run_duty("checkpoint", checkpoints);
    node.run_duty("remove", removals);
    node.run_duty("newcomers", newcomers);
    node.run_duty("scrub", scrubber);
  }
  // Many checkpoints and segments in a short run.
  static file::ChunkStore::Options small_journal(std::string machine_run) {
    file::ChunkStore::Options options;
    options.machine_run = std::move(machine_run);
    options.journal.segment_bytes = 4u << 20;
    options.checkpoint_bytes = 1u << 20;
    return options;
  }
};

}  // namespace

std::vector<dir::Chunk> chunks_at(SimServer& dir_server) {
  auto& parts = *static_cast<DirParts*>(dir_server.parts());
  using Chunks = std::vector<dir::Chunk>;
  return must(parts.store->read<Chunks>([](dir::View& view) -> Result<Chunks> {
    Chunks out;
    for (unsigned copies = 1; copies <= kMaxReplicas; ++copies) {
      for (const auto& place : TRY(view.chunks_with_copies(copies, {}, 10000))) {
        out.push_back(*TRY(view.chunk(place.inode, place.position)));
      }
    }
    return out;
  }));
}

std::uint64_t chunks_to_heal(SimServer& dir_server) {
  return must(static_cast<DirParts*>(dir_server.parts())->ops.healing()).chunks_left();
}

void use_many_inodes(SimServer& file_server) {
  auto& membership = static_cast<FileParts*>(file_server.parts())->membership;
  for (std::uint64_t i = 0; i < FloorTable::kMostInodes; ++i) {
    const LeaseToken token{.inode = InodeId{~std::uint64_t{0} - i}, .mode = LeaseMode::kWrite, .seq = ~std::uint64_t{0} - i};
    CHECK(membership.admit(token));
  }
}

void drain(SimServer& dir_server, const std::string& name) {
  dir::v1::DrainRequest request;
  request.set_name(name);
  static_cast<void>(must(static_cast<DirParts*>(dir_server.parts())->ops.drain(request)));
}

void check_copies_are_equal(SimServer& dir_server, const std::vector<std::unique_ptr<SimServer>>& file_servers) {
  const auto store_of = [&](ServerId id) -> file::ChunkStore* {
    for (const auto& server : file_servers) {
      if (!server->node().alive()) continue;
      auto& parts = *static_cast<FileParts*>(server->parts());
      const auto standing = parts.membership.serving();
      if (standing && (*standing)->id == id) return parts.store.get();
    }
    return nullptr;
  };
  for (const dir::Chunk& chunk : chunks_at(dir_server)) {
    std::optional<std::pair<file::ChunkHead, std::string>> first;
    for (const ServerId id : chunk.members) {
      file::ChunkStore* store = store_of(id);
      ASSERT_NE(store, nullptr) << "chunk " << raw(chunk.chunk) << " has the member " << raw(id) << ", which does not serve";
      const auto head = must(store->head(chunk.chunk));
      const std::string bytes = must(store->read_blocks(chunk.chunk, 0, file::kBlocksPerChunk));
      EXPECT_FALSE(head.copying);
      if (!first) first = {head, bytes};
      EXPECT_EQ(head.sequence, first->first.sequence) << "chunk " << raw(chunk.chunk) << " at " << raw(id);
      EXPECT_EQ(head.link, first->first.link) << "chunk " << raw(chunk.chunk) << " at " << raw(id);
      EXPECT_TRUE(bytes == first->second) << "chunk " << raw(chunk.chunk) << " at " << raw(id);
    }
  }
}

LogLevel sim_log_level() {
  const char* wanted = std::getenv("CONCLAVE_SIM_LOG");
  return wanted != nullptr && std::string_view(wanted) == "info" ? LogLevel::kInfo : LogLevel::kError;
}

Peer sim_peer(Role role, const std::string& name) {
  Peer peer;
  peer.role = role;
  peer.name = name;
  for (std::size_t i = 0; i < name.size(); ++i) peer.fingerprint[i % 32] ^= static_cast<std::uint8_t>(name[i]);
  return peer;
}

const TlsIdentity& sim_dir_identity() {
  static const TlsIdentity identity = [] {
    constexpr auto kAges = std::chrono::hours(24 * 365 * 100);   // from 1970: with a vault it is 2030
    SimRandom random(7);
    const CertifiedKey ca = make_ca(kSimCluster, WallTime{0}, kAges, random);
    return TlsIdentity{kSimCluster, ca.chain_pem, must(issue(ca, kSimCluster, {.role = Role::kDir, .name = "1", .device_kid_hex = ""},
                                                             WallTime{0}, kAges, random))};
  }();
  return identity;
}

SimServer::SimServer(Simulation& sim, Role role, const std::string& name, std::uint64_t disk_seed)
    : sim_(sim), disk_(disk_seed), log_(std::string(name_of(role)) + " " + name, sim_log_level()),
      node_(sim.network, std::string(name_of(role)) + name, server_dns_name(role, name, kSimCluster), &disk_),
      transport_(sim.network, node_, sim_peer(role, name)) {
  CHECK(disk_.make_folders(kFolder));
}

void SimServer::start_with(Build build) {
  build_ = std::move(build);
  parts_ = build_(*this);
}

void SimServer::kill() {
  if (node_.alive()) node_.kill();
  parts_.reset();
}

void SimServer::power_loss() {
  ++machine_runs_;
  node_.power_loss();
  parts_.reset();
}

void SimServer::restart() {
  node_.start();
  parts_ = build_(*this);
}

SimServer::Build lock_server(Duration term) {
  return [term](SimServer& process) { return std::make_shared<LockParts>(process, term); };
}

SimServer::Build dir_server(const Endpoint& lock, unsigned replicas) {
  return [lock, replicas](SimServer& process) { return std::make_shared<DirParts>(process, lock, replicas); };
}

SimServer::Build file_server(const Endpoint& dir, const std::string& instance, double clock_rate) {
  return [=](SimServer& process) { return std::make_shared<FileParts>(process, dir, instance, clock_rate); };
}

}  // namespace conclave::sim
