#include <unistd.h>

#include <iostream>

#include "cli/column_table.h"
#include "cli/commands.h"
#include "cli/invitation.h"
#include "cli/json.h"
#include "vault/fields.h"

namespace conclave::cli {
namespace {

struct NewAccount {
  Invitee invitee;
  std::string roles = vault::roles_text(vault::kUsualRoles);
  unsigned uid = getuid(), gid = getgid();
  bool admin = false;

  void accept(CommandLine& line) {
    line.argument("NAME", invitee.name, std::string(vault::kPersonNameRule));
    line.option("--roles", roles, "of author, approver, requester, admin, witness; separated by commas");
    line.option("--uid", uid, 0, 0xfffffffe, "the user id this person acts as; yours if not given");
    line.option("--gid", gid, 0, 0xfffffffe, "the group id");
    line.flag("--admin", admin, "also an admin: signs rosters and policies");
  }
  Status check() {
    invitee.uid = uid;
    invitee.gid = gid;
    invitee.roles = TRY(vault::roles_of_text(roles)) | (admin ? vault::kAdmin : 0);
    return {};
  }
};

Status create(Context& context, NewAccount& account) {
  TRY(account.check());
  const auto admin = TRY(PersonClient::open(context));
  const PersonToken token = TRY(invite(context, *admin, account.invitee));
  TRY(set_aside_unadmitted(context, *admin, token));  // an earlier create was cut short
  const auto folder = context.cluster_folder();
  TRY(join(context, token, folder ? folder->path : ""));
  TRY(admit(context, *admin, account.invitee.name));
  std::cout << account.invitee.name << " is in the roster (" << vault::roles_text(account.invitee.roles)
            << "); the identity is in " << context.home() << "/" << account.invitee.name << ".\n";
  return {};
}

Status invite_only(Context& context, NewAccount& account) {
  TRY(account.check());
  const auto admin = TRY(PersonClient::open(context));
  const PersonToken token = TRY(invite(context, *admin, account.invitee));
  std::cerr << "Give this token to " << account.invitee.name << " on a way that only they read; it is good once, for 3 days.\n"
            << "They run `conclave account join TOKEN`, then you `conclave account admit " << account.invitee.name << "`.\n";
  std::cout << token.text() << "\n";
  return {};
}

Status list(Context& context, bool as_json) {
  const VaultReader reader = TRY(open_vault_reader(context));
  JsonList json;
  ColumnTable table({"NAME", "ROLES", "UID", "DEVICES", ""});
  for (const vault::Person& person : reader.roster.current().people) {
    const std::string state = person.revoked ? "revoked" : "";
    table.add({person.name, vault::roles_text(person.roles), std::to_string(person.uid),
               std::to_string(person.devices.size()), Cell(state, Mark::kWarning)});
    json.add(JsonObject().set("name", person.name).set("roles", vault::roles_text(person.roles)).set("uid", person.uid)
                 .set("devices", person.devices.size()).set("revoked", person.revoked));
  }
  if (as_json) {
    std::cout << json.text();
  } else {
    table.print();
  }
  return {};
}

}  // namespace

int run_account_create(Context& context, const Arguments& args) {
  NewAccount account;
  CommandLine line("conclave account create", "Invites, joins and admits a person whose identity is kept here.");
  context.accept_identity(line);
  account.accept(line);
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("account create", create(context, account));
}

int run_account_invite(Context& context, const Arguments& args) {
  NewAccount account;
  CommandLine line("conclave account invite", "Prints a token with which a person joins from another machine.");
  context.accept_identity(line);
  account.accept(line);
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("account invite", invite_only(context, account));
}

int run_account_join(Context& context, const Arguments& args) {
  std::string text;
  CommandLine line("conclave account join", "Makes an identity here and sends its keys; an admin then admits it.");
  line.argument("TOKEN", text, "from `conclave account invite`; @FILE or - to read it");
  if (const auto code = line.parse(args)) return *code;
  const auto run = [&]() -> Status {
    const PersonToken token = TRY(PersonToken::parse(TRY(context.token_text(text))));
    TRY(join(context, token, ""));
    std::cout << "Sent. Now an admin runs `conclave account admit " << token.name << "`.\n";
    return {};
  };
  return Context::finish("account join", run());
}

int run_account_admit(Context& context, const Arguments& args) {
  std::string name;
  CommandLine line("conclave account admit", "Signs a person who has joined into the roster.");
  context.accept_identity(line);
  line.argument("NAME", name, "who was invited");
  if (const auto code = line.parse(args)) return *code;
  const auto run = [&]() -> Status {
    const auto admin = TRY(PersonClient::open(context));
    TRY(admit(context, *admin, name));
    std::cout << name << " is in the roster.\n";
    return {};
  };
  return Context::finish("account admit", run());
}

int run_account_list(Context& context, const Arguments& args) {
  bool as_json = false;
  CommandLine line("conclave account list", "Who is in the roster.");
  context.accept_identity(line);
  line.flag("--json", as_json, "for programs");
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("account list", list(context, as_json));
}

}  // namespace conclave::cli
