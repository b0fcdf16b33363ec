// A network of processes in this one. A SimNode is a process with tasks, listening Routers and a disk; SimTransport
// is its seam Transport. A request runs on a task of the serving node, as it would on a thread of its pool. Messages
// take time; they, and their answers, get lost, and requests are repeated late, as often as SimFaults says.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/daemon.h"
#include "base/router.h"
#include "base/transport.h"
#include "tests/support/sim_files.h"
#include "tests/support/sim_scheduler.h"

namespace conclave::sim {

class SimNode;

struct SimFaults {
  double drop_request = 0;                                 // kUnknown, some time before the deadline; it did not happen
  double drop_reply = 0;                                   // kUnknown; it did
  double duplicate = 0;                                    // it happens a second time, up to `most_late` later
  Duration least_latency = std::chrono::microseconds(30);  // one way
  Duration most_latency = std::chrono::microseconds(300);
  Duration most_late = std::chrono::seconds(2);

  static SimFaults lossy() { return {.drop_request = 0.02, .drop_reply = 0.02, .duplicate = 0.05}; }
};

class SimNetwork {
 public:
  SimNetwork(SimScheduler& scheduler, std::uint64_t seed) : scheduler_(scheduler), random_(seed) {}
  SimFaults faults;

  // Nothing gets from a node of one side to one of the other, both ways, until heal(). Calls then fail by their
  // deadline, kUnavailable or kUnknown; streams stay open and deliver when healed.
  void partition(const std::set<std::string>& one_side, const std::set<std::string>& other_side);
  void cut_one_way(const std::string& from, const std::string& to);
  void heal();

 private:
  friend class SimNode;
  friend class SimTransport;
  struct Exchange;
  struct Stream;
  class StreamEnd;

  [[nodiscard]] bool passes(const std::string& from, const std::string& to) const;
  Result<HttpReply> call(SimNode& from, const Peer& peer, const Endpoint& to, const HttpRequest& request,
                         MonoTime deadline);
  Status stream(SimNode& from, const Peer& peer, const Endpoint& to, const HttpRequest& request,
                const std::function<bool(std::string_view)>& take);
  Result<bool> listens(const SimNode& from, const Endpoint& to, MonoTime deadline);
  Result<SimNode*> connect(const SimNode& from, const Endpoint& to, MonoTime deadline);
  void deliver(SimNode& at, const Endpoint& to, const Peer& peer, const HttpRequest& request, Duration late,
               const std::shared_ptr<Exchange>& exchange);
  void open_stream(SimNode& at, const Endpoint& to, const Peer& peer, const HttpRequest& request,
                   const std::shared_ptr<Stream>& stream);
  Status read_stream(Stream& stream, const std::string& path, const std::function<bool(std::string_view)>& take);
  void travel();
  Error lose(MonoTime deadline, const std::string& what);
  void break_streams_of(const SimNode& node);

  SimScheduler& scheduler_;
  SimRandom random_;
  std::map<std::string, SimNode*> nodes_;              // by the DNS name in their certificate
  std::set<std::pair<std::string, std::string>> cut_;  // from, to: short names
  std::vector<std::weak_ptr<Stream>> streams_;
};

// A process. Declare its disk first, then its objects, then the node: it ends the tasks that use them.
class SimNode {
 public:
  // `dns_name` is how others call it (Endpoint::name); empty for one that only calls. `disk`: what it writes to,
  // and nobody else; null for one without.
  SimNode(SimNetwork& network, std::string name, std::string dns_name = {}, SimFiles* disk = nullptr);
  ~SimNode();
  SimNode(const SimNode&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] Endpoint endpoint(std::uint16_t port) const { return {dns_name_, "sim", port}; }
  [[nodiscard]] bool alive() const { return alive_; }

  void listen(std::uint16_t port, const Router& router) { routers_[port] = &router; }
  SimScheduler::TaskId spawn(const std::string& what, std::function<void()> body);
  // As Daemon does: tick() whenever it is due, looked at least every 500 ms.
  SimScheduler::TaskId run_duty(const std::string& what, Duty& duty);

  // kill -9: tasks end where they are, calls to it get kUnknown or are refused, its streams break; the disk keeps
  // what was written. Then destroy and rebuild its objects, start(), listen().
  void kill();
  void power_loss();  // kill(), and the disk crashes
  void start();
  void pause();   // SIGSTOP
  void resume();  // SIGCONT

 private:
  friend class SimNetwork;
  void stop();

  SimNetwork& network_;
  const std::string name_;
  const std::string dns_name_;
  SimFiles* const disk_;
  SimScheduler::Group group_;
  bool alive_ = true;
  std::map<std::uint16_t, const Router*> routers_;
};

// `peer`: who the node's certificate says it is; one node may have several (a mount and its logins).
class SimTransport final : public Transport {
 public:
  SimTransport(SimNetwork& network, SimNode& node, Peer peer)
      : network_(network), node_(node), peer_(std::move(peer)) {}
  Result<HttpReply> call(const Endpoint& to, const HttpRequest& request, MonoTime deadline) override {
    return network_.call(node_, peer_, to, request, deadline);
  }
  Status stream(const Endpoint& to, const HttpRequest& request,
                const std::function<bool(std::string_view piece)>& take) override {
    return network_.stream(node_, peer_, to, request, take);
  }
  // As tcp_listens() finds it.
  Result<bool> listens(const Endpoint& to, MonoTime deadline) { return network_.listens(node_, to, deadline); }

 private:
  SimNetwork& network_;
  SimNode& node_;
  const Peer peer_;
};

}  // namespace conclave::sim
