#include "base/connect_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/connection.h"
#include "base/guarded.h"
#include "base/limits.h"

namespace conclave {
namespace {

constexpr Duration kStopDeadline = 5s;
constexpr Duration kSweep = 1s;          // how often deadlines and heartbeats are looked at
constexpr Duration kStoppingSweep = 10ms;

// Names at the loop. Connections count from kFirstConnection.
constexpr ReadyLoop::Id kListener = 0, kTimer = 1, kFirstConnection = 2;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

Result<Address> address_of(const std::string& text, std::uint16_t port) {
  Address out;
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    out.size = sizeof *v4;
  } else if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    out.size = sizeof *v6;
  } else {
    return Error(Errc::kInvalid, "'" + text + "' is not an address");
  }
  return out;
}

Result<Descriptor> listen_at(const ConnectServer::Options& options) {
  const Address address = TRY(address_of(options.address, options.port));
  const auto* const at = reinterpret_cast<const sockaddr*>(&address.storage);
  Descriptor out(socket(at->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (out.number() >= 0 && setsockopt(out.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      bind(out.number(), at, address.size) == 0 && ::listen(out.number(), SOMAXCONN) == 0) {
    return out;
  }
  const std::string place = options.address + ":" + std::to_string(options.port);
  if (errno == EADDRINUSE) return Error(Errc::kBusy, place + " is in use by another program");
  return Error(Errc::kInvalid, place + ": " + std::strerror(errno));
}

}  // namespace

struct ConnectServer::Inside {
  ServerParts parts;
  Descriptor listener;                      // used by the thread that has its event
  const Descriptor timer{timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
  std::atomic<MonoTime> stop_by{kNever};
  std::atomic<bool> accept_again{false};    // no descriptor was left: the sweep tries again
  std::mutex mutex;
  ReadyLoop::Id next_id GUARDED_BY(mutex) = kFirstConnection;
  std::unordered_map<ReadyLoop::Id, std::shared_ptr<Connection>> connections GUARDED_BY(mutex);
  std::set<ReadyLoop::Id> strangers GUARDED_BY(mutex);  // by age; some have become known since

  void begin() {
    CHECK(timer.number() >= 0);
    parts.loop.wait(listener.number(), kListener, ReadyLoop::kToRead);
    sweep_in(kSweep);
  }
  void ready(ReadyLoop::Id id);
  void accept();
  void admit(Descriptor socket);
  void make_room_for_a_stranger() REQUIRES(mutex);
  void proceed(ReadyLoop::Id id);
  void sweep();
  void sweep_in(Duration time);
  void set_timer(Duration time) const;
  void hasten() const { set_timer(kStoppingSweep); }
};

void ConnectServer::Inside::ready(ReadyLoop::Id id) {
  if (id == kListener) return accept();
  if (id == kTimer) return sweep();
  proceed(id);
}

void ConnectServer::Inside::accept() {
  while (!parts.stopping) {
    Descriptor socket(accept4(listener.number(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.number() >= 0) {
      admit(std::move(socket));
    } else if (errno == EAGAIN) {
      return parts.loop.wait(listener.number(), kListener, ReadyLoop::kToRead);
    } else if (errno != ECONNABORTED && errno != EINTR) {
      parts.log.warning("connections cannot be accepted", {{"reason", std::strerror(errno)}});
      accept_again = true;
      return;
    }
  }
}

void ConnectServer::Inside::admit(Descriptor socket) {
  const int number = socket.number();
  const std::lock_guard lock(mutex);
  if (connections.size() >= kMaxConnections) return;
  make_room_for_a_stranger();
  const ReadyLoop::Id id = next_id++;
  strangers.insert(id);
  connections.emplace(id, std::make_shared<Connection>(parts, id, std::move(socket)));
  parts.loop.wait(number, id, ReadyLoop::kToRead);
}

// Who does say who they are does so within a round trip: of too many who do not, the oldest goes.
void ConnectServer::Inside::make_room_for_a_stranger() {
  if (strangers.size() < kMaxStrangers) return;
  std::erase_if(strangers, [&](ReadyLoop::Id id) REQUIRES(mutex) {
    const auto found = connections.find(id);
    return found == connections.end() || !found->second->is_stranger();
  });
  if (strangers.size() < kMaxStrangers) return;
  connections.at(*strangers.begin())->break_off();
  strangers.erase(strangers.begin());
}

void ConnectServer::Inside::proceed(ReadyLoop::Id id) {
  std::shared_ptr<Connection> connection;
  {
    const std::lock_guard lock(mutex);
    const auto found = connections.find(id);
    if (found == connections.end()) return;
    connection = found->second;
  }
  bool lives = false;
  try {
    lives = connection->proceed();
  } catch (const std::exception& failure) {  // memory: this client's misfortune only
    parts.log.error("a connection ended by an exception", {{"exception", failure.what()}});
  }
  if (lives) return;
  const std::lock_guard lock(mutex);
  connections.erase(id);
}

void ConnectServer::Inside::sweep() {
  const MonoTime now = parts.clock.now();
  std::vector<std::shared_ptr<Connection>> all;
  {
    const std::lock_guard lock(mutex);
    for (const auto& [id, connection] : connections) all.push_back(connection);
  }
  for (const auto& connection : all) connection->look_after(now);
  if (accept_again.exchange(false)) accept();
  if (!parts.stopping) {
    sweep_in(kSweep);
    if (parts.stopping) hasten();
    return;
  }
  if (stop_by.load() == kNever) stop_by = now + kStopDeadline;
  if (all.empty() || now >= stop_by.load()) return parts.loop.finish();
  sweep_in(kStoppingSweep);
}

// Setting the timer also forgets that it went off.
void ConnectServer::Inside::set_timer(Duration time) const {
  const itimerspec once{{0, 0}, {time / 1s, (time % 1s).count()}};
  CHECK(timerfd_settime(timer.number(), 0, &once, nullptr) == 0);
}

void ConnectServer::Inside::sweep_in(Duration time) {
  set_timer(time);
  parts.loop.wait(timer.number(), kTimer, ReadyLoop::kToRead);
}

ConnectServer::ConnectServer(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
ConnectServer::~ConnectServer() = default;

Result<std::unique_ptr<ConnectServer>> ConnectServer::listen(const Options& options, const TlsIdentity& identity,
                                                             const Router& router, Log& log) {
  auto tls = TRY(TlsServer::make(identity));
  auto listener = TRY(listen_at(options));
  std::unique_ptr<Inside> inside(new Inside{{router, log, identity.cluster, std::move(tls)}, std::move(listener)});
  inside->begin();
  return std::unique_ptr<ConnectServer>(new ConnectServer(std::move(inside)));
}

std::uint16_t ConnectServer::port() const {
  Address address;
  address.size = sizeof address.storage;
  (void)getsockname(inside_->listener.number(), reinterpret_cast<sockaddr*>(&address.storage), &address.size);
  const bool v4 = address.storage.ss_family == AF_INET;
  return ntohs(v4 ? reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port
                  : reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_port);
}

void ConnectServer::run() {
  inside_->parts.loop.run([this](ReadyLoop::Id id) { inside_->ready(id); });
}

void ConnectServer::stop() {
  if (inside_->parts.stopping.exchange(true)) return;
  (void)shutdown(inside_->listener.number(), SHUT_RD);  // refuses from now; the port is free with the last of us
  inside_->hasten();
}

}  // namespace conclave
