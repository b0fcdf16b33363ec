// The calling side of the Connect protocol over a Transport. X_client classes are thin lists of typed methods
// over this one.
#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/ids.h"
#include "base/limits.h"
#include "base/transport.h"
#include "base/waiter.h"

namespace google::protobuf {
class Message;
}

namespace conclave {

// The client's side of SlotTable, one for each session and server: hands out a free slot with its next
// sequence number, and takes it back when the answer is known. Thread-safe; acquire blocks while all are out.
class SlotPool {
 public:
  SlotPool(SessionId session, std::uint32_t generation, Waiter& waiter);
  class Lease {  // returns its slot when destroyed
   public:
    Lease(Lease&&) noexcept;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    [[nodiscard]] const OpId& id() const { return id_; }
    // The number was not consumed at the server (the call never reached it, or failed before its effect).
    void not_used();

   private:
    friend class SlotPool;
    Lease(SlotPool* pool, OpId id) : pool_(pool), id_(id) {}
    SlotPool* pool_;
    OpId id_;
    bool used_ = true;
  };
  Lease acquire();

 private:
  void give_back(const OpId& id, bool used);
  SessionId session_;
  std::uint32_t generation_;
  Waiter& waiter_;
  std::mutex mutex_;
  std::vector<std::uint64_t> next_ GUARDED_BY(mutex_);  // by slot
  std::vector<std::uint32_t> free_ GUARDED_BY(mutex_);
};

struct CallOptions {
  Duration timeout = kCallDeadline;
  OpId op;                             // sequence 0: none; the call must be idempotent
  std::string pass;                    // sealed SessionPass, sent as conclave-pass; empty: none
};

class ConnectClient {
 public:
  ConnectClient(Transport& transport, Clock& clock, Endpoint server);

  // One exchange. The peer's error comes back as the Error it was made from; Transport's errors as they are.
  template <class Response, class Request>
  Result<Response> call(std::string_view path, const Request& request, const CallOptions& options = {}) {
    Response response;
    Status status = call_message(path, request, response, options);
    if (!status) return std::move(status).error();
    return response;
  }

  // call, and again with the same operation id after kUnknown, kUnavailable or kOverloaded (10 ms, doubling to
  // 1 s) until the answer is known or options.timeout is over; then the last error.
  template <class Response, class Request>
  Result<Response> call_until_known(std::string_view path, const Request& request, const CallOptions& options) {
    Response response;
    Status status = retrying(options, [&](const CallOptions& once) { return call_message(path, request, response, once); });
    if (!status) return std::move(status).error();
    return response;
  }

  // Bytes as they are.
  Result<HttpReply> raw(std::string_view path, std::vector<Header> headers, std::string body,
                        const CallOptions& options = {});

  // Opens a server stream and hands over each event's number and bytes until `take` says false or the
  // connection ends; `take` gets number 0 and nothing at least once a second.
  template <class Request>
  Status events(std::string_view path, const Request& request, const CallOptions& options,
                const std::function<bool(std::uint64_t number, std::string_view event)>& take) {
    return stream_message(path, request, options, take);
  }

  [[nodiscard]] const Endpoint& server() const { return server_; }

 private:
  Status call_message(std::string_view path, const google::protobuf::Message& request,
                      google::protobuf::Message& response, const CallOptions& options);
  Status stream_message(std::string_view path, const google::protobuf::Message& request, const CallOptions& options,
                        const std::function<bool(std::uint64_t, std::string_view)>& take);
  Status retrying(const CallOptions& options, const std::function<Status(const CallOptions&)>& once);

  Transport& transport_;
  Clock& clock_;
  Endpoint server_;
};

}  // namespace conclave
