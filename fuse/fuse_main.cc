#include "fuse/fuse_main.h"

#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <iostream>
#include <memory>

#include "base/cluster_file.h"
#include "base/curl_transport.h"
#include "base/server_main.h"
#include "client/client.h"
#include "fuse/fuse_ops.h"
#include "fuse/mount_status.h"
#include "fuse/mount_table.h"
#include "fuse/mount_watch.h"
#include "fuse/page_cache_guard.h"

namespace conclave::fuse_fs {
namespace {

constexpr unsigned kPageThreads = 16;   // a page that a parked request holds keeps one busy
constexpr auto kFarewell = std::chrono::seconds(30);   // to write back at the end; then it is said and left

// mount.toml: cluster = "../cluster.toml", log = "info", and [tls] certificate, key; paths relative to it.
struct MountConfig {
  ClusterFile cluster;
  TlsIdentity tls;
  LogLevel log_level = LogLevel::kInfo;
  std::string folder;        // of mount.toml

  static Result<MountConfig> load(Files& files, const std::string& path) {
    auto config = TRY(Config::load(files, path));
    const std::string folder = folder_of(path);
    const std::string cluster = config.text("cluster");
    const std::string level = config.text("log", "info");
    const std::string certificate = config.text("tls.certificate");
    const std::string key = config.text("tls.key");
    TRY(config.finish());
    MountConfig out;
    out.folder = folder;
    out.cluster = TRY(ClusterFile::load(files, path_below(folder, cluster)));
    out.log_level = TRY(parse_log_level(level));
    out.tls.cluster = out.cluster.id;
    out.tls.ca_pem = out.cluster.ca_pem;
    out.tls.own.chain_pem = TRY(files.read_all(path_below(folder, certificate), kMaxPemBytes));
    auto key_pem = TRY(files.read_all(path_below(folder, key), kMaxPemBytes));
    out.tls.own.key_pem = SecretBytes::copy_of(view_of(key_pem));
    wipe({reinterpret_cast<std::uint8_t*>(key_pem.data()), key_pem.size()});
    return out;
  }
  static constexpr std::size_t kMaxPemBytes = 64 << 10;
};

// Where the mount at `path` remembers what it has seen: another mount of this machine has a folder of its own.
std::string memory_of(const MountConfig& config, const std::string& path) {
  return config.folder + "/seen/" + to_hex(sha256(view_of(path))).substr(0, 16);
}

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "host";
}

// A client with a kernel in front of it.
class Mount {
 public:
  Mount(const MountConfig& config, const std::string& path, Files& files, Log& log)
      : path_(path), log_(log), transport_(config.tls, clock_),
        client_({.cluster = config.cluster, .transport = transport_, .clock = clock_, .waiter = waiter_, .random = random_,
                 .files = files, .log = log, .host = host_name(), .mount = path, .label = host_name() + ":" + path,
                 .memory = memory_of(config, path), .owner = {geteuid(), getegid(), 0}},
                client_hooks()) {
    options_.fs_name = "conclave:" + to_hex(config.cluster.id).substr(0, 8);
    add_status();
  }

  Status run() {
    TRY(client_.open());
    TRY(channel_.mount(path_, options_));
    const Status watched = watch_mount(channel_.device());
    if (!watched) log_.warning("nobody ends this mount if it is killed", {{"why", watched.error()}});
    auto ops = FuseOps::over(channel_, client_, pages_, log_, {});
    if (!ops) {
      channel_.unmount();
      return std::move(ops).error();
    }
    ops_ = std::move(*ops);
    serve();
    return {};
  }

 private:
  void serve() {
    Daemon daemon(clock_, log_);
    daemon.add_pool("fuse", 1, [&] { ops_->run(); daemon.request_stop(); }, [&] { ops_->stop(); });
    daemon.add_pool("pages", kPageThreads, [&] { pages_.run(); }, [&] { pages_.stop(); });
    daemon.add_pool("guard", 1, [&] { test_guard(); }, [] {});
    for (client::Client::Pool& pool : client_.pools()) {
      daemon.add_pool(std::move(pool.name), pool.threads, std::move(pool.run), std::move(pool.stop));
    }
    for (const auto& [name, duty] : client_.duties()) daemon.add_duty(name, duty);
    daemon.on_stop([&] {
      channel_.unmount();
      static_cast<void>(client_.close(kFarewell));   // it has said what failed
    });
    log_.info("mounted", {{"at", path_}});
    daemon.run();
  }

  // Whether this kernel keeps pages of what is read with direct I/O: no secret is opened before it is known.
  void test_guard() {
    if (client_.secrets() == nullptr) return;
    const Status held = test_page_cache_guard_apart(path_ + "/.conclave/page-cache-test");
    if (!held) log_.error("secrets are not served here", {{"why", held.error()}});
    client_.secrets()->guard_tested(held.has_value());
  }

  void add_status() {
    const auto add = [this](const char* name, std::function<Result<std::string>()> render) {
      client_.status().add(name, client::StatusSource{.render = [render](const client::Caller&) { return render(); }});
    };
    add("stats", [this]() -> Result<std::string> { return stats_text(ops_->served(), client_.numbers()); });
    add("health", [this]() -> Result<std::string> { return health_text(client_.dir_health(), client_.lock_health()); });
    add("leases", [this]() -> Result<std::string> { return leases_text(client_.lock_health()); });
    const auto page = [](const client::Caller&) { return std::string(kGuardTestBytes - 1, '-') + "\n"; };
    client_.status().add("page-cache-test", client::StatusSource{.render = page, .size_bytes = kGuardTestBytes});
  }

  client::ClientHooks client_hooks() {
    return {.invalidate = [this](InodeId inode, bool directory) { if (ops_) ops_->invalidate(inode, directory); },
            .raise_size =
                [this](InodeId inode, std::uint64_t size, std::function<void()> done) {
                  pages_.apart([this, inode, size, told = std::move(done)] {
                    channel_.raise_size(inode, size);
                    told();
                  });
                },
            .spare = [this](const std::vector<InodeId>& inodes) { channel_.prune(inodes); }};
  }

  const std::string path_;
  Log& log_;
  MountOptions options_;
  SystemClock clock_;
  SystemWaiter waiter_;
  SystemRandom random_;
  CurlTransport transport_;
  FuseChannel channel_;
  PageInvalidator pages_{[this](InodeId inode, std::uint64_t offset, std::uint64_t length) {
                           channel_.invalidate_pages(inode, offset, length);
                         }, clock_, waiter_};
  client::Client client_;
  std::unique_ptr<FuseOps> ops_;
};

void raise_limit(__rlimit_resource which) {
  rlimit limit{};
  if (getrlimit(which, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(which, &limit);
}

// Plaintext of secrets must not reach a core file or a swap device, modes come from the programs, and every descriptor of a
// program may be one of ours.
void prepare_process() {
  prctl(PR_SET_DUMPABLE, 0);
  umask(0);
  raise_limit(RLIMIT_MEMLOCK);
  raise_limit(RLIMIT_NOFILE);
  mallopt(M_ARENA_MAX, 4);  // thirty threads, each with an arena that keeps what it once had, are 200 MiB
}

}  // namespace

int run_mount(const std::vector<std::string>& args) {
  if (args.size() != 3 || args[0] != "--config") {
    std::cerr << "usage: conclave mount-daemon --config FILE MOUNTPOINT\n";
    return 2;
  }
  prepare_process();
  SystemFiles files;
  const auto config = MountConfig::load(files, args[1]);
  if (!config) {
    std::cerr << "conclave mount: " << config.error().message << "\n";
    return 1;
  }
  const std::string path = mount_point_of(args[2]);
  Log log("mount " + path, config->log_level);
  const Status served = std::make_unique<Mount>(*config, path, files, log)->run();
  if (!served) std::cerr << "conclave mount: " << served.error().message << "\n";
  return served ? 0 : 1;
}

}  // namespace conclave::fuse_fs
