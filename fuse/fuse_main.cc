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
#include "fuse/append_files.h"
#include "fuse/fuse_ops.h"
#include "fuse/mount_status.h"
#include "fuse/mount_table.h"
#include "fuse/mount_watch.h"
#include "fuse/secret_mount.h"

namespace conclave::fuse_fs {
namespace {

constexpr unsigned kFlushThreads = 8;      // requests in flight to file servers
constexpr unsigned kParkingThreads = 4;
constexpr unsigned kRecallThreads = 3;     // a recall may wait for a read that waits for another
constexpr unsigned kEndingThreads = 4;     // one may wait for a READ that is at a file server
constexpr unsigned kPageThreads = 16;      // a page that a parked request holds keeps one busy
constexpr unsigned kSideThreads = 4;       // for fsync: D syncs while the file servers do
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

// All parts of one mount, in the order in which they are made.
class Mount {
 public:
  Mount(const MountConfig& config, const std::string& path, Files& files, Log& log)
      : config_(config), path_(path), files_(files), log_(log), transport_(config.tls, clock_) {}

  Status run() {
    classes_.of(dir::v1::APPEND) = appends_.row();
    classes_.of(dir::v1::CHAT) = appends_.row();  // D keeps what lies there as logs too
    secrets_.add_to(classes_, status_);
    add_status();
    TRY(session_.open());
    MountOptions options;
    options.fs_name = "conclave:" + to_hex(config_.cluster.id).substr(0, 8);
    TRY(channel_.mount(path_, options));
    const Status watched = watch_mount(channel_.device());
    if (!watched) log_.warning("nobody ends this mount if it is killed", {{"why", watched.error()}});
    auto ops = FuseOps::over(channel_, fs_, parking_, pages_, log_, {});
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
    daemon.add_pool("rerun", kParkingThreads, [&] { parking_.run(); }, [&] { parking_.stop(); });
    daemon.add_pool("recall", kRecallThreads, [&] { leases_.run_recalls(); }, [&] { leases_.stop(); });
    daemon.add_pool("endings", kEndingThreads, [&] { leases_.run_endings(); }, [&] { leases_.stop(); });
    daemon.add_pool("pages", kPageThreads, [&] { pages_.run(); }, [&] { pages_.stop(); });
    daemon.add_pool("flush", kFlushThreads, [&] { flusher_.run(); }, [&] { flusher_.stop(); });
    daemon.add_pool("side", kSideThreads, [&] { calls_.run(); }, [&] { calls_.stop(); });
    daemon.add_pool("events", 1, [&] { session_.run_events(); }, [&] { session_.stop(); });
    daemon.add_pool("votes", 1, [&] { secrets_.files().run_events(); }, [&] { secrets_.files().stop(); });
    daemon.add_pool("guard", 1, [&] { secrets_.test_guard(path_); }, [] {});
    daemon.add_duty("grants", secrets_.files());
    daemon.add_duty("session", session_);
    daemon.add_duty("age", flusher_);
    daemon.add_duty("debts", debts_);
    daemon.on_stop([&] { say_farewell(); });
    log_.info("mounted", {{"at", path_}});
    daemon.run();
  }

  // Nobody new enters; then everything goes where it belongs, and the leases go back.
  void say_farewell() {
    channel_.unmount();
    const std::size_t left = flusher_.flush_all(clock_.now() + kFarewell);
    if (left != 0) log_.error("files could not be written back in time", {{"files", left}});
    parking_.drop_all();
    secrets_.wipe();
    const Status returned = leases_.return_all();
    if (!returned) log_.warning("leases were not returned", {{"why", returned.error()}});
    session_.stop();
    const Status closed = session_.close();
    if (!closed) log_.warning("the session was not closed", {{"why", closed.error()}});
  }

  void add_status() {
    status_.add("stats", StatusSource{.render = [this](const Caller&) -> Result<std::string> { return stats_text(numbers()); }});
    status_.add("health", StatusSource{.render = [this](const Caller&) -> Result<std::string> {
                  return health_text(servers_.dir()->health(), lock_client_.health());
                }});
    status_.add("leases", StatusSource{.render = [this](const Caller&) -> Result<std::string> {
                  return leases_text(lock_client_.health());
                }});
  }

  MountNumbers numbers() const {
    return {ops_->served(), leases_.recalls(), leases_.size(), inodes_.size(), opens_.size(), parking_.parked(),
            flusher_.counters()};
  }

  LeaseCache::Hooks lease_hooks() {
    return {[this](InodeId inode) { if (ops_) ops_->invalidate(inode, fs_.is_directory(inode)); },
            [this](InodeId inode, LeaseMode keep) { return fs_.drain(inode, keep); },
            [this](InodeId inode) { return fs_.is_open(inode); }, [this](InodeId inode) { fs_.told_open(inode); },
            [this](InodeId inode, const HeldLease& lease) { fs_.lease_renewed(inode, lease); }};
  }

  ClientSession::Hooks session_hooks() {
    return {[this](const Error&) { fs_.lose_everything(); },
            [this](OpenedSession& session) {
              servers_.take_over(
                  std::make_shared<dir::DirClient>(transport_, clock_, config_.cluster.dir,
                                                   dir::DirClient::Session{session.id(), session.generation(), session.pass()},
                                                   waiter_),
                  std::make_shared<file::FileClient>(transport_, clock_, waiter_, config_.cluster.id, session.id(),
                                                     session.generation()));
            },
            [this](OpenedSession& session) { servers_.dir()->set_pass(session.pass()); },
            [this](const std::vector<std::uint64_t>& handles) { fs_.lose_locks(handles); },
            [this] { return fs_.open_inodes(); }, [this](InodeId inode) { fs_.told_open(inode); }};
  }

  const MountConfig& config_;
  const std::string path_;
  Files& files_;
  Log& log_;
  SystemClock clock_;
  SystemWaiter waiter_;
  SystemRandom random_;
  CurlTransport transport_;
  lock::LockClient lock_client_{transport_, clock_, config_.cluster.lock};
  Servers servers_;
  Parking parking_{waiter_};
  LeaseCache leases_{lock_client_, clock_, waiter_, parking_, lease_hooks()};
  LockWaits lock_waits_{parking_};
  HeldLocks held_locks_;
  ClientSession session_{lock_client_, clock_,      waiter_,     random_, leases_,
                         lock_waits_,  held_locks_, log_,        host_name() + ":" + path_, session_hooks()};
  InodeTable inodes_;
  OpenTable opens_;
  ChunkIo chunks_{servers_};
  ParallelCalls calls_{waiter_};
  Flusher flusher_{servers_, chunks_, inodes_, clock_, waiter_, parking_, calls_, log_,
                   {[this](InodeId inode) { leases_.release_soon(inode); },
                    [this](const std::vector<InodeId>& inodes) { channel_.prune(inodes); }}};
  StatusFiles status_{clock_, Caller{geteuid(), getegid(), 0}};
  FsClasses classes_;
  Fs fs_{{servers_, lock_client_, [this] { return session_.current(); }, leases_, lock_waits_, held_locks_, inodes_, opens_,
          chunks_, flusher_, status_, classes_, clock_, parking_,
          [this](InodeId inode, std::uint64_t size, std::function<void()> done) {
            pages_.apart([this, inode, size, told = std::move(done)] {
              channel_.raise_size(inode, size);
              told();
            });
          }}};
  DebtDuty debts_{[this] { fs_.pay_debts(); }};
  AppendFiles appends_{fs_};
  SecretMount secrets_{fs_, transport_, config_.cluster, clock_, waiter_, random_, parking_, files_, log_,
                       memory_of(config_, path_), host_name(), path_};
  FuseChannel channel_;
  PageInvalidator pages_{[this](InodeId inode, std::uint64_t offset, std::uint64_t length) {
                           channel_.invalidate_pages(inode, offset, length);
                         }, clock_, waiter_};
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
