#include "vault/vault_client.h"

namespace conclave::vault {
namespace {

std::string path_of(std::string_view method) {
  return "/conclave.vault.v1.VaultService/" + std::string(method);
}

template <class Response>
Status without_value(Result<Response> result) {
  if (!result) return std::move(result).error();
  return {};
}

}  // namespace

VaultClient::VaultClient(Transport& transport, Clock& clock, Endpoint server)
    : client_(transport, clock, std::move(server)) {}

template <class Response, class Request>
Result<Response> VaultClient::ask(std::string_view method, const Request& request) {
  return client_.call<Response>(path_of(method), request);
}

template <class Response, class Request>
Result<Response> VaultClient::change(std::string_view method, const Request& request) {
  return client_.call_until_known<Response>(path_of(method), request, CallOptions{});
}

Result<v1::InviteResponse> VaultClient::invite(const v1::InviteRequest& r) { return ask<v1::InviteResponse>("Invite", r); }
Result<v1::JoinResponse> VaultClient::join(const v1::JoinRequest& r) { return change<v1::JoinResponse>("Join", r); }
Result<v1::JoinsResponse> VaultClient::joins(const v1::JoinsRequest& r) { return ask<v1::JoinsResponse>("Joins", r); }
Status VaultClient::put_roster(const v1::PutRosterRequest& r) {
  return without_value(change<v1::PutRosterResponse>("PutRoster", r));
}
Result<v1::GetRosterResponse> VaultClient::get_roster(std::uint64_t from_version) {
  v1::GetRosterRequest request;
  request.set_from_version(from_version);
  return ask<v1::GetRosterResponse>("GetRoster", request);
}
Result<v1::LoginResponse> VaultClient::login(const v1::LoginRequest& r) { return change<v1::LoginResponse>("Login", r); }
Status VaultClient::logout(const v1::LogoutRequest& r) { return without_value(change<v1::LogoutResponse>("Logout", r)); }

Status VaultClient::put_policy(const v1::PutPolicyRequest& r) {
  return without_value(change<v1::PutPolicyResponse>("PutPolicy", r));
}
Result<v1::GetPolicyResponse> VaultClient::get_policy(InodeId directory, std::uint64_t from_version) {
  v1::GetPolicyRequest request;
  request.set_directory(raw(directory));
  request.set_from_version(from_version);
  return ask<v1::GetPolicyResponse>("GetPolicy", request);
}
Result<v1::ListPoliciesResponse> VaultClient::list_policies() {
  return ask<v1::ListPoliciesResponse>("ListPolicies", v1::ListPoliciesRequest());
}
Status VaultClient::put_secret(const v1::PutSecretRequest& r) {
  return without_value(change<v1::PutSecretResponse>("PutSecret", r));
}
Result<v1::GetSecretResponse> VaultClient::get_secret(const v1::GetSecretRequest& r) {
  return ask<v1::GetSecretResponse>("GetSecret", r);
}

Result<v1::RequestView> VaultClient::file_request(const v1::FileRequestRequest& r) {
  return change<v1::RequestView>("FileRequest", r);
}
Result<v1::RequestView> VaultClient::get_request(const std::string& id) {
  v1::GetRequestRequest request;
  request.set_id(id);
  return ask<v1::RequestView>("GetRequest", request);
}
Result<v1::ListRequestsResponse> VaultClient::list_requests(const v1::ListRequestsRequest& r) {
  return ask<v1::ListRequestsResponse>("ListRequests", r);
}
Result<v1::RequestView> VaultClient::approve(const v1::ApproveRequest& r) { return change<v1::RequestView>("Approve", r); }
Result<v1::RequestView> VaultClient::deny(const v1::DenyRequest& r) { return change<v1::RequestView>("Deny", r); }
Result<v1::RequestView> VaultClient::cancel(const v1::CancelRequest& r) { return change<v1::RequestView>("Cancel", r); }
Result<v1::ReleaseResponse> VaultClient::release(const v1::ReleaseRequest& r) {
  return change<v1::ReleaseResponse>("Release", r);
}
Status VaultClient::record(const v1::RecordRequest& r) { return without_value(change<v1::RecordResponse>("Record", r)); }

Status VaultClient::events(SessionId session, std::uint64_t after,
                           const std::function<bool(std::uint64_t, std::string_view)>& take) {
  v1::EventsRequest request;
  request.set_session(raw(session));
  request.set_after(after);
  return client_.events(path_of("Events"), request, CallOptions{}, take);
}

Result<std::string> VaultClient::log_file(const std::string& path) {
  v1::GetLogFileRequest request;
  request.set_path(path);
  auto response = TRY(ask<v1::GetLogFileResponse>("GetLogFile", request));
  return std::move(*response.mutable_content());
}
Result<v1::HealthResponse> VaultClient::health() { return ask<v1::HealthResponse>("Health", v1::HealthRequest()); }

}  // namespace conclave::vault
