#include "base/router.h"

#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <charconv>
#include <exception>

#include "base/limits.h"
#include "base/log.h"
#include "conclave/base/v1/event.pb.h"

namespace conclave {

// Exactly one of the three handlers is set.
struct Router::Route {
  std::uint32_t roles = 0;  // a bit for each Role
  const google::protobuf::Message* request = nullptr;  // of unary: the empty one
  Erased unary;
  RawHandler raw;
  EventsHandler events;
  std::size_t most_body_bytes = kUsualBodyBytes;
};

namespace {

std::uint32_t bit_of(Role role) { return 1u << static_cast<unsigned>(role); }

// "application/json; charset=utf-8" is application/json.
std::string_view media_type(const std::vector<Header>& headers) {
  std::string_view type = header_of(headers, "content-type");
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  return type;
}

Error wrong_type(std::string_view wanted) {
  return Error(Errc::kInvalid, "the content type must be " + std::string(wanted));
}

Status only_identity(const std::vector<Header>& headers) {
  for (const std::string_view name : {"content-encoding", "connect-content-encoding"}) {
    const std::string_view encoding = header_of(headers, name);
    if (!encoding.empty() && encoding != "identity") {
      return Error(Errc::kNotSupported, "compressed messages are not taken");
    }
  }
  return {};
}

Status parse(std::string_view type, const std::string& body, google::protobuf::Message& out) {
  if (type == kProtoType) {
    if (!out.ParseFromString(body)) return Error(Errc::kInvalid, "the body is no " + out.GetTypeName());
    return {};
  }
  const auto parsed = google::protobuf::util::JsonStringToMessage(body, &out);
  if (!parsed.ok()) return Error(Errc::kInvalid, parsed.ToString());
  return {};
}

Result<HttpReply> reply_with(std::string_view type, const google::protobuf::Message& message) {
  HttpReply reply{200, {{"content-type", std::string(type)}}, {}};
  const bool written = type == kProtoType ? message.SerializeToString(&reply.body)
                                          : google::protobuf::util::MessageToJsonString(message, &reply.body).ok();
  if (!written) return Error(Errc::kInternal, "an answer that cannot be written as " + std::string(type));
  return reply;
}

Result<Duration> timeout_of(const std::vector<Header>& headers) {
  const std::string_view text = header_of(headers, kTimeoutHeader);
  if (text.empty()) return Duration(kCallDeadline);
  std::uint64_t ms = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), ms);
  if (failure != std::errc() || end != text.data() + text.size() || text.size() > 10) {
    return Error(Errc::kInvalid, "connect-timeout-ms is not a number of at most 10 digits");
  }
  return std::min<Duration>(std::chrono::milliseconds(ms), kMaxCallDeadline);
}

// The one message of a stream's request.
Result<std::string_view> only_message(EnvelopeReader& reader, std::string_view body) {
  reader.feed(body);
  const auto envelope = TRY(reader.next());
  if (!envelope || envelope->flags != 0 || reader.in_the_middle()) {
    return Error(Errc::kInvalid, "the body is not one uncompressed envelope");
  }
  return envelope->message;
}

}  // namespace

void Router::add(std::string path, Roles allowed, Route route) {
  quiet_protobuf();
  for (const Role role : allowed) route.roles |= bit_of(role);
  const bool added = routes_.emplace(std::move(path), std::make_shared<const Route>(std::move(route))).second;
  CHECK(added);
}

void Router::add_unary(std::string path, Roles allowed, const google::protobuf::Message& prototype, Erased handler) {
  Route route;
  route.request = &prototype;
  route.unary = std::move(handler);
  add(std::move(path), allowed, std::move(route));
}

void Router::raw(std::string path, Roles allowed, RawHandler handler) {
  Route route;
  route.raw = std::move(handler);
  route.most_body_bytes = kMaxRawBodyBytes;
  add(std::move(path), allowed, std::move(route));
}

void Router::events(std::string path, Roles allowed, EventsHandler handler) {
  Route route;
  route.events = std::move(handler);
  add(std::move(path), allowed, std::move(route));
}

Result<const Router::Route*> Router::route_for(std::string_view path, const Peer& peer) const {
  const auto found = routes_.find(path);
  if (found == routes_.end()) return Error(Errc::kNotSupported, "this server has no " + std::string(path));
  if ((found->second->roles & bit_of(peer.role)) == 0) {
    return Error(Errc::kAccess, std::string(path) + " is not for role " + std::string(name_of(peer.role)));
  }
  return found->second.get();
}

Result<CallContext> Router::context_of(const Peer& peer, const std::vector<Header>& headers, std::string& pass) const {
  TRY(only_identity(headers));
  OpId op;
  const std::string_view op_text = header_of(headers, kOpHeader);
  if (!op_text.empty()) op = TRY(parse_op(op_text));
  pass = string_of(TRY(from_base64url(header_of(headers, kPassHeader))));
  return CallContext{peer, op, pass, clock_.now() + TRY(timeout_of(headers))};
}

HttpReply Router::serve(const Peer& peer, HttpRequest request) const {
  try {
    auto reply = served(peer, request);
    return reply ? std::move(reply).value() : reply_of(reply.error());
  } catch (const std::exception& failure) {  // memory, or a library: this request's misfortune only
    return reply_of(Error(Errc::kInternal, failure.what()));
  }
}

Result<HttpReply> Router::served(const Peer& peer, HttpRequest& request) const {
  const Route& route = *TRY(route_for(request.path, peer));
  if (request.body.size() > max_body_bytes(request.path)) return Error(Errc::kMessageTooBig, "too long a body");
  std::string pass;
  const CallContext context = TRY(context_of(peer, request.headers, pass));
  if (route.raw) return route.raw({context, request.headers, request.body});
  if (route.events) return wrong_type(kStreamType);

  const std::string_view type = media_type(request.headers);
  if (type != kProtoType && type != kJsonType) return wrong_type("application/proto or application/json");
  const std::unique_ptr<google::protobuf::Message> message(route.request->New());
  TRY(parse(type, request.body, *message));
  const auto response = TRY(route.unary(context, *message));
  return reply_with(type, *response);
}

std::size_t Router::max_body_bytes(std::string_view path) const {
  const auto found = routes_.find(path);
  return found == routes_.end() ? kUsualBodyBytes : found->second->most_body_bytes;
}

void Router::take_large(std::string_view path) {
  const auto found = routes_.find(path);
  CHECK(found != routes_.end());
  Route larger = *found->second;
  larger.most_body_bytes = kMaxUnaryBodyBytes;
  found->second = std::make_shared<const Route>(std::move(larger));
}

bool Router::is_stream(std::string_view path) const {
  const auto found = routes_.find(path);
  return found != routes_.end() && found->second->events;
}

Status Router::serve_events(const Peer& peer, const HttpRequest& request, EventHub::Sink sink) const {
  try {
    const Route& route = *TRY(route_for(request.path, peer));
    if (!route.events || media_type(request.headers) != kStreamType) return wrong_type(kStreamType);
    std::string pass;
    const CallContext context = TRY(context_of(peer, request.headers, pass));
    EnvelopeReader reader;
    const std::string_view message = TRY(only_message(reader, request.body));
    return route.events(context, message, [sink = std::move(sink)](std::uint64_t number, const std::string& event) {
      base::v1::Event numbered;
      numbered.set_number(number);
      numbered.set_event(event);
      return sink(number, envelope_of(0, numbered.SerializeAsString()));
    });
  } catch (const std::exception& failure) {
    return Error(Errc::kInternal, failure.what());
  }
}

}  // namespace conclave
