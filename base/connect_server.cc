#include "base/connect_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <unordered_set>

#include "base/limits.h"

namespace conclave {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;
using Strand = asio::strand<asio::io_context::executor_type>;
using Plain = beast::basic_stream<Tcp, Strand>;
using Ec = boost::system::error_code;

constexpr std::size_t kMaxStreamQueueBytes = 1u << 20;  // what a stream's reader may lag behind in memory
constexpr auto kLinger = 1s;                            // for the other end to read our last words
constexpr auto kStopDeadline = 5s;

class Connection;

// What all connections share. Everything above `io` outlives the connections, which io's handlers hold.
struct Shared {
  Shared(const Router& r, Log& l, ClusterId c) : router(r), log(l), cluster(c) {}

  const Router& router;
  Log& log;
  const ClusterId cluster;
  SystemClock clock;
  std::atomic<std::size_t> body_bytes{0};  // of requests being read or answered
  std::mutex mutex;
  bool stopping = false;                          // guarded by mutex
  std::unordered_set<Connection*> connections;    // guarded by mutex
  asio::ssl::context tls{asio::ssl::context::tls_server};
  asio::io_context io;
  Strand strand{asio::make_strand(io)};  // of these two
  Tcp::acceptor acceptor{strand};
  asio::steady_timer pause{strand};

  void accept();
  void stop();
  bool admit(Connection* connection);
  void gone(Connection* connection);
  bool is_stopping() {
    const std::lock_guard lock(mutex);
    return stopping;
  }
};

HttpRequest request_of(http::request<http::string_body>& from) {
  HttpRequest out;
  out.path = std::string(from.target());
  for (const auto& field : from) {
    std::string name(field.name_string());
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    out.headers.emplace_back(std::move(name), field.value());
  }
  out.body = std::move(from.body());
  return out;
}

bool is_http_error(const Ec& ec) {
  return ec.category() == http::make_error_code(http::error::bad_method).category() &&
         ec != http::error::end_of_stream && ec != http::error::partial_message;
}

Error error_of_parser(const Ec& ec) {
  const bool too_big = ec == http::error::body_limit || ec == http::error::header_limit;
  return Error(too_big ? Errc::kMessageTooBig : Errc::kInvalid, "not a request that is taken: " + ec.message());
}

// One client. All of it runs on its strand, but for send() and end(), which any thread may call. What holds it is
// the operation it waits for: a connection that waits for nothing is gone.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Shared& shared, asio::basic_stream_socket<Tcp, Strand> socket)
      : shared_(shared), stream_(Plain(std::move(socket)), shared.tls), heartbeat_(stream_.get_executor()) {}
  ~Connection() {
    release_body();
    shared_.gone(this);
  }
  Connection(const Connection&) = delete;

  void start() {
    Ec ignored;
    socket().set_option(Tcp::no_delay(true), ignored);
    plain().expires_after(kHandshakeDeadline);
    stream_.async_handshake(asio::ssl::stream_base::server,
                            [self = shared_from_this()](Ec ec) { self->on_handshake(ec); });
  }

  // From any thread: closes it unless a request runs, which then is the last.
  void stop() {
    asio::post(stream_.get_executor(), [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && (self->idle_ || self->in_stream_)) self->plain().close();
    });
  }

  // Of an event stream; see event_hub.h.
  bool send(const std::string& envelope);
  void end();

 private:
  Plain& plain() { return stream_.next_layer(); }
  Plain::socket_type& socket() { return stream_.next_layer().socket(); }

  void on_handshake(Ec ec);
  void read_request();
  void on_header(Ec ec);
  void on_request(Ec ec);
  std::optional<Error> objection();
  bool take_body_room(std::size_t bytes);
  void release_body();
  void reply(HttpReply reply);
  void refuse(const Error& error);
  void linger();
  void discard();
  void begin_stream(const HttpRequest& request);
  void watch_stream();
  void beat();
  void flush();

  Shared& shared_;
  asio::ssl::stream<Plain> stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  std::optional<Result<TlsPeer>> peer_;
  std::size_t body_room_ = 0;   // our part of shared_.body_bytes
  bool idle_ = false;           // between requests
  bool keep_alive_ = false;
  bool in_stream_ = false;
  std::array<char, 4096> discarded_{};

  // Event streams.
  asio::steady_timer heartbeat_;
  std::string writing_;         // being written
  std::mutex outbox_mutex_;
  std::string outbox_;          // guarded by outbox_mutex_, as all below: HTTP chunks to be written
  bool open_ = false;
  bool flushing_ = false;       // flush() runs, or was posted
  std::optional<Status> end_;   // why the stream ends
};

void Connection::on_handshake(Ec ec) {
  if (ec) {
    Ec ignored;
    shared_.log.info("a connection was refused",
                     {{"from", socket().remote_endpoint(ignored).address().to_string()}, {"reason", ec.message()}});
    return linger();  // else the reset overtakes the alert that says why
  }
  peer_ = peer_of(stream_.native_handle(), shared_.cluster);
  read_request();
}

void Connection::read_request() {
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(kMaxHeaderBytes));
  parser_->body_limit(std::max(kMaxUnaryBodyBytes, kMaxRawBodyBytes));  // which of the two, the path will tell
  plain().expires_after(kIdleConnection);
  idle_ = true;
  http::async_read_header(stream_, buffer_, *parser_,
                          [self = shared_from_this()](Ec ec, std::size_t) { self->on_header(ec); });
}

void Connection::on_header(Ec ec) {
  idle_ = false;
  if (is_http_error(ec)) return refuse(error_of_parser(ec));
  if (ec) return;
  if (const auto error = objection()) return refuse(*error);
  plain().expires_after(kTransferDeadline);
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](Ec read, std::size_t) { self->on_request(read); });
}

// What is wrong with a request of which only the header was read.
std::optional<Error> Connection::objection() {
  const auto& request = parser_->get();
  if (!*peer_) return peer_->error();
  if (shared_.clock.wall() > (*peer_)->valid_until) {
    return Error(Errc::kKeyExpired, "the certificate of this connection has expired: log in again");
  }
  if (request.method() != http::verb::post) return Error(Errc::kNotSupported, "calls are POST requests");
  const std::size_t most = shared_.router.max_body_bytes(request.target());
  const auto length = parser_->content_length();
  if (length && *length > most) {
    return Error(Errc::kMessageTooBig, "a body of more than " + std::to_string(most) + " bytes");
  }
  parser_->body_limit(most);
  if (!take_body_room(length ? static_cast<std::size_t>(*length) : most)) {
    return Error(Errc::kOverloaded, "too many large requests at once");
  }
  return std::nullopt;
}

bool Connection::take_body_room(std::size_t bytes) {
  body_room_ = bytes;
  return shared_.body_bytes.fetch_add(bytes) + bytes <= kMaxBodiesInFlightBytes;
}

void Connection::release_body() { shared_.body_bytes -= std::exchange(body_room_, 0); }

void Connection::on_request(Ec ec) {
  if (is_http_error(ec)) return refuse(error_of_parser(ec));
  if (ec) return;
  keep_alive_ = parser_->get().keep_alive();
  HttpRequest request = request_of(parser_->get());
  if (shared_.router.is_stream(request.path)) return begin_stream(request);
  reply(shared_.router.serve((*peer_)->peer, std::move(request)));
}

void Connection::reply(HttpReply from) {
  keep_alive_ = keep_alive_ && !shared_.is_stopping();
  response_ = {static_cast<http::status>(from.status), 11, std::move(from.body)};
  for (const auto& [name, value] : from.headers) response_.set(name, value);
  response_.keep_alive(keep_alive_);
  response_.prepare_payload();
  plain().expires_after(kTransferDeadline);
  http::async_write(stream_, response_, [self = shared_from_this()](Ec ec, std::size_t) {
    self->release_body();
    self->response_.body() = {};
    if (ec) return;
    self->keep_alive_ ? self->read_request() : self->linger();
  });
}

void Connection::refuse(const Error& error) {
  keep_alive_ = false;
  reply(reply_of(error));
}

// Ends our side and reads away what the other still sends: closing with bytes unread would reset the connection, and
// the reset would take our last words with it.
void Connection::linger() {
  Ec ignored;
  socket().shutdown(Tcp::socket::shutdown_send, ignored);
  plain().expires_after(kLinger);
  discard();
}

void Connection::discard() {
  plain().async_read_some(asio::buffer(discarded_), [self = shared_from_this()](Ec ec, std::size_t) {
    if (!ec) self->discard();
  });
}

// A stream's sink: what the last copy's destruction ends.
class StreamEnd {
 public:
  explicit StreamEnd(std::weak_ptr<Connection> connection) : connection_(std::move(connection)) {}
  ~StreamEnd() {
    if (const auto connection = connection_.lock()) connection->end();
  }
  StreamEnd(const StreamEnd&) = delete;
  bool send(const std::string& envelope) const {
    const auto connection = connection_.lock();
    return connection && connection->send(envelope);
  }

 private:
  std::weak_ptr<Connection> connection_;
};

std::string chunk_of(std::string_view bytes) {
  std::array<char, 20> size{};
  const int length = std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
  return std::string(size.data(), static_cast<std::size_t>(length)).append(bytes).append("\r\n");
}

void Connection::begin_stream(const HttpRequest& request) {
  release_body();
  in_stream_ = true;
  {
    const std::lock_guard lock(outbox_mutex_);
    outbox_ = "HTTP/1.1 200 OK\r\nContent-Type: application/connect+proto\r\nTransfer-Encoding: chunked\r\n\r\n";
    open_ = true;
    flushing_ = true;  // below
  }
  auto sink_end = std::make_shared<StreamEnd>(weak_from_this());
  const auto sink = [end = std::move(sink_end)](std::uint64_t, const std::string& envelope) { return end->send(envelope); };
  const Status begun = shared_.router.serve_events((*peer_)->peer, request, sink);
  if (!begun) {
    const std::lock_guard lock(outbox_mutex_);
    end_ = begun;
  }
  plain().expires_never();
  watch_stream();
  beat();
  flush();
}

// A client has nothing more to say: whatever comes, most likely the end, ends the stream.
void Connection::watch_stream() {
  stream_.async_read_some(asio::buffer(discarded_), [self = shared_from_this()](Ec, std::size_t) {
    {
      const std::lock_guard lock(self->outbox_mutex_);
      self->open_ = false;
    }
    self->heartbeat_.cancel();
    self->plain().close();
  });
}

void Connection::beat() {
  heartbeat_.expires_after(kStreamHeartbeat);
  heartbeat_.async_wait([self = shared_from_this()](Ec ec) {
    if (!ec && self->send(envelope_of(0, {}))) self->beat();  // an Event of number 0
  });
}

bool Connection::send(const std::string& envelope) {
  const std::lock_guard lock(outbox_mutex_);
  if (!open_ || end_) return false;
  if (outbox_.size() + envelope.size() > kMaxStreamQueueBytes) {
    open_ = false;
    asio::post(stream_.get_executor(), [self = shared_from_this()] { self->plain().close(); });
    return false;
  }
  outbox_ += chunk_of(envelope);
  if (!std::exchange(flushing_, true)) {
    asio::post(stream_.get_executor(), [self = shared_from_this()] { self->flush(); });
  }
  return true;
}

void Connection::end() {
  const std::lock_guard lock(outbox_mutex_);
  if (!open_ || end_) return;
  end_ = Status();
  if (!std::exchange(flushing_, true)) {
    asio::post(stream_.get_executor(), [self = shared_from_this()] { self->flush(); });
  }
}

// Writes what is there, again and again until nothing is; then the end, if it was said.
void Connection::flush() {
  {
    const std::lock_guard lock(outbox_mutex_);
    writing_.clear();
    writing_.swap(outbox_);
    if (open_ && end_) {
      writing_ += chunk_of(end_of_stream(*end_)) + "0\r\n\r\n";
      open_ = false;
    }
    flushing_ = !writing_.empty();
    if (!flushing_) return;
  }
  plain().expires_after(kTransferDeadline);
  asio::async_write(stream_, asio::buffer(writing_), [self = shared_from_this()](Ec ec, std::size_t) {
    bool open = false;
    {
      const std::lock_guard lock(self->outbox_mutex_);
      open = self->open_;
    }
    if (ec || !open) return self->plain().close();
    self->flush();
  });
}

void Shared::accept() {
  acceptor.async_accept(asio::make_strand(io), [this](Ec ec, asio::basic_stream_socket<Tcp, Strand> socket) {
    if (ec == asio::error::operation_aborted) return;
    if (ec) {  // no descriptors: wait for some to be closed
      log.warning("connections cannot be accepted", {{"reason", ec.message()}});
      pause.expires_after(100ms);
      return pause.async_wait([this](Ec waited) { if (!waited) accept(); });
    }
    const auto connection = std::make_shared<Connection>(*this, std::move(socket));
    if (admit(connection.get())) connection->start();
    accept();
  });
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
  if (stopping && connections.empty()) asio::post(strand, [this] { pause.cancel(); });
}

void Shared::stop() {
  asio::post(strand, [this] {
    acceptor.close();
    const std::lock_guard lock(mutex);
    if (std::exchange(stopping, true)) return;
    for (Connection* const connection : connections) connection->stop();
    pause.cancel();  // no accept() any more
    if (connections.empty()) return;
    pause.expires_after(kStopDeadline);
    pause.async_wait([this](Ec ec) { if (!ec) io.stop(); });
  });
}

}  // namespace

struct ConnectServer::Inside : Shared {
  using Shared::Shared;
  ~Inside() { stopping = false; }  // nobody waits for the last connection any more

  Status open(const Options& options, const TlsIdentity& identity) {
    TRY(set_up_server(tls.native_handle(), identity));
    const std::string place = options.address + ":" + std::to_string(options.port);
    Ec ec;
    const auto address = asio::ip::make_address(options.address, ec);
    if (ec) return Error(Errc::kInvalid, "'" + options.address + "' is not an address");
    const Tcp::endpoint endpoint(address, options.port);
    acceptor.open(endpoint.protocol(), ec);
    if (!ec) acceptor.set_option(Tcp::acceptor::reuse_address(true), ec);
    if (!ec) acceptor.bind(endpoint, ec);
    if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
    if (ec == asio::error::address_in_use) return Error(Errc::kBusy, place + " is in use by another program");
    if (ec) return Error(Errc::kInvalid, place + ": " + ec.message());
    accept();
    return {};
  }
};

ConnectServer::ConnectServer(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
ConnectServer::~ConnectServer() = default;

Result<std::unique_ptr<ConnectServer>> ConnectServer::listen(const Options& options, const TlsIdentity& identity,
                                                             const Router& router, Log& log) {
  auto inside = std::make_unique<Inside>(router, log, identity.cluster);
  TRY(inside->open(options, identity));
  return std::unique_ptr<ConnectServer>(new ConnectServer(std::move(inside)));
}

std::uint16_t ConnectServer::port() const {
  Ec ignored;
  return inside_->acceptor.local_endpoint(ignored).port();
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
