#include "lockserver/lock_main.h"

#include <iostream>

#include "base/cluster_file.h"
#include "base/daemon.h"
#include "lockserver/lock_ops.h"

namespace conclave::lock {
namespace {

// lockserver.toml: base/cluster_file.h's keys, and
//   [lock]  term = "30s"   # how long a silent client keeps its leases; 5 s to 120 s
struct LockConfig {
  ServerConfig server;
  SessionTerm term;

  static Result<LockConfig> load(Files& files, const std::string& path) {
    auto config = TRY(Config::load(files, path));
    LockConfig out;
    out.term.term = config.duration("lock.term", kLeaseTerm, 5s, 120s);
    out.server = TRY(ServerConfig::read(config, files, path));
    TRY(config.finish());
    return out;
  }
};

LogLevel level_of(const std::string& name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  return LogLevel::kInfo;
}

Status serve(const LockConfig& config, Files& files, Log& log) {
  const ServerConfig& server = config.server;
  SystemClock clock;
  SystemWaiter waiter;
  SystemRandom random;
  const auto only_one = TRY(files.lock_exclusively(server.data + "/lock"));
  auto memory = TRY(LockMemory::begin(files, random, server.data));
  LockOps ops(server.cluster.id, config.term, memory, clock, waiter, random, log);
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
  if (args.size() != 2 || args[0] != "--config") {
    std::cerr << "usage: conclave lockserver --config FILE\n";
    return 2;
  }
  SystemFiles files;
  const auto config = LockConfig::load(files, args[1]);
  if (!config) {
    std::cerr << "conclave lockserver: " << config.error().message << "\n";
    return 1;
  }
  Log log("lockserver " + config->server.name, level_of(config->server.log_level));
  const Status served = serve(*config, files, log);
  if (!served) log.error("the lock server cannot run", {{"why", served.error()}});
  return served ? 0 : 1;
}

}  // namespace conclave::lock
