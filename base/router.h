// A server's table of contents: path → who may call it → function. The same Router is served by the Beast
// server and, in tests, called in process by the simulated transport: production and tests run the same code.
//
// Unary calls are Connect's (POST, application/proto or application/json, errors as JSON with our Errc in
// a conclave.base.v1.ErrorDetail). A raw call carries bytes as they are, with their description in headers.
#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <string>

#include "base/certificate.h"
#include "base/clock.h"
#include "base/connect_wire.h"
#include "base/event_hub.h"
#include "base/ids.h"
#include "base/transport.h"

namespace google::protobuf {
class Message;
}

namespace conclave {

// What a handler knows of the call besides its message.
struct CallContext {
  const Peer& peer;
  OpId op;                     // header conclave-op; sequence 0 if absent
  std::string_view pass;       // header conclave-pass (sealed SessionPass bytes, decoded), or empty
  MonoTime deadline;           // header connect-timeout-ms; kCallDeadline from arrival if absent
};

struct RawCall {
  const CallContext& context;
  const std::vector<Header>& headers;
  std::string& body;           // may be moved from
};

using Roles = std::initializer_list<Role>;

class Router {
 public:
  explicit Router(Clock& clock) : clock_(clock) {}

  // handler: Result<Response>(const CallContext&, const Request&). Both are protobuf messages. Handlers run on
  // many threads at once and may block only in a seam (docs/design.md, "Five seams").
  template <class Request, class Response>
  void unary(std::string path, Roles allowed,
             std::function<Result<Response>(const CallContext&, const Request&)> handler);

  // Replies with its headers and body; errors become Connect errors.
  using RawHandler = std::function<Result<HttpReply>(const RawCall&)>;
  void raw(std::string path, Roles allowed, RawHandler handler);

  // A server stream of Connect envelopes; each event is one message's serialized bytes. The handler checks the
  // request, then attaches the sink to its EventHub.
  using EventsHandler = std::function<Status(const CallContext&, std::string_view request_proto, EventHub::Sink sink)>;
  void events(std::string path, Roles allowed, EventsHandler handler);

  // While wiring: the path's requests may have kMaxUnaryBodyBytes instead of kUsualBodyBytes.
  void take_large(std::string_view path);

  // kNotSupported ("unimplemented" on the wire) for an unknown path, kAccess for a role that is not allowed.
  // Never throws; never fails: errors are replies.
  HttpReply serve(const Peer& peer, HttpRequest request) const;

  // How long a body this path takes: reading stops there.
  [[nodiscard]] std::size_t max_body_bytes(std::string_view path) const;
  // True if the path is an events route: the server then calls serve_events and keeps the connection.
  [[nodiscard]] bool is_stream(std::string_view path) const;
  // sink takes whole Connect envelopes. An error means: no stream began, the sink is gone; it is the stream's end.
  Status serve_events(const Peer& peer, const HttpRequest& request, EventHub::Sink sink) const;

 private:
  struct Route;
  using Erased = std::function<Result<std::unique_ptr<google::protobuf::Message>>(const CallContext&,
                                                                                 const google::protobuf::Message&)>;
  void add_unary(std::string path, Roles allowed, const google::protobuf::Message& prototype, Erased handler);
  void add(std::string path, Roles allowed, Route route);
  Result<const Route*> route_for(std::string_view path, const Peer& peer) const;
  Result<CallContext> context_of(const Peer& peer, const std::vector<Header>& headers, std::string& pass) const;
  Result<HttpReply> served(const Peer& peer, HttpRequest& request) const;

  Clock& clock_;
  std::map<std::string, std::shared_ptr<const Route>, std::less<>> routes_;
};

template <class Request, class Response>
void Router::unary(std::string path, Roles allowed,
                   std::function<Result<Response>(const CallContext&, const Request&)> handler) {
  add_unary(std::move(path), allowed, Request::default_instance(),
            [handler = std::move(handler)](const CallContext& context, const google::protobuf::Message& request)
                -> Result<std::unique_ptr<google::protobuf::Message>> {
              auto response = handler(context, static_cast<const Request&>(request));
              if (!response) return std::move(response).error();
              return std::unique_ptr<google::protobuf::Message>(
                  std::make_unique<Response>(std::move(response).value()));
            });
}

}  // namespace conclave
