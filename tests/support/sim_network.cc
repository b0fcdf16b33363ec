#include "tests/support/sim_network.h"

#include <algorithm>

#include "base/check.h"
#include "base/connect_wire.h"
#include "base/limits.h"

namespace conclave::sim {
namespace {

constexpr Duration kIdlePiece = std::chrono::seconds(1);  // Transport::stream's promise

}  // namespace

// One request on its way, shared by the caller and the serving task, of which either may be killed.
struct SimNetwork::Exchange {
  bool over = false;  // answered, or never to be
  std::optional<HttpReply> reply;
};

struct SimNetwork::Stream {
  std::string from;  // the client's and the server's short names
  std::string to;
  std::deque<std::string> pieces;
  std::optional<Status> opened;  // what the server said to the request
  bool sink_gone = false;        // the server dropped the last copy: the stream's regular end
  bool broken = false;           // the server died
  bool client_gone = false;

  // Nothing more will come; the reason stands in a last envelope unless the connection broke.
  [[nodiscard]] bool over() const { return broken || (opened && (!*opened || sink_gone)); }
};

// Held by a stream's sink.
class SimNetwork::StreamEnd {
 public:
  StreamEnd(SimScheduler& scheduler, std::shared_ptr<Stream> stream)
      : scheduler_(scheduler), stream_(std::move(stream)) {}
  StreamEnd(const StreamEnd&) = delete;
  ~StreamEnd() {
    stream_->sink_gone = true;
    scheduler_.wake(stream_.get());
  }
  bool push(const std::string& piece) {
    if (stream_->client_gone || stream_->broken) return false;
    stream_->pieces.push_back(piece);
    scheduler_.wake(stream_.get());
    return true;
  }

 private:
  SimScheduler& scheduler_;
  const std::shared_ptr<Stream> stream_;
};

void SimNetwork::partition(const std::set<std::string>& one_side, const std::set<std::string>& other_side) {
  for (const std::string& one : one_side) {
    for (const std::string& other : other_side) {
      cut_one_way(one, other);
      cut_one_way(other, one);
    }
  }
}

void SimNetwork::cut_one_way(const std::string& from, const std::string& to) {
  scheduler_.note("cut " + from + " from " + to);
  cut_.emplace(from, to);
}

void SimNetwork::heal() {
  scheduler_.note("heal");
  cut_.clear();
  for (const auto& weak : streams_) {
    if (const auto stream = weak.lock()) scheduler_.wake(stream.get());
  }
}

bool SimNetwork::passes(const std::string& from, const std::string& to) const {
  return !cut_.contains({from, to});
}

void SimNetwork::travel() {
  const auto spread = static_cast<std::uint64_t>((faults.most_latency - faults.least_latency).count()) + 1;
  scheduler_.sleep_for(faults.least_latency + Duration(static_cast<std::int64_t>(random_.below(spread))));
}

// The caller notices at some time before its deadline.
Error SimNetwork::lose(MonoTime deadline, const std::string& what) {
  const Duration left = std::max(deadline - scheduler_.clock().now(), Duration(1));
  const auto wait = Duration(static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(left.count())) + 1));
  scheduler_.note(what);
  scheduler_.sleep_for(random_.chance(0.5) ? left : wait);
  return {Errc::kUnknown, what};
}

Result<SimNode*> SimNetwork::connect(const SimNode& from, const Endpoint& to, MonoTime deadline) {
  travel();
  const auto found = nodes_.find(to.name);
  const bool there = found != nodes_.end();
  if (there && !(passes(from.name_, found->second->name_) && passes(found->second->name_, from.name_))) {
    // A connection kept alive takes the request and loses it; a new one is not made.
    Error lost = lose(deadline, "no way from " + from.name_ + " to " + found->second->name_);
    if (random_.chance(0.5)) lost.code = Errc::kUnavailable;
    return lost;
  }
  if (!there || !found->second->alive_ || !found->second->routers_.contains(to.port)) {
    return Error(Errc::kUnavailable, to.name + " refuses the connection");
  }
  return found->second;
}

Result<bool> SimNetwork::listens(const SimNode& from, const Endpoint& to, MonoTime deadline) {
  travel();
  const auto found = nodes_.find(to.name);
  if (found == nodes_.end()) return false;
  const SimNode& at = *found->second;
  if (!passes(from.name_, at.name_) || !passes(at.name_, from.name_)) return lose(deadline, "no way to " + at.name_);
  return at.alive_ && at.routers_.contains(to.port);
}

void SimNetwork::deliver(SimNode& at, const Endpoint& to, const Peer& peer, const HttpRequest& request, Duration late,
                         const std::shared_ptr<Exchange>& exchange) {
  // Declared over when the task goes, however it goes.
  const std::shared_ptr<void> ending(nullptr, [this, exchange](void*) {
    exchange->over = true;
    scheduler_.wake(exchange.get());
  });
  at.spawn(request.path, [this, &at, to, peer, request, late, exchange, ending] {
    if (late != Duration::zero()) scheduler_.sleep_for(late);
    const auto router = at.routers_.find(to.port);
    if (router != at.routers_.end()) exchange->reply = router->second->serve(peer, request);
  });
}

Result<HttpReply> SimNetwork::call(SimNode& from, const Peer& peer, const Endpoint& to, const HttpRequest& request,
                                   MonoTime deadline) {
  if (deadline <= scheduler_.clock().now()) return Error(Errc::kUnavailable, "no time is left for the call");
  SimNode* server = TRY(connect(from, to, deadline));
  const std::string where = request.path + " at " + server->name_;
  if (random_.chance(faults.drop_request)) return lose(deadline, "request lost: " + where);
  if (random_.chance(faults.duplicate)) {
    const auto late = static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(faults.most_late.count())));
    deliver(*server, to, peer, request, Duration(late + 1), std::make_shared<Exchange>());
  }
  const std::string server_name = server->name_;
  const auto exchange = std::make_shared<Exchange>();
  scheduler_.note("call " + where);
  deliver(*server, to, peer, request, Duration::zero(), exchange);
  while (!exchange->over && scheduler_.clock().now() < deadline) {
    scheduler_.block(exchange.get(), deadline, "waits for the answer of " + where);
  }
  if (!exchange->reply) return Error(Errc::kUnknown, "no answer from " + where);
  if (random_.chance(faults.drop_reply)) return lose(deadline, "reply lost: " + where);
  if (!passes(server_name, from.name_)) return lose(deadline, "reply cut off: " + where);
  travel();
  if (scheduler_.clock().now() > deadline) return Error(Errc::kUnknown, "late answer from " + where);
  if (exchange->reply->body.size() > kMaxUnaryBodyBytes) return Error(Errc::kMessageTooBig, where);
  return std::move(*exchange->reply);
}

void SimNetwork::open_stream(SimNode& at, const Endpoint& to, const Peer& peer, const HttpRequest& request,
                             const std::shared_ptr<Stream>& stream) {
  auto end = std::make_shared<StreamEnd>(scheduler_, stream);
  at.spawn(request.path, [this, &at, to, peer, request, stream, end = std::move(end)]() mutable {
    const auto router = at.routers_.find(to.port);
    if (router == at.routers_.end()) return;
    EventHub::Sink sink = [end](std::uint64_t, const std::string& envelope) { return end->push(envelope); };
    end.reset();
    stream->opened = router->second->serve_events(peer, request, std::move(sink));
    scheduler_.wake(stream.get());
  });
}

Status SimNetwork::stream(SimNode& from, const Peer& peer, const Endpoint& to, const HttpRequest& request,
                          const std::function<bool(std::string_view)>& take) {
  SimNode* server = TRY(connect(from, to, scheduler_.clock().now() + kCallDeadline));
  const auto stream = std::make_shared<Stream>();
  stream->from = from.name_;
  stream->to = server->name_;
  std::erase_if(streams_, [](const auto& weak) { return weak.expired(); });
  streams_.push_back(stream);
  // The server's next push finds the client gone, also when this task is killed.
  struct Leaving {
    Stream& stream;
    ~Leaving() { stream.client_gone = true; }
  } leaving{*stream};
  scheduler_.note("stream " + request.path + " at " + stream->to);
  open_stream(*server, to, peer, request, stream);
  return read_stream(*stream, request.path, take);
}

Status SimNetwork::read_stream(Stream& stream, const std::string& path,
                               const std::function<bool(std::string_view)>& take) {
  for (;;) {
    const bool open_way = passes(stream.to, stream.from);
    if (open_way && !stream.pieces.empty()) {
      travel();
      const std::string piece = std::move(stream.pieces.front());
      stream.pieces.pop_front();
      if (!take(piece)) return {};
    } else if (open_way && stream.broken) {
      return Error(Errc::kUnknown, "connection to " + stream.to + " lost");
    } else if (open_way && stream.over()) {
      take(end_of_stream(*stream.opened));
      return {};
    } else if (!scheduler_.block(&stream, scheduler_.clock().now() + kIdlePiece, "reads " + path)) {
      if (!take({})) return {};
    }
  }
}

void SimNetwork::break_streams_of(const SimNode& node) {
  for (const auto& weak : streams_) {
    const auto stream = weak.lock();
    if (!stream || stream->to != node.name_ || stream->over()) continue;
    stream->broken = true;
    scheduler_.wake(stream.get());
  }
}

SimNode::SimNode(SimNetwork& network, std::string name, std::string dns_name, SimFiles* disk)
    : network_(network),
      name_(std::move(name)),
      dns_name_(std::move(dns_name)),
      disk_(disk),
      group_(network.scheduler_.new_group()) {
  if (!dns_name_.empty()) CHECK(network_.nodes_.emplace(dns_name_, this).second);
  if (disk_) disk_->before_sync([this] { network_.scheduler_.yield_through_c(); });
}

SimNode::~SimNode() {
  kill();
  if (!dns_name_.empty()) network_.nodes_.erase(dns_name_);
  if (disk_) disk_->before_sync({});
}

SimScheduler::TaskId SimNode::spawn(const std::string& what, std::function<void()> body) {
  return network_.scheduler_.spawn(name_ + ": " + what, std::move(body), group_);
}

SimScheduler::TaskId SimNode::run_duty(const std::string& what, Duty& duty) {
  return spawn(what, [this, &duty] {
    SimClock& clock = network_.scheduler_.clock();
    for (;;) {
      const MonoTime soon = clock.now() + std::chrono::milliseconds(500);
      clock.sleep_until(std::min(duty.next_tick(), soon));
      if (duty.next_tick() <= clock.now()) duty.tick(clock.now());
    }
  });
}

void SimNode::stop() {
  alive_ = false;
  if (disk_) disk_->halt();
  network_.break_streams_of(*this);
  network_.scheduler_.kill(group_);
  routers_.clear();
}

void SimNode::kill() {
  network_.scheduler_.note("kill " + name_);
  stop();
  if (disk_) disk_->kill_process();
}

void SimNode::power_loss() {
  network_.scheduler_.note("power loss at " + name_);
  stop();
  if (disk_) disk_->crash();
}

void SimNode::start() {
  CHECK(!alive_);
  alive_ = true;
}

void SimNode::pause() {
  network_.scheduler_.pause(group_);
}
void SimNode::resume() {
  network_.scheduler_.resume(group_);
}

}  // namespace conclave::sim
