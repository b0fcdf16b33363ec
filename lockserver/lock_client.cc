#include "lockserver/lock_client.h"

namespace conclave::lock {

#define CONCLAVE_LOCK_PATH(method) "/conclave.lock.v1.LockService/" method

LockClient::LockClient(Transport& transport, Clock& clock, Endpoint server)
    : client_(transport, clock, std::move(server)) {}

template <class Response, class Request>
Result<Response> LockClient::ask(std::string_view path, const Request& request, Duration timeout, const OpId& op) {
  CallOptions options;
  options.timeout = timeout;
  options.op = op;
  return client_.call_until_known<Response>(path, request, options);
}

Result<v1::OpenSessionResponse> LockClient::open_session(const v1::OpenSessionRequest& request, Duration timeout) {
  return ask<v1::OpenSessionResponse>(CONCLAVE_LOCK_PATH("OpenSession"), request, timeout);
}
Result<v1::RenewResponse> LockClient::renew(const v1::RenewRequest& request, Duration timeout) {
  CallOptions options;
  options.timeout = timeout;
  return client_.call<v1::RenewResponse>(CONCLAVE_LOCK_PATH("Renew"), request, options);
}
Result<v1::ReclaimResponse> LockClient::reclaim(const v1::ReclaimRequest& request, Duration timeout) {
  return ask<v1::ReclaimResponse>(CONCLAVE_LOCK_PATH("Reclaim"), request, timeout);
}
Result<v1::CloseSessionResponse> LockClient::close_session(const v1::CloseSessionRequest& request, Duration timeout) {
  return ask<v1::CloseSessionResponse>(CONCLAVE_LOCK_PATH("CloseSession"), request, timeout);
}
Status LockClient::events(SessionId session, std::uint32_t epoch, std::uint64_t after,
                          const std::function<bool(std::uint64_t number, std::string_view event)>& take) {
  v1::EventsRequest request;
  request.set_session(raw(session));
  request.set_epoch(epoch);
  request.set_after(after);
  return client_.events(CONCLAVE_LOCK_PATH("Events"), request, {}, take);
}

Result<v1::AcquireResponse> LockClient::acquire(const v1::AcquireRequest& request, Duration timeout) {
  return ask<v1::AcquireResponse>(CONCLAVE_LOCK_PATH("Acquire"), request, timeout);
}
Result<v1::ReturnResponse> LockClient::give_back(const v1::ReturnRequest& request, Duration timeout) {
  return ask<v1::ReturnResponse>(CONCLAVE_LOCK_PATH("Return"), request, timeout);
}
Result<v1::ClosedResponse> LockClient::closed(const v1::ClosedRequest& request, const OpId& op) {
  return ask<v1::ClosedResponse>(CONCLAVE_LOCK_PATH("Closed"), request, kCallDeadline, op);
}

Result<v1::SetLockResponse> LockClient::set_lock(const v1::SetLockRequest& request, const OpId& op) {
  return ask<v1::SetLockResponse>(CONCLAVE_LOCK_PATH("SetLock"), request, kCallDeadline, op);
}
Result<v1::GetLockResponse> LockClient::get_lock(const v1::GetLockRequest& request) {
  return ask<v1::GetLockResponse>(CONCLAVE_LOCK_PATH("GetLock"), request, kCallDeadline);
}
Result<v1::CancelLockResponse> LockClient::cancel_lock(const v1::CancelLockRequest& request) {
  return ask<v1::CancelLockResponse>(CONCLAVE_LOCK_PATH("CancelLock"), request, kCallDeadline);
}

Result<v1::SyncResponse> LockClient::sync(const v1::SyncRequest& request, Duration timeout) {
  return ask<v1::SyncResponse>(CONCLAVE_LOCK_PATH("Sync"), request, timeout);
}
Result<v1::OpensResponse> LockClient::opens(const v1::OpensRequest& request) {
  return ask<v1::OpensResponse>(CONCLAVE_LOCK_PATH("Opens"), request, kCallDeadline);
}
Result<v1::HealthResponse> LockClient::health() {
  return ask<v1::HealthResponse>(CONCLAVE_LOCK_PATH("Health"), v1::HealthRequest(), kCallDeadline);
}

#undef CONCLAVE_LOCK_PATH

LeaseMode mode_of(v1::Mode mode) {
  return v1::Mode_IsValid(mode) ? static_cast<LeaseMode>(mode) : LeaseMode::kNone;
}
v1::Mode mode_of(LeaseMode mode) { return static_cast<v1::Mode>(mode); }

}  // namespace conclave::lock
