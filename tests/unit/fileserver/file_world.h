// A small cluster in the simulator: file servers with their real parts, a directory server that knows chunks as far as
// file servers ask about them, and a client.
#pragma once

#include <gtest/gtest.h>

#include <optional>

#include "base/connect_wire.h"
#include "fileserver/file_back.h"
#include "fileserver/file_client.h"
#include "fileserver/file_ops.h"
#include "fileserver/removal_duty.h"
#include "fileserver/scrubber.h"
#include "tests/support/simulation.h"

namespace conclave::file {

inline const ClusterId kCluster = {1, 2, 3};
inline constexpr SessionId kSession{77};
inline constexpr InodeId kInode{5};
inline constexpr ChunkId kChunk{42};

inline EpochKeys test_keys(std::uint32_t epoch = 3, std::uint8_t fill = 9) {
  return {kCluster, {epoch, SecretBytes::copy_of(Bytes(32, fill))}};
}

inline Peer peer_of(Role role, const std::string& name) {
  Peer peer;
  peer.role = role;
  peer.name = name;
  peer.fingerprint.fill(static_cast<std::uint8_t>(name.back()));
  return peer;
}

// What D says to file servers.
class DirDouble {
 public:
  explicit DirDouble(sim::Simulation& simulation)
      : router_(simulation.clock), node_(simulation.network, "d", server_dns_name(Role::kDir, "1", kCluster)) {
    const std::string path = "/conclave.dir.v1.DirService/";
    router_.unary<dir::v1::RegisterRequest, dir::v1::RegisterResponse>(
        path + "Register", {Role::kFile}, [this](const CallContext& context, const dir::v1::RegisterRequest& request) {
          if (refuses.contains(context.peer.name)) return Result<dir::v1::RegisterResponse>(Errc::kNotPermitted);
          dir::v1::Member member;
          member.set_id(static_cast<std::uint32_t>(std::stoul(context.peer.name)));
          member.set_name(context.peer.name);
          member.set_host("sim");
          member.set_port(request.port());
          member.set_back_port(request.back_port());
          members[member.id()] = member;
          dir::v1::RegisterResponse out;
          out.set_id(member.id());
          *out.mutable_first() = answer();
          told_floors = {request.floors().begin(), request.floors().end()};
          for (const auto& floor : floors) *out.add_floors() = floor;
          return Result<dir::v1::RegisterResponse>(out);
        });
    router_.unary<dir::v1::HeartbeatRequest, dir::v1::HeartbeatResponse>(
        path + "Heartbeat", {Role::kFile},
        [this](const CallContext& context, const dir::v1::HeartbeatRequest& request) -> Result<dir::v1::HeartbeatResponse> {
          if (!members.contains(static_cast<std::uint32_t>(std::stoul(context.peer.name)))) return Errc::kStale;
          for (const auto id : request.deleted()) deleted.insert(id);
          for (const auto id : request.bad()) bad.insert(id);
          dir::v1::HeartbeatResponse out = answer();
          for (const auto& one : request.lacking()) {
            const ServerId own{static_cast<std::uint32_t>(std::stoul(context.peer.name))};
            if (take_out(ChunkId{one.chunk()}, own)) out.add_left(one.chunk());
          }
          return out;
        });
    router_.unary<dir::v1::ShrinkRequest, dir::v1::ShrinkResponse>(
        path + "Shrink", {Role::kFile},
        [this](const CallContext&, const dir::v1::ShrinkRequest& request) -> Result<dir::v1::ShrinkResponse> {
          const ChunkPermit asked = TRY(test_keys().open_permit(view_of(request.permit())));
          ChunkPermit& permit = permits.at(asked.chunk);
          const auto lost = [&](ServerId id) {
            return std::ranges::find(request.lost(), raw(id)) != request.lost().end();
          };
          const bool before = std::ranges::none_of(permit.members, lost);   // the first answer was lost
          if (asked.chainver != permit.chainver && !before) return Errc::kStale;
          if (!before) {
            std::erase_if(permit.members, lost);
            ++permit.chainver;
            ++shrinks;
          }
          dir::v1::ShrinkResponse out;
          out.mutable_layout()->set_permit(string_of(test_keys().seal(permit)));
          return out;
        });
    router_.unary<dir::v1::SealRequest, dir::v1::SealResponse>(
        path + "Seal", {Role::kFile}, [this](const CallContext&, const dir::v1::SealRequest& request) {
          seals.push_back(request);
          return Result<dir::v1::SealResponse>(dir::v1::SealResponse());
        });
    router_.unary<dir::v1::BornRequest, dir::v1::BornResponse>(
        path + "Born", {Role::kFile},
        [this](const CallContext&, const dir::v1::BornRequest& request) -> Result<dir::v1::BornResponse> {
          for (const std::string& sealed : request.permits()) {
            permits.at(TRY(test_keys().open_permit(view_of(sealed))).chunk).born = true;
          }
          ++births;
          return dir::v1::BornResponse();
        });
    router_.unary<dir::v1::LeaveRequest, dir::v1::LeaveResponse>(
        path + "Leave", {Role::kFile},
        [this](const CallContext& context, const dir::v1::LeaveRequest& request) -> Result<dir::v1::LeaveResponse> {
          const ServerId id{static_cast<std::uint32_t>(std::stoul(context.peer.name))};
          dir::v1::LeaveResponse out;
          for (const std::string& sealed : request.permits()) {
            const ChunkId chunk = TRY(test_keys().open_permit(view_of(sealed))).chunk;
            if (take_out(chunk, id)) out.add_left(raw(chunk));
          }
          return out;
        });
    node_.listen(1, router_);
  }
  // As D does: true if it is no member now.
  bool take_out(ChunkId chunk, ServerId id) {
    ChunkPermit& permit = permits.at(chunk);
    if (std::ranges::find(permit.members, id) == permit.members.end()) return true;
    if (permit.members.size() == 1) return false;
    std::erase(permit.members, id);
    ++permit.chainver;
    ++leaves;
    return true;
  }
  [[nodiscard]] Endpoint endpoint() const { return node_.endpoint(1); }
  sim::SimNode& node() { return node_; }

  std::map<std::uint32_t, dir::v1::Member> members;
  std::map<ChunkId, ChunkPermit> permits;
  std::set<std::uint64_t> deleted, bad, remove;
  std::vector<std::uint64_t> fenced;
  std::vector<dir::v1::Floor> floors, told_floors;   // that it has seen; what the last to register has
  std::set<std::string> refuses;   // names that another folder has
  std::vector<dir::v1::SealRequest> seals;
  int shrinks = 0, leaves = 0, births = 0;

 private:
  dir::v1::HeartbeatResponse answer() {
    dir::v1::HeartbeatResponse out;
    out.set_epoch(3);
    out.set_key(std::string(32, '\x09'));
    out.set_newest_fence(fenced.size());
    for (const auto session : fenced) out.add_fenced(session);
    for (const auto& [id, member] : members) *out.add_members() = member;
    for (const auto id : remove) {
      if (!deleted.contains(id)) out.add_remove(id);
    }
    return out;
  }
  Router router_;
  sim::SimNode node_;
};

// A file server: a node whose process can be started again.
class FileServerNode {
 public:
  FileServerNode(sim::Simulation& simulation, std::uint32_t id, const Endpoint& dir, std::uint64_t seed)
      : simulation_(simulation),
        id_(id),
        dir_(dir),
        disk(seed * 10 + id),
        node(simulation.network, "f" + std::to_string(id), server_dns_name(Role::kFile, std::to_string(id), kCluster), &disk) {
    disk.before_sync([this] { simulation_.scheduler.sleep_for(sync_takes); });
    start();
  }
  ~FileServerNode() { node.kill(); }

  struct Process {
    Process(sim::Simulation& s, sim::SimNode& n, sim::SimFiles& disk, std::uint32_t id, const Endpoint& d, int machine_run)
        : transport(s.network, n, peer_of(Role::kFile, std::to_string(id))),
          dir(transport, s.clock, d),
          calls(s.waiter),
          store(opened(s, disk, log, machine_run)),
          past(disk, "/data", log),
          membership({kCluster, "sim", 1, 2, std::string(16, 'i'), s.random.u64() | 1}, dir, *store, past, s.clock, log),
          admission(membership, *store),
          repair(*store, membership, transport, s.clock, log),
          replicator({*store, membership, dir, transport, s.clock, s.waiter, calls, repair, log}),
          ops({*store, membership, admission, replicator, repair, dir, s.clock, log}),
          back_ops(*store, membership, admission),
          removals(*store, membership, replicator, log),
          front(s.clock),
          back(s.clock) {
      ops.add_to(front);
      back_ops.add_to(back);
    }
    static std::unique_ptr<ChunkStore> opened(sim::Simulation& s, sim::SimFiles& disk, Log& log, int machine_run) {
      ChunkStore::Options options;
      options.machine_run = std::to_string(machine_run);
      options.journal.segment_bytes = 2u << 20;
      options.checkpoint_bytes = 512u << 10;
      auto store = ChunkStore::open({disk, s.clock, s.waiter, s.random, log}, "/data", options);
      EXPECT_TRUE(store) << store.error().message;
      return std::move(store).value();
    }
    Log log{"test", static_cast<LogLevel>(4)};   // above kError: failures are the tests' subject
    sim::SimTransport transport;
    dir::DirClient dir;
    ParallelCalls calls;
    std::unique_ptr<ChunkStore> store;
    SeenPast past;
    Membership membership;
    Admission admission;
    BlockRepair repair;
    Replicator replicator;
    FileOps ops;
    FileBack back_ops;
    RemovalDuty removals;
    Router front, back;
  };

  void start() {
    process.emplace(simulation_, node, disk, id_, dir_, power_losses_);
    node.listen(1, process->front);
    node.listen(2, process->back);
    node.run_duty("heartbeat", process->membership);
    node.run_duty("remove", process->removals);
  }
  void restart(bool power_loss = false) {
    kill(power_loss);
    node.start();
    start();
    simulation_.scheduler.sleep_for(1s);   // until it has registered
  }
  void kill(bool power_loss = false) {
    power_loss ? node.power_loss() : node.kill();
    power_losses_ += power_loss;
    process.reset();
  }
  ChunkStore& store() { return *process->store; }
  Result<std::string> content(ChunkId chunk = kChunk) {
    std::string out;
    for (;;) {
      auto piece = TRY(store().read(chunk, out.size(), kMaxIoBytes));
      if (piece.bytes.empty()) return out;
      out += piece.bytes;
    }
  }

 private:
  sim::Simulation& simulation_;
  const std::uint32_t id_;
  const Endpoint dir_;
  int power_losses_ = 0;

 public:
  sim::SimFiles disk;
  Duration sync_takes{0};
  std::optional<Process> process;
  sim::SimNode node;
};

struct FileWorld {
  explicit FileWorld(std::uint64_t seed, std::uint32_t servers = 2) : simulation(seed), dir(simulation) {
    ChunkPermit permit{kInode, 0, kChunk, 1, {}};
    for (std::uint32_t id = 1; id <= servers; ++id) {
      files.push_back(std::make_unique<FileServerNode>(simulation, id, dir.endpoint(), seed));
      dir::v1::Member& member = *known.add_members();
      member.set_id(id);
      member.set_name(std::to_string(id));
      member.set_host("sim");
      member.set_port(1);
      permit.members.push_back(ServerId{id});
    }
    dir.permits[kChunk] = permit;
    client.set_servers(known);
    simulation.scheduler.sleep_for(2s);
  }
  FileServerNode& at(std::size_t id) { return *files[id - 1]; }

  // Lays a chunk of `kInode` on all servers.
  void place(ChunkId chunk, std::uint64_t index) {
    ChunkPermit permit = dir.permits.at(kChunk);
    permit.chunk = chunk;
    permit.index = index;
    permit.chainver = 1;
    dir.permits[chunk] = permit;
  }
  ChunkPlace where(ChunkId chunk = kChunk) {
    const ChunkPermit& permit = dir.permits.at(chunk);
    return {chunk, string_of(test_keys().seal(permit)), permit.members, 0, ""};
  }
  std::string token(LeaseMode mode, std::uint64_t seq = 100, SessionId session = kSession, InodeId inode = kInode,
                    const std::string& holder = "c") {
    return string_of(test_keys().seal(
        LeaseToken{session, holder_of(peer_of(Role::kHost, holder).fingerprint), inode, mode, seq}));
  }
  // As a client does: with the layout asked anew when it is stale.
  Status commit(const FileClient::Written& written) {
    return client.commit(token(LeaseMode::kWrite), [&](ServerId) -> Result<std::vector<FileClient::Dirty>> {
      return std::vector{FileClient::Dirty{where(), written.starts}};
    });
  }
  Result<FileClient::Written> write(std::uint64_t offset, const std::string& body) {
    for (;;) {
      auto done = client.write(where(), token(LeaseMode::kWrite), offset, body);
      if (done || done.error().code != Errc::kStale) return done;
    }
  }

  sim::Simulation simulation;
  DirDouble dir;
  dir::v1::ServersResponse known;   // what D tells clients
  std::vector<std::unique_ptr<FileServerNode>> files;
  sim::SimNode client_node{simulation.network, "c", ""};
  sim::SimTransport transport{simulation.network, client_node, peer_of(Role::kHost, "c")};
  FileClient client{transport, simulation.clock, simulation.waiter, kCluster, kSession, 1};
};

}  // namespace conclave::file
