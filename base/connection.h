// One client of a server: its TLS, its requests one after the other, their answers, or a stream of events. Steps that
// never block, but for the handler that a request is for.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/client_shares.h"
#include "base/guarded.h"
#include "base/log.h"
#include "base/ready_loop.h"
#include "base/request_reader.h"
#include "base/router.h"
#include "base/tls.h"

namespace conclave {

// What the connections of a server share; outlives them.
struct ServerParts {
  const Router& router;
  Log& log;
  const ClusterId cluster;
  const TlsServer tls;
  SystemClock clock{};
  ReadyLoop loop{};
  ClientShares shares{};
  std::atomic<bool> stopping{false};
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(ServerParts& parts, ReadyLoop::Id id, Descriptor socket);
  ~Connection();
  Connection(const Connection&) = delete;

  // What its socket was waited for has come (or nothing yet, the first time). False: it is over, drop it. One
  // thread at a time, which ReadyLoop sees to.
  bool proceed();

  // These three: any thread.
  // Ends what has lasted too long, and what is idle once the server stops; lets a stream show that it lives.
  void look_after(MonoTime now);
  // It has not shown who it is (yet), and may be broken off for others.
  [[nodiscard]] bool is_stranger() const { return !known_; }
  // Whoever waits for the socket finds it closed.
  void break_off();
  // Of an event stream; see event_hub.h.
  bool send(const std::string& envelope);
  void end();

 private:
  using Step = TlsConnection::Step;
  using Next = bool (Connection::*)();
  bool wait(Step for_what, Next next);
  // What one thread left, the next one sees: the kernel's event orders them, but C++ does not know of it.
  void hand_over() { handed_over_.store(true, std::memory_order_release); }
  void take_over() { (void)handed_over_.load(std::memory_order_acquire); }
  void allow(Duration time) { deadline_ = parts_.clock.now() + time; }

  bool handshake();
  bool welcome();
  bool await_request();
  bool read_request();
  std::optional<Error> objection();
  bool take_body_room(std::size_t bytes);   // in all
  void release_body();
  bool answer();
  bool refuse(const Error& error);
  bool reply(HttpReply reply);
  bool write_reply();
  bool linger();
  bool discard();

  bool begin_stream(const HttpRequest& request);
  bool continue_stream();
  void flush() REQUIRES(mutex_);

  ServerParts& parts_;
  const ReadyLoop::Id id_;
  const Descriptor socket_;
  TlsConnection tls_;
  std::atomic<MonoTime> deadline_{kNever};
  std::atomic<bool> idle_{false};       // between requests, or a stream: the server's stop ends it
  std::atomic<bool> in_stream_{false};
  std::atomic<bool> known_{false};      // peer_ is somebody, and client_ has this connection among its own
  std::atomic<bool> handed_over_{false};
  Next next_ = &Connection::handshake;  // on what was waited for
  std::optional<Result<TlsPeer>> peer_;
  RequestReader reader_;
  std::string client_;                  // whose shares we use
  std::size_t body_room_ = 0;           // our part of client_'s
  bool has_stream_ = false;             // and of its streams
  bool keep_alive_ = false;
  std::string head_, body_;             // of the reply being written
  std::string_view unwritten_;          // in head_, then in body_

  // Event streams. The mutex guards tls_ too then.
  std::mutex mutex_;
  std::string outbox_ GUARDED_BY(mutex_);              // HTTP chunks to be written
  std::size_t outbox_written_ GUARDED_BY(mutex_) = 0;
  bool open_ GUARDED_BY(mutex_) = false;
  bool waits_to_write_ GUARDED_BY(mutex_) = false;
  std::optional<Status> end_ GUARDED_BY(mutex_);       // why the stream ends
  MonoTime last_sent_ GUARDED_BY(mutex_){};
};

}  // namespace conclave
