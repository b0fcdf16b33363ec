#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "cli/cluster_mounts.h"
#include "cli/column_table.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/person_client.h"
#include "cli/voter.h"
#include "vault/fields.h"

namespace conclave::cli {
namespace {

constexpr std::size_t kMaxRequestsBytes = 1 << 20;
constexpr auto kPoll = std::chrono::milliseconds(250);  // of `request --wait`
constexpr auto kWatchPoll = std::chrono::seconds(1);
constexpr auto kRenewLogin = std::chrono::minutes(5);   // half of a command's login

// The newest line of /.conclave/requests ("ID STATE PATH") for a secret; empty if there is none.
Result<std::string> request_line(Context& context, const std::string& mount, const std::string& path) {
  const std::string all = TRY(context.files().read_all(mount + "/.conclave/requests", kMaxRequestsBytes));
  std::string found;
  for (std::size_t begin = 0; begin < all.size();) {
    const std::size_t end = std::min(all.find('\n', begin), all.size());
    const std::string line = all.substr(begin, end - begin);
    if (line.ends_with(" " + path)) found = line;
    begin = end + 1;
  }
  return found;
}

constexpr std::size_t kShortDigits = 2 * vault::kShortIdBytes;

// `PATH NUL REASON`, and `NUL VERSION`, to the mount's control file, and then what became of it.
Status request(Context& context, const std::string& given, const std::string& reason, unsigned version, bool wait) {
  const ClusterFile cluster = TRY(context.cluster());
  const auto mounts = mounts_of(cluster.id);
  if (mounts.empty()) {
    return Error(Errc::kNotFound, "the cluster is mounted nowhere on this machine: only a mount can ask, since it keeps the key "
                                  "that the answer is sealed to; `conclave mount DIR` mounts it");
  }
  const auto [mount, path] = path_on_mount(given, mounts);
  const Status asked = write_control(mount, "request", view_of(path + '\0' + reason + (version == 0 ? "" : '\0' + std::to_string(version))));
  if (!asked && asked.error().code == Errc::kNotFound) return Error(Errc::kNotFound, path + " is no secret of this cluster");
  TRY(asked);
  for (bool waited = false;; waited = true) {
    const std::string line = TRY(request_line(context, mount, path));
    if (waited && line.empty()) {
      return Error(Errc::kNotFound, "the request is over: a program of yours has opened " + path + ", or you have logged out");
    }
    const bool pending = line.find(" pending ") != std::string::npos;
    if (line.find(" denied ") != std::string::npos) return Error(Errc::kAccess, "denied: request " + line.substr(0, kShortDigits));
    if (line.find(" timed-out ") != std::string::npos) return Error(Errc::kTimedOut, "nobody decided request " + line.substr(0, kShortDigits) + " in time");
    if (!wait || !pending) {
      std::cout << (line.empty() ? path + " is open to you already" : line) << "\n";
      return {};
    }
    context.clock().sleep_until(context.clock().now() + kPoll);
  }
}

// What waits for votes, or everything, verified.
Result<std::vector<CheckedRequest>> requests_of(vault::VaultClient& vault, const vault::RosterChain& roster, bool all) {
  vault::v1::ListRequestsRequest wanted;
  wanted.set_all(all);
  auto response = TRY(vault.list_requests(wanted));
  std::vector<CheckedRequest> out;
  for (auto& view : *response.mutable_requests()) out.push_back(TRY(check_request(std::move(view), roster)));
  return out;
}

std::string json_of(const std::vector<CheckedRequest>& requests) {
  JsonList json;
  for (const CheckedRequest& checked : requests) {
    const vault::Request& r = checked.a_case.request;
    JsonObject one;
    one.set("id", to_hex(checked.a_case.rd)).set("short", checked.view.id()).set("state", state_text(checked.view.state()))
        .set("votes", votes_text(checked.tally)).set("person", r.requester.person).set("path", checked.a_case.header.path)
        .set("version", checked.a_case.header.core.version).set("expires", vault::time_text(r.expires));
    if (r.claims) {
      one.set("claims", JsonObject().set("host", r.claims->host).set("uid", r.claims->uid).set("program", r.claims->program)
                            .set("reason", r.claims->reason));
    }
    json.add(one);
  }
  return json.text();
}

std::string table_of(const std::vector<CheckedRequest>& requests, bool all) {
  if (requests.empty()) return all ? "No requests.\n" : "No request waits for a vote.\n";
  const bool claims = std::any_of(requests.begin(), requests.end(), [](const auto& r) { return r.a_case.request.claims.has_value(); });
  std::vector<std::string> titles = {"ID", "STATE", "VOTES", "WHO", "SECRET"};
  if (claims) titles.emplace_back("REASON, AS CLAIMED");
  ColumnTable table(titles);
  for (const CheckedRequest& checked : requests) {
    const vault::Request& r = checked.a_case.request;
    std::vector<Cell> row = {checked.view.id(), std::string(state_text(checked.view.state())), votes_text(checked.tally),
                             r.requester.person, checked.a_case.header.path};
    if (claims) row.emplace_back(claim_text(r.claims, &vault::Claims::reason));
    table.add(row);
  }
  return table.text(stdout_has_colour());
}

Status list(Context& context, bool all, bool as_json) {
  const VaultReader reader = TRY(open_vault_reader(context));
  const auto requests = TRY(requests_of(*reader.vault, reader.roster, all));
  std::cout << (as_json ? json_of(requests) : table_of(requests, all));
  return {};
}

Voter voter_of(Context& context, PersonClient& person) {
  return {{context.clock(), context.random()}, person.vault(), person.cluster(), person.roster(), person.identity().device,
          person.memory()};
}

// Shares that this person has promised by a vote and whose request has its votes now.
Status give_due_shares(Context& context, PersonClient& person) {
  for (const CheckedRequest& given : TRY(voter_of(context, person).disclose_due(person.name()))) {
    std::cout << "Your share went to request " << given.view.id() << " of " << given.a_case.request.requester.person << " for "
              << given.a_case.header.path << ", which has its votes.\n";
  }
  return {};
}

// Until interrupted: what waits, whenever it changes, and shares that are due as soon as they are. Asks for the passphrase once;
// the login is made anew before it ends.
Status watch(Context& context) {
  auto person = TRY(PersonClient::open(context));
  std::string shown;
  for (MonoTime renew = context.clock().now() + kRenewLogin;;) {
    if (context.clock().now() >= renew) {
      person = TRY(PersonClient::renew(context, std::move(person)));
      renew = context.clock().now() + kRenewLogin;
    }
    const auto look = [&]() -> Status {
      TRY(vault::refresh_roster(person->vault(), person->roster()));
      TRY(give_due_shares(context, *person));
      const std::string text = table_of(TRY(requests_of(person->vault(), person->roster(), false)), false);
      if (text != shown) std::cout << vault::time_text(context.clock().wall()) << "\n" << text << std::flush;
      shown = text;
      return {};
    };
    const Status looked = look();
    if (!looked && !may_pass(looked.error().code)) return looked;
    context.clock().sleep_until(context.clock().now() + kWatchPoll);
  }
}

// As the person, who may see the requester's claims; with the machine's certificate where there is no identity.
Status show(Context& context, const std::string& id) {
  if (context.identity()) {
    const auto person = TRY(PersonClient::open(context));
    std::cout << full_text(TRY(find_request(person->vault(), id, person->roster())), context.clock().wall());
    return give_due_shares(context, *person);
  }
  const VaultReader reader = TRY(open_vault_reader(context));
  std::cout << full_text(TRY(find_request(*reader.vault, id, reader.roster)), context.clock().wall());
  return {};
}

// A person at a terminal compares the words; a script's call is its yes, and names the request whole.
bool asks_person(bool yes) { return !yes && isatty(STDIN_FILENO) != 0; }

bool confirmed() {
  std::cout << "Do the six words match the requester's, and do you agree? [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "yes";
}

Status approve(Context& context, const std::string& id, bool yes) {
  if (!asks_person(yes)) TRY(check_whole_id(id));
  const auto person = TRY(PersonClient::open(context));
  const CheckedRequest checked = TRY(find_request(person->vault(), id, person->roster()));
  std::cout << full_text(checked, context.clock().wall());
  if (asks_person(yes) && !confirmed()) return Error(Errc::kInterrupted, "not approved");
  const CheckedRequest after = TRY(voter_of(context, *person).approve(checked));
  std::cout << "Approved by " << person->name() << ": " << votes_text(after.tally) << ", "
            << state_text(after.view.state()) << ".\n";
  return give_due_shares(context, *person);
}

Status deny(Context& context, const std::string& id, const std::string& reason, bool yes) {
  if (!asks_person(yes)) TRY(check_whole_id(id));
  const auto person = TRY(PersonClient::open(context));
  const CheckedRequest checked = TRY(find_request(person->vault(), id, person->roster()));
  if (id.size() < 2 * sizeof(Hash)) {
    std::cout << full_text(checked, context.clock().wall());
    if (!confirmed()) return Error(Errc::kInterrupted, "not denied");
  }
  const CheckedRequest after = TRY(voter_of(context, *person).deny(checked, reason));
  std::cout << "Request " << after.view.id() << " of " << checked.a_case.request.requester.person << " for "
            << checked.a_case.header.path << ": " << state_text(after.view.state()) << ".\n";
  return give_due_shares(context, *person);
}

}  // namespace

int run_request(Context& context, const Arguments& args) {
  std::string path, reason;
  unsigned version = 0;
  bool wait = false;
  CommandLine line("conclave request", "Asks for a secret to be opened, before a program does.");
  context.accept_identity(line);
  line.argument("PATH", path, "on a mount, or of the cluster (/secrets/…)");
  line.required("--reason", reason, "what approvers read");
  line.option("--version", version, 1, 1'000'000'000, "an older one: opens read it while its request or grant lives");
  line.flag("--wait", wait, "until it is decided");
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("request", request(context, path, reason, version, wait));
}

int run_requests(Context& context, const Arguments& args) {
  bool as_json = false, all = false, watching = false;
  CommandLine line("conclave requests", "Which requests wait for votes.");
  context.accept_identity(line);
  line.flag("--json", as_json, "for programs");
  line.flag("--all", all, "also those that are decided or over");
  line.flag("--watch", watching, "until interrupted, as an approver: says what changes, and gives shares that are due at once");
  if (const auto code = line.parse(args)) return *code;
  if (watching && (as_json || all)) return line.wrong("--watch shows what waits, as text");
  if (watching) return Context::finish("requests", watch(context));
  return Context::finish("requests", list(context, all, as_json));
}

int run_show(Context& context, const Arguments& args) {
  std::string id;
  CommandLine line("conclave show", "All of one request, verified.");
  context.accept_identity(line);
  line.argument("ID", id, "as `conclave requests` shows it");
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("show", show(context, id));
}

int run_approve(Context& context, const Arguments& args) {
  std::string id;
  bool yes = false;
  CommandLine line("conclave approve", "Gives your share of a secret to one request.");
  context.accept_identity(line);
  line.argument("ID", id, "as `conclave requests` shows it; all 64 digits where nobody is asked");
  line.flag("--yes", yes, "do not ask on a terminal");
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("approve", approve(context, id, yes));
}

int run_deny(Context& context, const Arguments& args) {
  std::string id, reason;
  bool yes = false;
  CommandLine line("conclave deny", "Says no to a request.");
  context.accept_identity(line);
  line.argument("ID", id, "as `conclave requests` shows it; all 64 digits where nobody is asked");
  line.required("--reason", reason, "what the requester and everybody who reads the log are told");
  line.flag("--yes", yes, "do not ask on a terminal");
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("deny", deny(context, id, reason, yes));
}

}  // namespace conclave::cli
