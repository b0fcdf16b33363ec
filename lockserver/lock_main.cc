#include "lockserver/lock_main.h"

#include "base/daemon.h"
#include "base/server_main.h"
#include "lockserver/lock_ops.h"

namespace conclave::lock {
namespace {

// lockserver.toml: base/cluster_file.h's keys, and
//   [lock]  term = "30s"   # how long a silent client keeps its leases; 5 s to 120 s
Status serve(Config& config, const std::string& path, Files& files) {
  SessionTerm term;
  term.term = config.duration("lock.term", kLeaseTerm, 5s, 120s);
  const ServerConfig server = TRY(ServerConfig::read(config, files, path));
  TRY(config.finish());
  SystemClock clock;
  SystemWaiter waiter;
  SystemRandom random;
  Log log("lockserver " + server.name, TRY(parse_log_level(server.log_level)));
  const auto only_one = TRY(files.lock_exclusively(server.data + "/lock"));
  auto memory = TRY(LockMemory::begin(files, random, server.data));
  LockOps ops(server.cluster.id, term, memory, clock, waiter, random, log);
  Router router(clock);
  ops.add_routes(router);
  const auto listener = TRY(ConnectServer::listen({server.host, server.port}, server.tls, router, log));

  Daemon daemon(clock, log);
  daemon.add_pool("front", server.threads, [&] { listener->run(); }, [&] { listener->stop(); });
  daemon.add_duty("expiry", ops);
  log.info("serving", {{"epoch", memory.epoch()}, {"port", listener->port()}, {"sessions", memory.sessions().size()}});
  daemon.run();
  return {};
}

}  // namespace

int run_lockserver(const std::vector<std::string>& args) {
  SystemFiles files;
  return server_main("lockserver", args, files,
                     [&](Config& config, const std::string& path) { return serve(config, path, files); });
}

}  // namespace conclave::lock
