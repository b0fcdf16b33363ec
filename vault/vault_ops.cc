#include "vault/vault_ops.h"

namespace conclave::vault {
namespace {

constexpr Roles kKnocking = {Role::kGuest, Role::kUser, Role::kHost};
constexpr Roles kPeople = {Role::kUser};
constexpr Roles kClients = {Role::kUser, Role::kHost};

// Adds `object.method`, a handler of the shape Result<Response>(const CallContext&, const Request&).
template <class Object, class Request, class Response>
void add(Router& router, const char* name, Roles allowed, Object& object,
         Result<Response> (Object::*method)(const CallContext&, const Request&)) {
  router.unary<Request, Response>("/conclave.vault.v1.VaultService/" + std::string(name), allowed,
                                  [&object, method](const CallContext& context, const Request& request) {
                                    return (object.*method)(context, request);
                                  });
}

Result<v1::HealthResponse> health(VaultState& state, Secrets& secrets, RequestBook& book) {
  const auto turn = state.take_turn();
  v1::HealthResponse response;
  const RosterVersion& roster = state.roster().current();
  response.set_roster_version(roster.version);
  response.set_admin_threshold(roster.threshold);
  response.set_secrets(TRY(secrets.count()));
  response.set_pending(TRY(book.pending()));
  response.set_log_size(state.log_size());
  for (const Person& person : roster.people) response.add_people(person.name);
  return response;
}

}  // namespace

void add_routes(Router& router, VaultState& state, Accounts& accounts, Secrets& secrets, RequestBook& book) {
  add(router, "Invite", kPeople, accounts, &Accounts::invite);
  add(router, "Join", kKnocking, accounts, &Accounts::join);
  add(router, "Joins", kPeople, accounts, &Accounts::joins);
  add(router, "PutRoster", kPeople, accounts, &Accounts::put_roster);
  add(router, "GetRoster", kKnocking, accounts, &Accounts::get_roster);
  add(router, "Login", kKnocking, accounts, &Accounts::login);
  add(router, "Logout", kClients, accounts, &Accounts::logout);

  add(router, "PutPolicy", kPeople, secrets, &Secrets::put_policy);
  add(router, "GetPolicy", kClients, secrets, &Secrets::get_policy);
  add(router, "ListPolicies", kClients, secrets, &Secrets::list_policies);
  add(router, "PutSecret", kClients, secrets, &Secrets::put_secret);
  add(router, "GetSecret", kClients, secrets, &Secrets::get_secret);

  add(router, "FileRequest", kClients, book, &RequestBook::file);
  add(router, "GetRequest", kClients, book, &RequestBook::get);
  add(router, "ListRequests", kClients, book, &RequestBook::list);
  add(router, "Approve", kPeople, book, &RequestBook::approve);
  add(router, "Deny", kPeople, book, &RequestBook::deny);
  add(router, "Cancel", kClients, book, &RequestBook::cancel);
  add(router, "Release", kClients, book, &RequestBook::release);
  add(router, "Record", kClients, book, &RequestBook::record);
  router.events("/conclave.vault.v1.VaultService/Events", kClients,
                [&book](const CallContext& context, std::string_view bytes, EventHub::Sink sink) -> Status {
                  v1::EventsRequest request;
                  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return Errc::kInvalid;
                  return book.events(context, request, std::move(sink));
                });

  router.unary<v1::GetLogFileRequest, v1::GetLogFileResponse>(
      "/conclave.vault.v1.VaultService/GetLogFile", kClients,
      [&state](const CallContext&, const v1::GetLogFileRequest& request) -> Result<v1::GetLogFileResponse> {
        const auto turn = state.take_turn();
        v1::GetLogFileResponse response;
        response.set_content(TRY(state.log_file(request.path())));
        return response;
      });
  router.unary<v1::HealthRequest, v1::HealthResponse>(
      "/conclave.vault.v1.VaultService/Health", kClients,
      [&state, &secrets, &book](const CallContext&, const v1::HealthRequest&) { return health(state, secrets, book); });
}

}  // namespace conclave::vault
