#include "dirserver/dir_main.h"

#include "base/curl_transport.h"
#include "base/daemon.h"
#include "base/server_main.h"
#include "base/tcp_listens.h"
#include "dirserver/dir_duties.h"
#include "dirserver/dir_ops.h"
#include "dirserver/healing.h"
#include "dirserver/server_watch.h"

namespace conclave::dir {
namespace {

constexpr std::uint32_t kMaxId = 0xfffffffe;   // -1 is nobody's

struct DirConfig {
  unsigned replicas = 2;
  unsigned min_insync = 1;
  TreeOwner owner;
  Healing::Options healing;
  unsigned heal_mib_per_second = 60;
};

Result<DirConfig> read_dir(Config& config) {
  DirConfig out;
  out.replicas = static_cast<unsigned>(config.number("dir.replicas", 2, 1, kMaxReplicas));
  out.min_insync = static_cast<unsigned>(config.number("dir.min_insync", 1, 1, kMaxReplicas));
  out.owner.uid = static_cast<std::uint32_t>(config.number("dir.owner_uid", 0, 0, kMaxId));
  out.owner.gid = static_cast<std::uint32_t>(config.number("dir.owner_gid", 0, 0, kMaxId));
  out.healing.replicas = out.replicas;
  out.healing.after = config.duration("dir.heal_after", 5min, 0s, 24h * 7);
  out.healing.at_once = static_cast<std::size_t>(config.number("dir.heal_chunks", 64, 1, 256));
  out.heal_mib_per_second = static_cast<unsigned>(config.number("dir.heal_mib_per_second", 60, 1, 10000));
  TRY(config.finish());
  if (out.min_insync > out.replicas) return Error(Errc::kInvalid, "dir.min_insync is larger than dir.replicas");
  return out;
}

Status know_what_is_stored(DirStore& store, ServerTable& servers, SessionGate& gate, Clock& clock) {
  gate.know(store.sessions_at_start(), clock.now());
  const auto stored = TRY(store.read<std::vector<ServerRow>>([](View& view) { return view.servers(); }));
  for (const ServerRow& row : stored) servers.know(row, clock.now());
  const auto fences = TRY(store.read<std::vector<View::Fence>>([](View& view) { return view.fences(0); }));
  for (const View::Fence& fence : fences) gate.know_fence(fence.session, fence.number);
  return {};
}

Status serve(Config& config, const std::string& path, Files& files) {
  const ServerConfig server = TRY(ServerConfig::read(config, files, path));
  const DirConfig own = TRY(read_dir(config));
  SystemClock clock;
  SystemRandom random;
  SystemWaiter waiter;
  Log log("dirserver " + server.name, TRY(parse_log_level(server.log_level)));

  ServerTable servers(random.u64());
  SessionGate gate(server.cluster.id);
  const Change::Placing placing{servers, clock, own.replicas, own.min_insync};
  const SqliteVfs vfs(files, clock, random);
  const auto store =
      TRY(DirStore::open(vfs, server.data + "/dir.db", server.threads, placing, own.owner, clock, waiter, log));
  TRY(know_what_is_stored(*store, servers, gate, clock));

  HealJobs heal_jobs;
  DirOps ops(*store, gate, placing, heal_jobs, own.heal_mib_per_second, random.u64(), server.tls, log);
  Router router(clock);
  ops.add_to(router);
  CurlTransport transport(server.tls, clock);
  lock::LockClient locks(transport, clock, server.cluster.lock);
  LockSync lock_sync(*store, gate, servers, locks, clock, log);
  OrphanSweep orphan_sweep(*store, locks, clock, log);
  SyncTick sync_tick(*store, clock, log);
  Checkpointing checkpointing(*store, clock, log);
  const auto listens = [&](const Endpoint& there, MonoTime deadline) {
    return tcp_listens(there.host, there.port, deadline - clock.now());
  };
  ServerWatch server_watch(server.cluster.id, *store, servers, heal_jobs, listens, clock, log);
  Healing healing(*store, servers, heal_jobs, own.healing, clock, log);

  const auto https = TRY(ConnectServer::listen({server.host, server.port}, server.tls, router, log));
  Daemon daemon(clock, log);
  daemon.add_pool("front", server.threads, [&] { https->run(); }, [&] { https->stop(); });
  daemon.add_duty("lock sync", lock_sync);
  daemon.add_duty("orphan sweep", orphan_sweep);
  daemon.add_duty("sync tick", sync_tick);
  daemon.add_duty("checkpoint", checkpointing);
  daemon.add_duty("server watch", server_watch);
  daemon.add_duty("healing", healing);
  log.info("serving", {{"address", server.host}, {"port", https->port()}, {"inodes", store->figures().counts.inodes}});
  daemon.run();
  return store->sync();
}

}  // namespace

int run_dirserver(const std::vector<std::string>& args) {
  SystemFiles files;
  return server_main("dirserver", args, files,
                     [&](Config& config, const std::string& path) { return serve(config, path, files); });
}

}  // namespace conclave::dir
