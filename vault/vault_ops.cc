#include "vault/vault_ops.h"

namespace conclave::vault {
namespace {

constexpr Roles kGuests = {Role::kGuest};
constexpr Roles kKnocking = {Role::kGuest, Role::kUser, Role::kHost};
constexpr Roles kPeople = {Role::kUser};
constexpr Roles kClients = {Role::kUser, Role::kHost};

std::string path_of_method(const char* name) { return "/conclave.vault.v1.VaultService/" + std::string(name); }

template <class Request, class Response>
using Call = std::function<Result<Response>(const CallContext&, const Request&)>;

template <class Object, class Request, class Response>
Call<Request, Response> on(Object& object, Result<Response> (Object::*method)(const CallContext&, const Request&)) {
  return [&object, method](const CallContext& context, const Request& request) { return (object.*method)(context, request); };
}

// Each call holds the turn from its beginning to its answer.
struct Methods {
  Router& router;
  VaultState& state;

  // Who knocks is judged by what is in the request.
  template <class Request, class Response>
  void add_door(const char* name, Roles allowed, const Call<Request, Response>& call) {
    router.unary<Request, Response>(path_of_method(name), allowed,
                                    [&state = state, call](const CallContext& context, const Request& request) {
                                      const auto turn = state.take_turn();
                                      return call(context, request);
                                    });
  }
  // A person who comes in must be in the roster still.
  template <class Request, class Response>
  void add(const char* name, Roles allowed, const Call<Request, Response>& call) {
    add_door<Request, Response>(name, allowed,
                                [&state = state, call](const CallContext& context, const Request& request) -> Result<Response> {
                                  TRY(state.check_peer(context.peer));
                                  return call(context, request);
                                });
  }
};

Result<v1::GetLogFileResponse> log_file(VaultState& state, const v1::GetLogFileRequest& request) {
  v1::GetLogFileResponse response;
  response.set_content(TRY(state.log_file(request.path())));
  return response;
}

Result<v1::HealthResponse> health(VaultState& state, Secrets& secrets, RequestBook& book) {
  v1::HealthResponse response;
  const RosterVersion& roster = state.roster().current();
  response.set_roster_version(roster.version);
  response.set_admin_threshold(roster.threshold);
  response.set_secrets(TRY(secrets.count()));
  response.set_pending(TRY(book.pending()));
  response.set_exposed(TRY(book.exposed()));
  response.set_log_size(state.log_size());
  for (const Person& person : roster.people) response.add_people(person.name);
  return response;
}

}  // namespace

void add_routes(Router& router, VaultState& state, Accounts& accounts, Secrets& secrets, RequestBook& book) {
  Methods methods{router, state};
  methods.add_door("Join", kGuests, on(accounts, &Accounts::join));
  methods.add_door("GetRoster", kKnocking, on(accounts, &Accounts::get_roster));
  methods.add_door("Login", kKnocking, on(accounts, &Accounts::login));
  methods.add("Invite", kPeople, on(accounts, &Accounts::invite));
  methods.add("Joins", kPeople, on(accounts, &Accounts::joins));
  methods.add("PutRoster", kPeople, on(accounts, &Accounts::put_roster));
  router.take_large(path_of_method("PutRoster"));   // 1000 people
  methods.add("Logout", kClients, on(accounts, &Accounts::logout));

  methods.add("PutPolicy", kPeople, on(secrets, &Secrets::put_policy));
  methods.add("GetPolicy", kClients, on(secrets, &Secrets::get_policy));
  methods.add("ListPolicies", kClients, on(secrets, &Secrets::list_policies));
  methods.add("PutSecret", kClients, on(secrets, &Secrets::put_secret));
  methods.add("GetSecret", kClients, on(secrets, &Secrets::get_secret));

  methods.add("FileRequest", kClients, on(book, &RequestBook::file));
  methods.add("GetRequest", kClients, on(book, &RequestBook::get));
  methods.add("ListRequests", kClients, on(book, &RequestBook::list));
  methods.add("Approve", kPeople, on(book, &RequestBook::approve));
  methods.add("Deny", kPeople, on(book, &RequestBook::deny));
  methods.add("Cancel", kClients, on(book, &RequestBook::cancel));
  methods.add("Release", kClients, on(book, &RequestBook::release));
  methods.add("Record", kClients, on(book, &RequestBook::record));
  router.events(path_of_method("Events"), kClients,
                [&state, &book](const CallContext& context, std::string_view bytes, EventHub::Sink sink) -> Status {
                  v1::EventsRequest request;
                  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return Errc::kInvalid;
                  const auto turn = state.take_turn();
                  TRY(state.check_peer(context.peer));
                  return book.events(context, request, std::move(sink));
                });

  methods.add("GetLogFile", kClients, Call<v1::GetLogFileRequest, v1::GetLogFileResponse>(
      [&state](const CallContext&, const v1::GetLogFileRequest& request) { return log_file(state, request); }));
  methods.add("Health", kClients, Call<v1::HealthRequest, v1::HealthResponse>(
      [&state, &secrets, &book](const CallContext&, const v1::HealthRequest&) { return health(state, secrets, book); }));
}

}  // namespace conclave::vault
