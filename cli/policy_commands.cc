#include <iostream>

#include "cli/cluster_mounts.h"
#include "cli/column_table.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/name_session.h"
#include "cli/person_client.h"
#include "vault/fields.h"
#include "vault/policy_client.h"
#include "vault/proof_message.h"

namespace conclave::cli {
namespace {

constexpr std::uint32_t kSecretFolderMode = 01777;  // authors of any uid; role and policy decide who writes

struct Rules {
  std::string path;
  std::vector<std::string> approvers;
  std::vector<std::string> groups;   // "ops:2:alice+bob+carol"
  unsigned quorum = 0;
  Duration grant = std::chrono::minutes(10), request = std::chrono::minutes(15);
  unsigned veto = 1, openings = 16, shortest_reason = 0;
  bool self_approval = false, no_auto_request = false, program_arguments = false;
  std::string disclose = "with-vote";
};

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> out(1);
  for (const char c : text) {
    if (c == at) out.emplace_back();
    else out.back() += c;
  }
  return out;
}

Result<std::vector<vault::ApproverGroup>> groups_of(const Rules& rules) {
  std::vector<vault::ApproverGroup> out;
  if (!rules.approvers.empty()) out.push_back({"approvers", rules.quorum, rules.approvers});
  for (const std::string& text : rules.groups) {
    const auto parts = split(text, ':');
    const unsigned long m = parts.size() == 3 ? std::strtoul(parts[1].c_str(), nullptr, 10) : 0;
    if (m == 0 || m > 255) return Error(Errc::kInvalid, "'" + text + "' is not NAME:M:PERSON+PERSON…, as in ops:2:alice+bob+carol");
    out.push_back({parts[0], static_cast<std::uint32_t>(m), split(parts[2], '+')});
  }
  if (out.empty()) return Error(Errc::kInvalid, "who approves? Give --approvers with --quorum, or --group");
  return out;
}

Result<vault::Disclose> disclose_of(const std::string& word) {
  if (word == "with-vote") return vault::Disclose::kWithVote;
  if (word == "after-quorum") return vault::Disclose::kAfterQuorum;
  return Error(Errc::kInvalid, "--disclose is with-vote or after-quorum, not '" + word + "'");
}

Result<vault::Policy> next_policy(Context& context, PersonClient& admin, const Rules& rules, InodeId directory,
                                  const std::string& path) {
  vault::Policy policy;
  const auto before = vault::fetch_policy(admin.vault(), admin.roster(), admin.memory(), directory);
  if (before) {
    policy.version = before->version + 1;
    policy.previous = before->hash();
  } else if (before.error().code != Errc::kNotFound) {
    return before.error();
  }
  policy.cluster = admin.cluster().id;
  policy.directory = directory;
  policy.path = vault::plain_text(path, vault::kMaxPathBytes);
  policy.roster_version = admin.roster().current().version;
  policy.issued = context.clock().wall();
  policy.groups = TRY(groups_of(rules));
  policy.self_approval = rules.self_approval;
  policy.veto = rules.veto;
  policy.request_lifetime = std::chrono::duration_cast<std::chrono::seconds>(rules.request);
  policy.longest_grant = std::chrono::duration_cast<std::chrono::seconds>(rules.grant);
  policy.most_openings = rules.openings;
  policy.shortest_reason = rules.shortest_reason;
  policy.auto_request = !rules.no_auto_request;
  policy.disclose = TRY(disclose_of(rules.disclose));
  policy.program_arguments = rules.program_arguments;
  vault::sign_policy(policy, admin.identity().device);
  TRY(vault::check_policy(policy, admin.roster()));
  return policy;
}

Status set(Context& context, const Rules& rules) {
  TRY(groups_of(rules));
  TRY(disclose_of(rules.disclose));
  const auto admin = TRY(PersonClient::open(context));
  const std::string path = path_on_mount(rules.path, mounts_of(admin->cluster().id)).path;
  const auto session = TRY(NameSession::open(context, admin->transport(), admin->cluster(), "conclave policy set"));
  const auto folder = TRY(session->find_or_make_folder(path, kSecretFolderMode));
  if (folder.attr().class_() != dir::v1::SECRET) {
    return Error(Errc::kInvalid, path + " holds no secrets: only folders below /secrets (class secret) do");
  }
  const vault::Policy policy = TRY(next_policy(context, *admin, rules, InodeId{folder.attr().inode()}, path));
  vault::v1::PutPolicyRequest put;
  put.set_policy(string_of(encode(policy)));
  TRY(admin->vault().put_policy(put));
  TRY(admin->memory().remember(policy));
  std::cout << path << ": " << vault::quorum_text(policy) << ", requests live " << to_text(rules.request) << ", grants "
            << to_text(rules.grant) << " (version " << policy.version << ")\n";
  return {};
}

Status show(Context& context, bool as_json) {
  const VaultReader reader = TRY(open_vault_reader(context));
  JsonList json;
  ColumnTable table({"FOLDER", "QUORUM", "REQUEST", "GRANT", "OPENINGS", "VERSION"});
  const auto all = TRY(reader.vault->list_policies());
  for (int i = 0; i < all.policies_size(); ++i) {
    const vault::Policy policy = TRY(vault::parse_policy(view_of(all.policies(i))));
    const auto proof = i < all.proofs_size() ? vault::proof_in(all.proofs(i)) : std::nullopt;
    TRY(vault::check_policy(policy, reader.roster, pointer_to(proof)));
    table.add({policy.path, vault::quorum_text(policy), to_text(policy.request_lifetime), to_text(policy.longest_grant),
               std::to_string(policy.most_openings), std::to_string(policy.version)});
    json.add(JsonObject().set("path", policy.path).set("quorum", vault::quorum_text(policy)).set("version", policy.version)
                 .set("auto_request", policy.auto_request)
                 .set("disclose", policy.disclose == vault::Disclose::kAfterQuorum ? "after-quorum" : "with-vote")
                 .set("program_arguments", policy.program_arguments));
  }
  if (as_json) {
    std::cout << json.text();
  } else {
    table.print();
  }
  return {};
}

}  // namespace

int run_policy_set(Context& context, const Arguments& args) {
  Rules rules;
  CommandLine line("conclave policy set", "Says who must approve before a secret of a folder opens; makes the folder.");
  context.accept_identity(line);
  line.argument("PATH", rules.path, "a folder below /secrets");
  line.option("--approvers", rules.approvers, "people, separated by commas");
  line.option("--quorum", rules.quorum, 1, 255, "how many of them must say yes");
  line.option("--group", rules.groups, "instead: NAME:M:PERSON+PERSON…, separated by commas; every group must agree");
  line.option("--grant", rules.grant, "how long an opening lasts");
  line.option("--request", rules.request, "how long a request waits for votes");
  line.option("--veto", rules.veto, 1, 64, "denials that end a request");
  line.option("--openings", rules.openings, 1, vault::kMaxOpenings, "opens within one grant");
  line.option("--shortest-reason", rules.shortest_reason, 0, 1000, "bytes that a reason must have");
  line.option("--disclose", rules.disclose, "with-vote, or after-quorum: shares follow once enough have voted for that request");
  line.flag("--program-arguments", rules.program_arguments, "requests tell approvers the program's arguments, not its name alone");
  line.flag("--self-approval", rules.self_approval, "a requester's own approval counts");
  line.flag("--no-auto-request", rules.no_auto_request, "open(2) files no request: only `conclave request` does");
  if (const auto code = line.parse(args)) return *code;
  if (!rules.approvers.empty() && rules.quorum == 0) return line.wrong("--approvers needs --quorum");
  return Context::finish("policy set", set(context, rules));
}

int run_policy_list(Context& context, const Arguments& args) {
  bool as_json = false;
  CommandLine line("conclave policy list", "The policies in force.");
  context.accept_identity(line);
  line.flag("--json", as_json, "for programs");
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("policy list", show(context, as_json));
}

}  // namespace conclave::cli
