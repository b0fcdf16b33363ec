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

// `PATH NUL REASON` to the mount's control file, and then what became of it.
Status request(Context& context, const std::string& given, const std::string& reason, bool wait) {
  const ClusterFile cluster = TRY(context.cluster());
  const auto mounts = mounts_of(cluster.id);
  if (mounts.empty()) {
    return Error(Errc::kNotFound, "the cluster is mounted nowhere on this machine: only a mount can ask, since it keeps the key "
                                  "that the answer is sealed to; `conclave mount DIR` mounts it");
  }
  const auto [mount, path] = path_on_mount(given, mounts);
  const Status asked = write_control(mount, "request", view_of(path + '\0' + reason));
  if (!asked && asked.error().code == Errc::kNotFound) return Error(Errc::kNotFound, path + " is no secret of this cluster");
  TRY(asked);
  for (bool waited = false;; waited = true) {
    const std::string line = TRY(request_line(context, mount, path));
    if (waited && line.empty()) {
      return Error(Errc::kNotFound, "the request is over: a program of yours has opened " + path + ", or you have logged out");
    }
    const bool pending = line.find(" pending ") != std::string::npos;
    if (line.find(" denied ") != std::string::npos) return Error(Errc::kAccess, "denied: request " + line.substr(0, 8));
    if (line.find(" timed-out ") != std::string::npos) return Error(Errc::kTimedOut, "nobody decided request " + line.substr(0, 8) + " in time");
    if (!wait || !pending) {
      std::cout << (line.empty() ? path + " is open to you already" : line) << "\n";
      return {};
    }
    context.clock().sleep_until(context.clock().now() + kPoll);
  }
}

Status list(Context& context, bool all, bool as_json) {
  const VaultReader reader = TRY(open_vault_reader(context));
  vault::v1::ListRequestsRequest wanted;
  wanted.set_all(all);
  auto response = TRY(reader.vault->list_requests(wanted));
  JsonList json;
  ColumnTable table({"ID", "STATE", "VOTES", "WHO", "SECRET", "REASON"});
  for (auto& view : *response.mutable_requests()) {
    const CheckedRequest checked = TRY(check_request(std::move(view), reader.roster));
    const vault::Request& r = checked.a_case.request;
    const std::string state(state_text(checked.view.state()));
    table.add({checked.view.id(), state, votes_text(checked.tally), r.requester.person + "@" + r.host, checked.a_case.header.path,
               r.reason.empty() ? "-" : r.reason});
    json.add(JsonObject().set("id", checked.view.id()).set("rd", to_hex(checked.a_case.rd)).set("state", state)
                 .set("votes", votes_text(checked.tally)).set("person", r.requester.person).set("host", r.host)
                 .set("uid", r.uid).set("path", checked.a_case.header.path).set("version", checked.a_case.header.core.version)
                 .set("reason", r.reason).set("program", r.program).set("expires", vault::time_text(r.expires)));
  }
  if (as_json) {
    std::cout << json.text();
  } else if (table.empty()) {
    std::cout << (all ? "No requests.\n" : "No request waits for a vote.\n");
  } else {
    table.print();
  }
  return {};
}

Status show(Context& context, const std::string& id) {
  const VaultReader reader = TRY(open_vault_reader(context));
  const CheckedRequest checked = TRY(find_request(*reader.vault, id, reader.roster));
  std::cout << full_text(checked, context.clock().wall());
  return {};
}

// Asks on a terminal; a script's call is its yes.
bool confirmed(bool yes) {
  if (yes || isatty(STDIN_FILENO) == 0) return true;
  std::cout << "Do the six words match the requester's, and do you agree? [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "yes";
}

Voter voter_of(Context& context, PersonClient& person) {
  return {{context.clock(), context.random()}, person.vault(), person.cluster(), person.roster(), person.identity().device,
          person.memory()};
}

Status approve(Context& context, const std::string& id, bool yes) {
  const auto person = TRY(PersonClient::open(context));
  const CheckedRequest checked = TRY(find_request(person->vault(), id, person->roster()));
  std::cout << full_text(checked, context.clock().wall());
  if (!confirmed(yes)) return Error(Errc::kInterrupted, "not approved");
  const CheckedRequest after = TRY(voter_of(context, *person).approve(checked));
  std::cout << "Approved by " << person->name() << ": " << votes_text(after.tally) << ", "
            << state_text(after.view.state()) << ".\n";
  return {};
}

Status deny(Context& context, const std::string& id, const std::string& reason) {
  const auto person = TRY(PersonClient::open(context));
  const CheckedRequest checked = TRY(find_request(person->vault(), id, person->roster()));
  const CheckedRequest after = TRY(voter_of(context, *person).deny(checked, reason));
  std::cout << "Request " << after.view.id() << " of " << checked.a_case.request.requester.person << " for "
            << checked.a_case.header.path << ": " << state_text(after.view.state()) << ".\n";
  return {};
}

}  // namespace

int run_request(Context& context, const Arguments& args) {
  std::string path, reason;
  bool wait = false;
  CommandLine line("conclave request", "Asks for a secret to be opened, before a program does.");
  context.accept_identity(line);
  line.argument("PATH", path, "on a mount, or of the cluster (/secrets/…)");
  line.required("--reason", reason, "what approvers read");
  line.flag("--wait", wait, "until it is decided");
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("request", request(context, path, reason, wait));
}

int run_requests(Context& context, const Arguments& args) {
  bool as_json = false, all = false;
  CommandLine line("conclave requests", "Which requests wait for votes.");
  context.accept_identity(line);
  line.flag("--json", as_json, "for programs");
  line.flag("--all", all, "also those that are decided or over");
  if (const auto code = line.parse(args)) return *code;
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
  line.argument("ID", id, "as `conclave requests` shows it");
  line.flag("--yes", yes, "do not ask on a terminal");
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("approve", approve(context, id, yes));
}

int run_deny(Context& context, const Arguments& args) {
  std::string id, reason;
  CommandLine line("conclave deny", "Says no to a request.");
  context.accept_identity(line);
  line.argument("ID", id, "as `conclave requests` shows it");
  line.required("--reason", reason, "what the requester and the log are told");
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("deny", deny(context, id, reason));
}

}  // namespace conclave::cli
