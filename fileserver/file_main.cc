#include "fileserver/file_main.h"

#include <sys/resource.h>

#include "base/curl_transport.h"
#include "base/server_main.h"
#include "fileserver/checkpoint_duty.h"
#include "fileserver/file_back.h"
#include "fileserver/file_ops.h"
#include "fileserver/newcomer_duty.h"
#include "fileserver/removal_duty.h"
#include "fileserver/scrubber.h"

namespace conclave::file {
namespace {

constexpr std::size_t kInstanceBytes = 16;
constexpr unsigned kSideThreads = 2;   // beside the front's: one more member at a time, and one's own sync

struct FileConfig {
  ServerConfig server;
  std::string back_host;
  std::uint16_t back_port = 0;
  unsigned back_threads = 4;
  std::uint64_t scrub_bytes = 0;   // a second

  static Result<FileConfig> read(Config& config, Files& files, const std::string& path) {
    FileConfig out;
    const std::string back = config.text("server.back");
    out.back_threads = static_cast<unsigned>(config.number("file.back_threads", 4, 1, 64));
    out.scrub_bytes = config.number("file.scrub_mib_per_second", 8, 0, 10000) << 20;
    out.server = TRY(ServerConfig::read(config, files, path));
    TRY(config.finish());
    std::tie(out.back_host, out.back_port) = TRY(parse_address(back));
    return out;
  }
};

// 16 random bytes, made with the folder: D knows a copied or emptied folder from the one it gave chunks to.
Result<std::string> instance_of(const std::string& folder, Files& files, Random& random) {
  const std::string path = folder + "/instance";
  if (TRY(files.exists(path))) {
    auto bytes = from_hex(TRY(files.read_all(path, 2 * kInstanceBytes)));
    if (bytes && bytes->size() == kInstanceBytes) return string_of(*bytes);
    return Error(Errc::kCorrupt, path + " is damaged: it must be 32 hexadecimal digits");
  }
  Bytes bytes(kInstanceBytes);
  random.fill(bytes);
  TRY(files.write_all(path, to_hex(bytes)));
  return string_of(bytes);
}

// The kernel's boot id.
Result<std::string> machine_run(Files& files) {
  std::string id = TRY(files.read_all("/proc/sys/kernel/random/boot_id", 64));
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

// Chunks' files and connections together are more than the 1024 that a shell allows.
void allow_many_files() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 16384);
  static_cast<void>(setrlimit(RLIMIT_NOFILE, &limit));
}

Status serve(Config& file, const std::string& path, Files& files) {
  const FileConfig config = TRY(FileConfig::read(file, files, path));
  const ServerConfig& server = config.server;
  SystemClock clock;
  SystemRandom random;
  SystemWaiter waiter;
  Log log("fileserver " + server.name, TRY(parse_log_level(server.log_level)));
  allow_many_files();

  ChunkStore::Options options;
  options.machine_run = TRY(machine_run(files));
  const auto store = TRY(ChunkStore::open({files, clock, waiter, random, log}, server.data, options));
  const std::string instance = TRY(instance_of(server.data, files, random));
  Router front(clock);
  Router back(clock);
  const auto front_server = TRY(ConnectServer::listen({server.host, server.port}, server.tls, front, log));
  const auto back_server = TRY(ConnectServer::listen({config.back_host, config.back_port}, server.tls, back, log));

  CurlTransport transport(server.tls, clock);
  dir::DirClient dir(transport, clock, server.cluster.dir);
  ParallelCalls calls(waiter);
  const Membership::Own own{server.cluster.id, server.host, front_server->port(), back_server->port(), instance,
                            random.u64()};
  SeenPast past(files, server.data, log);
  Membership membership(own, dir, *store, past, clock, log);
  Admission admission(membership, *store);
  BlockRepair repair(*store, membership, transport, clock, log);
  Replicator replicator({*store, membership, dir, transport, clock, waiter, calls, repair, log});
  FileOps ops({*store, membership, admission, replicator, repair, dir, clock, log});
  FileBack back_ops(*store, membership, admission);
  ops.add_to(front);
  back_ops.add_to(back);
  CheckpointDuty checkpoints(*store, log);
  RemovalDuty removals(*store, membership, replicator, log);
  NewcomerDuty newcomers(*store, membership, replicator, clock, log);
  Scrubber scrubber(*store, repair, files, server.data, clock, log, {config.scrub_bytes, 1s});

  Daemon daemon(clock, log);
  membership.on_refusal([&daemon] { daemon.request_stop(); });
  daemon.add_pool("front", server.threads, [&] { front_server->run(); }, [&] { front_server->stop(); });
  daemon.add_pool("back", config.back_threads, [&] { back_server->run(); }, [&] { back_server->stop(); });
  daemon.add_pool("side", kSideThreads, [&] { calls.run(); }, [&] { calls.stop(); });
  daemon.add_duty("heartbeat", membership);
  daemon.add_duty("checkpoint", checkpoints);
  daemon.add_duty("remove", removals);
  daemon.add_duty("newcomers", newcomers);
  if (config.scrub_bytes != 0) daemon.add_duty("scrub", scrubber);
  log.info("serving", {{"address", server.host}, {"port", front_server->port()}, {"chunks", store->counts.chunks.load()}});
  daemon.run();
  TRY(Status(membership.refusal()));
  if (store->failed()) return Error(Errc::kIo, "the disk below " + server.data + " failed; see the log");
  return store->checkpoint();
}

}  // namespace

int run_fileserver(const std::vector<std::string>& args) {
  SystemFiles files;
  return server_main("fileserver", args, files,
                     [&](Config& config, const std::string& path) { return serve(config, path, files); });
}

}  // namespace conclave::file
