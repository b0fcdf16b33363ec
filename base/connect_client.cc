#include "base/connect_client.h"

#include <google/protobuf/message.h>

#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "base/connect_wire.h"
#include "base/log.h"
#include "conclave/base/v1/event.pb.h"

namespace conclave {
namespace {

constexpr Duration kFirstPause = 10ms;
constexpr Duration kLongestPause = 1s;

std::vector<Header> headers_of(std::string_view type, const CallOptions& options) {
  std::vector<Header> out;
  out.reserve(5);
  out.emplace_back("content-type", type);
  out.emplace_back("connect-protocol-version", "1");
  if (options.op.sequence != 0) out.emplace_back(kOpHeader, to_text(options.op));
  if (!options.pass.empty()) out.emplace_back(kPassHeader, to_base64url(view_of(options.pass)));
  return out;
}

void add_timeout(std::vector<Header>& headers, Duration timeout) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(std::max(timeout, Duration::zero()));
  headers.emplace_back(kTimeoutHeader, std::to_string(ms.count()));
}

// Hands over what is whole. True: go on.
Result<bool> take_envelopes(EnvelopeReader& reader, std::optional<Status>& end,
                            const std::function<bool(std::uint64_t, std::string_view)>& take) {
  while (const auto envelope = TRY(reader.next())) {
    if (envelope->flags == kEndOfStream) {
      end = reason_of_end(envelope->message);
      return false;
    }
    base::v1::Event event;
    if (envelope->flags != 0 || !event.ParseFromArray(envelope->message.data(), static_cast<int>(envelope->message.size()))) {
      return Error(Errc::kUnknown, "an event that cannot be read");
    }
    if (!take(event.number(), event.event())) return false;
  }
  return true;
}

}  // namespace

SlotPool::SlotPool(SessionId session, std::uint32_t generation, Waiter& waiter)
    : session_(session), generation_(generation), waiter_(waiter), next_(kSlotsPerSession, 1) {
  for (std::uint32_t slot = kSlotsPerSession; slot > 0; --slot) free_.push_back(slot - 1);
}

SlotPool::Lease SlotPool::acquire() {
  while (true) {
    const auto seen = waiter_.observe(this);
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        const std::uint32_t slot = free_.back();  // the last one back: the server keeps as few as are needed
        free_.pop_back();
        return Lease(this, OpId{session_, generation_, slot, next_[slot]});
      }
    }
    waiter_.wait(this, seen, kNever);
  }
}

void SlotPool::give_back(const OpId& id, bool used) {
  {
    const std::lock_guard lock(mutex_);
    if (used) ++next_[id.slot];
    free_.push_back(id.slot);
  }
  waiter_.wake(this);
}

SlotPool::Lease::Lease(Lease&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)), id_(other.id_), used_(other.used_) {}

SlotPool::Lease::~Lease() {
  if (pool_ != nullptr) pool_->give_back(id_, used_);
}

void SlotPool::Lease::not_used() { used_ = false; }

ConnectClient::ConnectClient(Transport& transport, Clock& clock, Endpoint server)
    : transport_(transport), clock_(clock), server_(std::move(server)) {
  quiet_protobuf();
}

Status ConnectClient::call_message(std::string_view path, const google::protobuf::Message& request,
                                   google::protobuf::Message& response, const CallOptions& options) {
  HttpRequest http{std::string(path), headers_of(kProtoType, options), {}};
  add_timeout(http.headers, options.timeout);
  if (!request.SerializeToString(&http.body)) return Error(Errc::kInternal, "a request that cannot be written");
  const HttpReply reply = TRY(transport_.call(server_, http, clock_.now() + options.timeout));
  if (reply.status != 200) return error_of(reply);
  if (header_of(reply.headers, "content-type") != kProtoType || !response.ParseFromString(reply.body)) {
    return Error(Errc::kUnknown, "the answer to " + std::string(path) + " cannot be read");
  }
  return {};
}

Result<HttpReply> ConnectClient::raw(std::string_view path, std::vector<Header> headers, std::string body,
                                     const CallOptions& options) {
  HttpRequest http{std::string(path), headers_of(kRawType, options), std::move(body)};
  add_timeout(http.headers, options.timeout);
  std::ranges::move(headers, std::back_inserter(http.headers));
  HttpReply reply = TRY(transport_.call(server_, http, clock_.now() + options.timeout));
  if (reply.status != 200) return error_of(reply);
  return reply;
}

Status ConnectClient::stream_message(std::string_view path, const google::protobuf::Message& request,
                                     const CallOptions& options,
                                     const std::function<bool(std::uint64_t, std::string_view)>& take) {
  std::string message;
  if (!request.SerializeToString(&message)) return Error(Errc::kInternal, "a request that cannot be written");
  const HttpRequest http{std::string(path), headers_of(kStreamType, options), envelope_of(0, message)};
  EnvelopeReader reader;
  std::optional<Status> end;
  bool stopped = false;  // by `take`
  const Status connection = transport_.stream(server_, http, [&](std::string_view piece) {
    if (stopped || end) return false;
    if (piece.empty()) {
      stopped = !take(0, {});
      return !stopped;
    }
    reader.feed(piece);
    const auto more = take_envelopes(reader, end, take);
    if (!more) end = more.error();
    stopped = more && !*more && !end;
    return more && *more;
  });
  if (stopped) return {};
  if (end) return *std::move(end);
  if (!connection) return connection;
  return Error(Errc::kUnknown, "the stream of " + std::string(path) + " broke off");
}

Status ConnectClient::retrying(const CallOptions& options, const std::function<Status(const CallOptions&)>& once) {
  const MonoTime deadline = clock_.now() + options.timeout;
  CallOptions attempt = options;
  Duration pause = kFirstPause;
  bool perhaps_done = false;  // by an attempt whose answer was lost: then only an answer tells
  while (true) {
    attempt.timeout = std::clamp<Duration>(deadline - clock_.now(), 1ms, std::max<Duration>(kCallDeadline, 1ms));
    Status status = once(attempt);
    if (status) return status;
    // Said before the server looks whether it knows the operation: one that was carried out is refused like any other.
    const bool unread = status.error().code == Errc::kFenced;
    if (unread && perhaps_done && options.op.sequence != 0) return Error(Errc::kUnknown, status.error().message);
    if (retry_of(status.error().code) == Retry::kNo || status.error().code == Errc::kWouldBlock) return status;
    perhaps_done |= status.error().code == Errc::kUnknown;
    if (clock_.now() + pause >= deadline) {
      Error last = std::move(status).error();
      if (perhaps_done) last.code = Errc::kUnknown;
      return last;
    }
    clock_.sleep_until(clock_.now() + pause);
    pause = std::min(pause * 2, kLongestPause);
  }
}

}  // namespace conclave
