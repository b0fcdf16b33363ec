#include "dirserver/dir_main.h"

#include "base/curl_transport.h"
#include "base/daemon.h"
#include "base/server_main.h"
#include "dirserver/dir_duties.h"
#include "dirserver/dir_ops.h"

namespace conclave::dir {
namespace {

constexpr std::uint32_t kMaxId = 0xfffffffe;   // -1 is nobody's

struct DirConfig {
  unsigned replicas = 2;
  unsigned min_insync = 1;
  TreeOwner owner;
};

Result<DirConfig> read_dir(Config& config) {
  DirConfig out;
  out.replicas = static_cast<unsigned>(config.number("dir.replicas", 2, 1, kMaxReplicas));
  out.min_insync = static_cast<unsigned>(config.number("dir.min_insync", 1, 1, kMaxReplicas));
  out.owner.uid = static_cast<std::uint32_t>(config.number("dir.owner_uid", 0, 0, kMaxId));
  out.owner.gid = static_cast<std::uint32_t>(config.number("dir.owner_gid", 0, 0, kMaxId));
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
  const SqliteVfs vfs(files);
  const auto store =
      TRY(DirStore::open(vfs, server.data + "/dir.db", server.threads, placing, own.owner, clock, waiter, log));
  TRY(know_what_is_stored(*store, servers, gate, clock));

  DirOps ops(*store, gate, placing, random.u64(), log);
  Router router(clock);
  ops.add_to(router);
  CurlTransport transport(server.tls, clock);
  lock::LockClient locks(transport, clock, server.cluster.lock);
  LockSync lock_sync(*store, gate, servers, locks, clock, log);
  OrphanSweep orphan_sweep(*store, locks, clock, log);
  SyncTick sync_tick(*store, clock, log);
  Checkpointing checkpointing(*store, clock, log);

  const auto https = TRY(ConnectServer::listen({server.host, server.port}, server.tls, router, log));
  Daemon daemon(clock, log);
  daemon.add_pool("front", server.threads, [&] { https->run(); }, [&] { https->stop(); });
  daemon.add_duty("lock sync", lock_sync);
  daemon.add_duty("orphan sweep", orphan_sweep);
  daemon.add_duty("sync tick", sync_tick);
  daemon.add_duty("checkpoint", checkpointing);
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
