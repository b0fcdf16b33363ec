#include "base/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/limits.h"

namespace conclave {
namespace {

constexpr std::size_t kMaxStreamQueueBytes = 1u << 20;  // what a stream's reader may lag behind in memory
constexpr std::size_t kJoinBytes = 16u << 10;           // a body up to this goes into one TLS record with its head
constexpr Duration kLinger = 1s;                        // for the other end to read our last words

std::string address_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  std::array<char, 64> text{};
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "somebody gone";
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
  const void* const from = address.ss_family == AF_INET ? static_cast<const void*>(&v4->sin_addr) : &v6->sin6_addr;
  return inet_ntop(address.ss_family, from, text.data(), text.size()) == nullptr ? "" : text.data();
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

}  // namespace

Connection::Connection(ServerParts& parts, ReadyLoop::Id id, Descriptor socket)
    : parts_(parts), id_(id), socket_(std::move(socket)), tls_(parts.tls, socket_.number()) {
  const int on = 1;
  (void)setsockopt(socket_.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  allow(kHandshakeDeadline);
}

Connection::~Connection() {
  release_body();
  if (has_stream_) parts_.shares.end_stream(client_);
  if (known_) parts_.shares.disconnect(client_);
}

bool Connection::proceed() {
  take_over();
  return (this->*next_)();
}

// The last thing a step does: from here on another thread may have the connection.
bool Connection::wait(Step for_what, Next next) {
  next_ = next;
  hand_over();
  parts_.loop.wait(socket_.number(), id_, for_what == Step::kWantWrite ? ReadyLoop::kToWrite : ReadyLoop::kToRead);
  return true;
}

// Whoever waits for the socket finds it closed; its number stays ours.
void Connection::break_off() { (void)::shutdown(socket_.number(), SHUT_RDWR); }

void Connection::look_after(MonoTime now) {
  if (now >= deadline_.load() || (parts_.stopping && idle_)) return break_off();
  if (!in_stream_) return;
  {
    const std::lock_guard lock(mutex_);
    if (now - last_sent_ < kStreamHeartbeat) return;
  }
  (void)send(envelope_of(0, {}));  // an Event of number 0
}

bool Connection::handshake() {
  const Step step = tls_.handshake();
  if (step == Step::kDone) {
    peer_ = tls_.peer(parts_.cluster);
    return welcome();
  }
  if (step != Step::kOver) return wait(step, &Connection::handshake);
  parts_.log.info("a connection was refused", {{"from", address_of(socket_.number())}, {"reason", tls_.failure()}});
  return linger();
}

bool Connection::welcome() {
  if (!*peer_) return await_request();
  client_ = client_of((*peer_)->peer);
  if (!parts_.shares.connect(client_)) {
    return refuse(Error(Errc::kOverloaded, client_ + " has as many connections as one client may have"));
  }
  known_ = true;
  return await_request();
}

// A stranger is told what is wrong with its certificate, if it asks at once.
bool Connection::await_request() {
  allow(known_ ? Duration(kIdleConnection) : Duration(kHandshakeDeadline));
  idle_ = true;
  if (!reader_.begun() && !tls_.has_more()) return wait(Step::kWantRead, &Connection::read_request);
  return read_request();
}

// Reads and parses in turn until a request is whole. Only the first wait, before anything came, is idle.
bool Connection::read_request() {
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
    if (step == Step::kOver) return false;
    if (step != Step::kDone) return wait(step, &Connection::read_request);
    reader_.came(got);
    if (idle_.exchange(false) && known_) allow(kTransferDeadline);
  }
}

// What is wrong with a request of which only the header was read.
std::optional<Error> Connection::objection() {
  if (!*peer_) return peer_->error();
  if (parts_.clock.wall() > (*peer_)->valid_until) {
    return Error(Errc::kKeyExpired, "the certificate of this connection has expired: log in again");
  }
  if (!reader_.is_post()) return Error(Errc::kNotSupported, "calls are POST requests");
  const std::size_t most = parts_.router.max_body_bytes(reader_.path());
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
  if (bytes <= body_room_) return true;
  if (!parts_.shares.take_body(client_, bytes - body_room_)) return false;
  body_room_ = bytes;
  return true;
}

void Connection::release_body() {
  if (body_room_ > 0) parts_.shares.give_body(client_, std::exchange(body_room_, 0));
}

bool Connection::answer() {
  idle_ = false;
  deadline_ = kNever;  // the handler has its own
  keep_alive_ = reader_.keep_alive();
  HttpRequest request = reader_.take();
  if (parts_.router.is_stream(request.path)) {
    has_stream_ = parts_.shares.begin_stream(client_);
    if (has_stream_) return begin_stream(request);
    return refuse(Error(Errc::kOverloaded, client_ + " has as many event streams as one client may have"));
  }
  return reply(parts_.router.serve((*peer_)->peer, std::move(request)));
}

bool Connection::refuse(const Error& error) {
  idle_ = false;
  keep_alive_ = false;
  return reply(reply_of(error));
}

// A large answer takes room until it is read, as a large request does: a client that asks much and reads slowly is told to
// ask again. What has an effect is answered shortly, or (at the vault) may be repeated.
bool Connection::reply(HttpReply reply) {
  if (reply.body.size() > kJoinBytes && known_ && !take_body_room(reply.body.size())) {
    reply = reply_of(Error(Errc::kOverloaded, "too many large answers at once"));
  }
  keep_alive_ = keep_alive_ && !parts_.stopping;
  head_ = head_of(reply, keep_alive_);
  body_ = std::move(reply.body);
  if (body_.size() <= kJoinBytes) head_ += std::exchange(body_, {});
  unwritten_ = head_;
  allow(kTransferDeadline);
  return write_reply();
}

bool Connection::write_reply() {
  Step step = Step::kDone;
  while (step == Step::kDone && !unwritten_.empty()) {
    step = tls_.write(unwritten_);
    if (unwritten_.empty() && !std::exchange(head_, {}).empty()) unwritten_ = body_;
  }
  if (step == Step::kDone) step = tls_.flush();
  if (step == Step::kOver) return false;
  if (step != Step::kDone) return wait(step, &Connection::write_reply);
  body_ = {};
  release_body();
  return keep_alive_ ? await_request() : linger();
}

// Ends our side and reads away what the other still sends: closing with bytes unread would reset the connection, and
// the reset would take our last words with it.
bool Connection::linger() {
  (void)::shutdown(socket_.number(), SHUT_WR);
  allow(kLinger);
  return discard();
}

bool Connection::discard() {
  std::array<char, 4096> discarded;
  ssize_t size = 0;
  do {
    size = recv(socket_.number(), discarded.data(), discarded.size(), 0);
  } while (size > 0 && parts_.clock.now() < deadline_.load());
  return size < 0 && errno == EAGAIN && wait(Step::kWantRead, &Connection::discard);
}

bool Connection::begin_stream(const HttpRequest& request) {
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
    begun = parts_.router.serve_events((*peer_)->peer, request, sink);
  }
  const std::lock_guard lock(mutex_);
  if (!begun) end_ = begun;
  next_ = &Connection::continue_stream;
  in_stream_ = true;
  idle_ = true;
  hand_over();
  flush();
  return true;
}

// A client has nothing more to say: whatever comes, most likely the end, ends the stream.
bool Connection::continue_stream() {
  const std::lock_guard lock(mutex_);
  std::array<std::uint8_t, 64> said;
  std::size_t size = 0;
  const Step step = tls_.read(said, size);
  if (step == Step::kDone || step == Step::kOver) {
    open_ = false;
    in_stream_ = false;
    return false;
  }
  flush();
  return true;
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

// Writes what is there, and the stream's end if it was said; then waits for the client's end, and, if the socket is
// full, for room.
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
  last_sent_ = parts_.clock.now();
  if (waits_to_write_) {
    allow(kTransferDeadline);
  } else {
    outbox_.clear();
    outbox_written_ = 0;
    deadline_ = kNever;
    if (step == Step::kOver) break_off();
    if (!open_) {
      (void)::shutdown(socket_.number(), SHUT_WR);
      allow(kLinger);
    }
  }
  const std::uint32_t also = step == Step::kWantWrite ? ReadyLoop::kToWrite : 0u;
  parts_.loop.wait(socket_.number(), id_, ReadyLoop::kToRead | also);
}

}  // namespace conclave
