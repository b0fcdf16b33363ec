// The vault's API as typed calls, one method for each rpc of conclave/vault/v1/vault.proto, which says what the fields
// mean. Nothing is kept here: what has an effect is signed, and its hash makes a repetition harmless.
//
// All calls block until answered, at most kCallDeadline, and are thread-safe. Errors are the vault's and Transport's;
// calls with an effect are repeated while the answer is unknown.
#pragma once

#include <functional>
#include <string>

#include "base/connect_client.h"
#include "conclave/vault/v1/vault.pb.h"

namespace conclave::vault {

class VaultClient {
 public:
  VaultClient(Transport& transport, Clock& clock, Endpoint server);

  // Accounts.
  Result<v1::InviteResponse> invite(const v1::InviteRequest& request);
  Result<v1::JoinResponse> join(const v1::JoinRequest& request);
  Result<v1::JoinsResponse> joins(const v1::JoinsRequest& request);
  Status put_roster(const v1::PutRosterRequest& request);
  Result<v1::GetRosterResponse> get_roster(std::uint64_t from_version);
  Result<v1::LoginResponse> login(const v1::LoginRequest& request);
  Status logout(const v1::LogoutRequest& request);

  // Policies and secrets.
  Status put_policy(const v1::PutPolicyRequest& request);
  Result<v1::GetPolicyResponse> get_policy(InodeId directory, std::uint64_t from_version);
  Result<v1::ListPoliciesResponse> list_policies();
  Status put_secret(const v1::PutSecretRequest& request);
  Result<v1::GetSecretResponse> get_secret(const v1::GetSecretRequest& request);

  // Requests.
  Result<v1::RequestView> file_request(const v1::FileRequestRequest& request);
  Result<v1::RequestView> get_request(const std::string& id);
  Result<v1::ListRequestsResponse> list_requests(const v1::ListRequestsRequest& request);
  Result<v1::RequestView> approve(const v1::ApproveRequest& request);
  Result<v1::RequestView> deny(const v1::DenyRequest& request);
  Result<v1::RequestView> cancel(const v1::CancelRequest& request);
  Result<v1::ReleaseResponse> release(const v1::ReleaseRequest& request);
  Status record(const v1::RecordRequest& request);
  // As ConnectClient::events; each event is a serialized v1::Event.
  Status events(SessionId session, std::uint64_t after,
                const std::function<bool(std::uint64_t number, std::string_view event)>& take);

  // The audit log's files by path, and what status shows. A tile is at most 256 entries of kMaxLeafBytes.
  Result<std::string> log_file(const std::string& path);
  Result<v1::HealthResponse> health();

 private:
  template <class Response, class Request>
  Result<Response> ask(std::string_view method, const Request& request);
  template <class Response, class Request>
  Result<Response> change(std::string_view method, const Request& request);

  ConnectClient client_;
};

}  // namespace conclave::vault
