#include "base/connect_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <unordered_set>

#include "base/limits.h"
#include "base/request_reader.h"

// Asio tells when a socket is ready and on which thread of the pool; OpenSSL reads and writes it directly. (Measured:
// asio::ssl's own buffers and Beast's timers cost 60% of the time of a 1 MiB body.)

namespace conclave {
namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using Socket = asio::basic_stream_socket<Tcp, asio::io_context::executor_type>;
using Ec = boost::system::error_code;
using Step = TlsConnection::Step;

constexpr std::size_t kMaxStreamQueueBytes = 1u << 20;  // what a stream's reader may lag behind in memory
constexpr std::size_t kJoinBytes = 16u << 10;           // a body up to this goes into one TLS record with its head
constexpr Duration kLinger = 1s;                        // for the other end to read our last words
constexpr Duration kStopDeadline = 5s;
constexpr Duration kSweep = 1s;                         // how often deadlines and heartbeats are looked at
constexpr Duration kStoppingSweep = 10ms;

class Connection;

// What all connections share; it outlives them: io's handlers hold them, and io goes before the rest.
struct Shared {
  Shared(const Router& r, Log& l, ClusterId c, TlsServer t) : router(r), log(l), cluster(c), tls(std::move(t)) {}

  const Router& router;
  Log& log;
  const ClusterId cluster;
  const TlsServer tls;
  SystemClock clock;
  std::atomic<std::size_t> body_bytes{0};  // of requests being read or answered
  std::atomic<bool> stopping{false};
  std::mutex mutex;
  std::unordered_set<Connection*> connections;  // guarded by mutex
  asio::io_context io;

  bool admit(Connection* connection);
  void gone(Connection* connection);
  std::vector<std::shared_ptr<Connection>> all();
};

// One client. Between two waits for its socket one thread has it; as a stream, whoever holds mutex_. What holds it is
// the wait: a connection that waits for nothing is gone.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Shared& shared, Socket socket)
      : shared_(shared), socket_(std::move(socket)), tls_(shared.tls, socket_.native_handle()) {}
  ~Connection() {
    release_body();
    shared_.gone(this);
  }
  Connection(const Connection&) = delete;

  void start();
  // From any thread: ends what has lasted too long, and what is idle once the server stops; lets a stream show that
  // it lives.
  void look_after(MonoTime now);
  // Of an event stream, from any thread; see event_hub.h.
  bool send(const std::string& envelope);
  void end();

 private:
  using Next = void (Connection::*)();
  void wait(Step for_what, Next next);
  void allow(Duration time) { deadline_ = shared_.clock.now() + time; }
  void break_off() { (void)::shutdown(socket_.native_handle(), SHUT_RDWR); }  // waits end; the number stays ours

  void handshake();
  void await_request();
  void read_request();
  std::optional<Error> objection();
  bool take_body_room(std::size_t bytes);
  void release_body() { shared_.body_bytes -= std::exchange(body_room_, 0); }
  void answer();
  void refuse(const Error& error);
  void reply(HttpReply reply);
  void write_reply();
  void linger();
  void discard();

  void begin_stream(const HttpRequest& request);
  void watch_stream();
  void continue_flush();
  void flush();  // with mutex_

  Shared& shared_;
  Socket socket_;
  TlsConnection tls_;
  std::atomic<MonoTime> deadline_{kNever};
  std::atomic<bool> idle_{false};      // between requests, or a stream: the server's stop ends it
  std::atomic<bool> in_stream_{false};
  std::optional<Result<TlsPeer>> peer_;
  RequestReader reader_;
  std::size_t body_room_ = 0;          // our part of shared_.body_bytes
  bool keep_alive_ = false;
  std::string head_, body_;            // of the reply being written
  std::string_view unwritten_;         // in head_, then in body_

  // Event streams. Guarded by mutex_, as is tls_ then.
  std::mutex mutex_;
  std::string outbox_;                 // HTTP chunks to be written
  std::size_t outbox_written_ = 0;
  bool open_ = false;
  bool waits_to_write_ = false;
  std::optional<Status> end_;          // why the stream ends
  MonoTime last_sent_{};
};

void Connection::wait(Step for_what, Next next) {
  const auto what = for_what == Step::kWantWrite ? Socket::wait_write : Socket::wait_read;
  socket_.async_wait(what, [self = shared_from_this(), next](Ec ec) {
    if (!ec) ((*self).*next)();
  });
}

void Connection::start() {
  Ec ignored;
  socket_.set_option(Tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  allow(kHandshakeDeadline);
  handshake();
}

void Connection::look_after(MonoTime now) {
  if (now >= deadline_.load() || (shared_.stopping && idle_)) return break_off();
  if (!in_stream_) return;
  {
    const std::lock_guard lock(mutex_);
    if (now - last_sent_ < kStreamHeartbeat) return;
  }
  (void)send(envelope_of(0, {}));  // an Event of number 0
}

void Connection::handshake() {
  const Step step = tls_.handshake();
  if (step == Step::kDone) {
    peer_ = tls_.peer(shared_.cluster);
    return await_request();
  }
  if (step != Step::kOver) return wait(step, &Connection::handshake);
  Ec unknown;
  const auto from = socket_.remote_endpoint(unknown);
  shared_.log.info("a connection was refused", {{"from", from.address().to_string()}, {"reason", tls_.failure()}});
  linger();
}

void Connection::await_request() {
  allow(kIdleConnection);
  idle_ = true;
  read_request();
}

// Reads and parses in turn until a request is whole. Only the first wait, before anything came, is idle.
void Connection::read_request() {
  while (true) {
    const auto progress = reader_.parse();
    if (!progress) return refuse(progress.error());
    if (*progress == RequestReader::Progress::kDone) return answer();
    if (*progress == RequestReader::Progress::kHeader) {
      if (const auto error = objection()) return refuse(*error);
      continue;
    }
    std::size_t got = 0;
    const Step step = tls_.read(reader_.room(), got);
    if (step == Step::kOver) return;
    if (step != Step::kDone) return wait(step, &Connection::read_request);
    reader_.came(got);
    if (idle_.exchange(false)) allow(kTransferDeadline);
  }
}

// What is wrong with a request of which only the header was read.
std::optional<Error> Connection::objection() {
  if (!*peer_) return peer_->error();
  if (shared_.clock.wall() > (*peer_)->valid_until) {
    return Error(Errc::kKeyExpired, "the certificate of this connection has expired: log in again");
  }
  if (!reader_.is_post()) return Error(Errc::kNotSupported, "calls are POST requests");
  const std::size_t most = shared_.router.max_body_bytes(reader_.path());
  const auto length = reader_.body_bytes();
  if (length && *length > most) {
    return Error(Errc::kMessageTooBig, "a body of more than " + std::to_string(most) + " bytes");
  }
  reader_.limit_body(most);
  if (!take_body_room(length ? static_cast<std::size_t>(*length) : most)) {
    return Error(Errc::kOverloaded, "too many large requests at once");
  }
  if (reader_.wants_continue()) {  // if it does not fit into the socket's buffer, the client goes on without it
    std::string_view line = "HTTP/1.1 100 Continue\r\n\r\n";
    (void)tls_.write(line);
    (void)tls_.flush();
  }
  return std::nullopt;
}

bool Connection::take_body_room(std::size_t bytes) {
  body_room_ = bytes;
  return shared_.body_bytes.fetch_add(bytes) + bytes <= kMaxBodiesInFlightBytes;
}

void Connection::answer() {
  deadline_ = kNever;  // the handler has its own
  keep_alive_ = reader_.keep_alive();
  HttpRequest request = reader_.take();
  if (shared_.router.is_stream(request.path)) return begin_stream(request);
  reply(shared_.router.serve((*peer_)->peer, std::move(request)));
}

void Connection::refuse(const Error& error) {
  idle_ = false;
  keep_alive_ = false;
  reply(reply_of(error));
}

void Connection::reply(HttpReply reply) {
  keep_alive_ = keep_alive_ && !shared_.stopping;
  head_ = head_of(reply, keep_alive_);
  body_ = std::move(reply.body);
  if (body_.size() <= kJoinBytes) head_ += std::exchange(body_, {});
  unwritten_ = head_;
  allow(kTransferDeadline);
  write_reply();
}

void Connection::write_reply() {
  Step step = Step::kDone;
  while (step == Step::kDone && !unwritten_.empty()) {
    step = tls_.write(unwritten_);
    if (unwritten_.empty() && !std::exchange(head_, {}).empty()) unwritten_ = body_;
  }
  if (step == Step::kDone) step = tls_.flush();
  if (step == Step::kOver) return;
  if (step != Step::kDone) return wait(step, &Connection::write_reply);
  body_ = {};
  release_body();
  keep_alive_ ? await_request() : linger();
}

// Ends our side and reads away what the other still sends: closing with bytes unread would reset the connection, and
// the reset would take our last words with it.
void Connection::linger() {
  (void)::shutdown(socket_.native_handle(), SHUT_WR);
  allow(kLinger);
  discard();
}

void Connection::discard() {
  std::array<char, 4096> discarded;
  Ec ec;
  while (!ec) (void)socket_.read_some(asio::buffer(discarded), ec);
  if (ec == asio::error::would_block) wait(Step::kWantRead, &Connection::discard);
}

// What a stream's sink holds; its end is the stream's.
class StreamEnd {
 public:
  explicit StreamEnd(std::weak_ptr<Connection> connection) : connection_(std::move(connection)) {}
  ~StreamEnd() {
    if (const auto connection = connection_.lock()) connection->end();
  }
  StreamEnd(const StreamEnd&) = delete;
  [[nodiscard]] bool send(const std::string& envelope) const {
    const auto connection = connection_.lock();
    return connection && connection->send(envelope);
  }

 private:
  std::weak_ptr<Connection> connection_;
};

void Connection::begin_stream(const HttpRequest& request) {
  release_body();
  {
    const std::lock_guard lock(mutex_);
    outbox_ = "HTTP/1.1 200 OK\r\nContent-Type: application/connect+proto\r\nTransfer-Encoding: chunked\r\n\r\n";
    open_ = true;
    waits_to_write_ = true;  // until it is known whether the stream begins
  }
  Status begun;
  {
    const auto end = std::make_shared<const StreamEnd>(weak_from_this());
    const auto sink = [end](std::uint64_t, const std::string& envelope) { return end->send(envelope); };
    begun = shared_.router.serve_events((*peer_)->peer, request, sink);
  }
  const std::lock_guard lock(mutex_);
  if (!begun) end_ = begun;
  in_stream_ = true;
  idle_ = true;
  waits_to_write_ = false;
  flush();
  wait(Step::kWantRead, &Connection::watch_stream);
}

// A client has nothing more to say: whatever comes, most likely the end, ends the stream.
void Connection::watch_stream() {
  const std::lock_guard lock(mutex_);
  open_ = false;
  in_stream_ = false;
  break_off();
}

bool Connection::send(const std::string& envelope) {
  const std::lock_guard lock(mutex_);
  if (!open_ || end_) return false;
  if (outbox_.size() - outbox_written_ + envelope.size() > kMaxStreamQueueBytes) {
    open_ = false;
    break_off();
    return false;
  }
  outbox_ += chunk_of(envelope);
  if (!waits_to_write_) flush();
  return true;
}

void Connection::end() {
  const std::lock_guard lock(mutex_);
  if (!open_ || end_) return;
  end_ = Status();
  if (!waits_to_write_) flush();
}

// Writes what is there, and the stream's end if it was said.
void Connection::flush() {
  if (open_ && end_) {
    outbox_ += chunk_of(end_of_stream(*end_)) + chunk_of({});
    open_ = false;
  }
  std::string_view rest = std::string_view(outbox_).substr(outbox_written_);
  Step step = Step::kDone;
  while (!rest.empty() && step == Step::kDone) step = tls_.write(rest);
  if (step == Step::kDone) step = tls_.flush();
  outbox_written_ = outbox_.size() - rest.size();
  waits_to_write_ = step == Step::kWantRead || step == Step::kWantWrite;
  if (step == Step::kOver) return break_off();
  last_sent_ = shared_.clock.now();
  if (waits_to_write_) {
    allow(kTransferDeadline);
    return wait(step, &Connection::continue_flush);
  }
  outbox_.clear();
  outbox_written_ = 0;
  deadline_ = kNever;
  if (open_) return;
  (void)::shutdown(socket_.native_handle(), SHUT_WR);  // watch_stream() sees the other end close
  allow(kLinger);
}

void Connection::continue_flush() {
  const std::lock_guard lock(mutex_);
  flush();
}

bool Shared::admit(Connection* connection) {
  const std::lock_guard lock(mutex);
  if (stopping || connections.size() >= kMaxConnections) return false;
  connections.insert(connection);
  return true;
}

void Shared::gone(Connection* connection) {
  const std::lock_guard lock(mutex);
  connections.erase(connection);
}

std::vector<std::shared_ptr<Connection>> Shared::all() {
  std::vector<std::shared_ptr<Connection>> out;
  const std::lock_guard lock(mutex);
  for (Connection* const connection : connections) {
    if (auto alive = connection->weak_from_this().lock()) out.push_back(std::move(alive));
  }
  return out;
}

}  // namespace

// Accepting, the sweep and the stop run on strand_.
struct ConnectServer::Inside : Shared {
  using Shared::Shared;

  Status open(const Options& options);
  void accept();
  void sweep();
  void stop();

  asio::strand<asio::io_context::executor_type> strand_{asio::make_strand(io)};
  asio::basic_socket_acceptor<Tcp, asio::strand<asio::io_context::executor_type>> acceptor_{strand_};
  asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                             asio::strand<asio::io_context::executor_type>> sweep_timer_{strand_};
  bool accepting_ = false;
  MonoTime stop_by_ = kNever;
};

Status ConnectServer::Inside::open(const Options& options) {
  const std::string place = options.address + ":" + std::to_string(options.port);
  Ec ec;
  const auto address = asio::ip::make_address(options.address, ec);
  if (ec) return Error(Errc::kInvalid, "'" + options.address + "' is not an address");
  const Tcp::endpoint endpoint(address, options.port);
  acceptor_.open(endpoint.protocol(), ec);
  if (!ec) acceptor_.set_option(asio::socket_base::reuse_address(true), ec);
  if (!ec) acceptor_.bind(endpoint, ec);
  if (!ec) acceptor_.listen(asio::socket_base::max_listen_connections, ec);
  if (ec == asio::error::address_in_use) return Error(Errc::kBusy, place + " is in use by another program");
  if (ec) return Error(Errc::kInvalid, place + ": " + ec.message());
  asio::post(strand_, [this] { sweep(); });
  return {};
}

void ConnectServer::Inside::accept() {
  accepting_ = true;
  acceptor_.async_accept(io, [this](Ec ec, Socket socket) {
    accepting_ = false;
    if (stopping) return;
    if (ec) return log.warning("connections cannot be accepted", {{"reason", ec.message()}});  // the sweep tries again
    const auto connection = std::make_shared<Connection>(*this, std::move(socket));
    if (admit(connection.get())) asio::post(io, [connection] { connection->start(); });
    accept();
  });
}

void ConnectServer::Inside::sweep() {
  const MonoTime now = clock.now();
  if (!stopping && !accepting_) accept();
  const auto connections_now = all();
  for (const auto& connection : connections_now) connection->look_after(now);
  if (stopping && connections_now.empty()) return;  // nothing is left to wait for: run() returns
  if (now >= stop_by_) return io.stop();
  sweep_timer_.expires_after(stopping ? kStoppingSweep : kSweep);
  sweep_timer_.async_wait([this](Ec) { sweep(); });
}

void ConnectServer::Inside::stop() {
  asio::post(strand_, [this] {
    if (stopping.exchange(true)) return;
    acceptor_.close();
    stop_by_ = clock.now() + kStopDeadline;
    sweep_timer_.cancel();
  });
}

ConnectServer::ConnectServer(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
ConnectServer::~ConnectServer() = default;

Result<std::unique_ptr<ConnectServer>> ConnectServer::listen(const Options& options, const TlsIdentity& identity,
                                                             const Router& router, Log& log) {
  auto inside = std::make_unique<Inside>(router, log, identity.cluster, TRY(TlsServer::make(identity)));
  TRY(inside->open(options));
  return std::unique_ptr<ConnectServer>(new ConnectServer(std::move(inside)));
}

std::uint16_t ConnectServer::port() const {
  Ec ignored;
  return inside_->acceptor_.local_endpoint(ignored).port();
}

void ConnectServer::run() {
  while (true) {
    try {
      inside_->io.run();
      return;
    } catch (const std::exception& failure) {  // of one connection, which is gone with it
      inside_->log.error("a connection ended by an exception", {{"exception", failure.what()}});
    }
  }
}

void ConnectServer::stop() { inside_->stop(); }

}  // namespace conclave
