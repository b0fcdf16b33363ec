// The lock server's API as typed calls, one method for each rpc of conclave/lock/v1/lock.proto, which says what the
// fields mean. Keeps nothing; thread-safe.
//
// All block until answered, at most `timeout`, and are repeated until the answer is known or the time is over:
// what they do may be done twice (a lease has a number, a wait has one), or they carry an operation id. Errors are L's
// (kStale: no such session, ask with a new one; kFenced: the session was declared dead; kAccess: not this ticket or
// certificate; kUnavailable: L was restarted, and waits for what sessions reclaim) and Transport's.
#pragma once

#include <functional>

#include "base/connect_client.h"
#include "base/token.h"
#include "conclave/lock/v1/lock.pb.h"

namespace conclave::lock {

class LockClient {
 public:
  LockClient(Transport& transport, Clock& clock, Endpoint server);

  Result<v1::OpenSessionResponse> open_session(const v1::OpenSessionRequest& request, Duration timeout = kCallDeadline);
  // One attempt: a renewal counts from the moment it was sent.
  Result<v1::RenewResponse> renew(const v1::RenewRequest& request, Duration timeout);
  Result<v1::ReclaimResponse> reclaim(const v1::ReclaimRequest& request, Duration timeout = kCallDeadline);
  Result<v1::CloseSessionResponse> close_session(const v1::CloseSessionRequest& request,
                                                 Duration timeout = kCallDeadline);
  // ConnectClient::events of the session: blocks while the stream holds and `take` says true.
  Status events(SessionId session, std::uint32_t epoch, std::uint64_t after,
                const std::function<bool(std::uint64_t number, std::string_view event)>& take);

  Result<v1::AcquireResponse> acquire(const v1::AcquireRequest& request, Duration timeout = kCallDeadline);
  Result<v1::ReturnResponse> give_back(const v1::ReturnRequest& request, Duration timeout = kCallDeadline);
  Result<v1::ClosedResponse> closed(const v1::ClosedRequest& request, const OpId& op);

  Result<v1::SetLockResponse> set_lock(const v1::SetLockRequest& request, const OpId& op);
  Result<v1::GetLockResponse> get_lock(const v1::GetLockRequest& request);
  Result<v1::CancelLockResponse> cancel_lock(const v1::CancelLockRequest& request);

  // D's own.
  Result<v1::SyncResponse> sync(const v1::SyncRequest& request, Duration timeout);
  Result<v1::OpensResponse> opens(const v1::OpensRequest& request);

  Result<v1::HealthResponse> health();

  [[nodiscard]] const Endpoint& server() const { return client_.server(); }

 private:
  template <class Response, class Request>
  Result<Response> ask(std::string_view path, const Request& request, Duration timeout, const OpId& op = {});

  ConnectClient client_;
};

// base/token.h and the .proto number the modes alike; an unknown number is kNone.
LeaseMode mode_of(v1::Mode mode);
v1::Mode mode_of(LeaseMode mode);

}  // namespace conclave::lock
