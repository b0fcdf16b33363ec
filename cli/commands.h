// Every command's function. Each group has a .cc of its own; conclave.cc holds the table of names, help and examples.
//
// A command reads its options, does its work in functions that return Status, and ends through Context::finish:
//
//   int run_down(Context& context, const Arguments& args) {
//     CommandLine line("conclave down", "Unmounts everything and stops the servers; the data stay.");
//     context.accept_dir(line);
//     if (const auto code = line.parse(args)) return *code;
//     return Context::finish("down", down(context));
//   }
#pragma once

#include "cli/command_line.h"
#include "cli/context.h"

namespace conclave::cli {

// cluster_commands.cc: a cluster on this machine.
int run_init(Context& context, const Arguments& args);
int run_up(Context& context, const Arguments& args);
int run_down(Context& context, const Arguments& args);
int run_mount(Context& context, const Arguments& args);
int run_token_fileserver(Context& context, const Arguments& args);

// fileserver_command.cc: joins if it has to, then serves.
int run_fileserver(Context& context, const Arguments& args);

// fileserver_admin.cc
int run_fileserver_list(Context& context, const Arguments& args);
int run_fileserver_drain(Context& context, const Arguments& args);
int run_fileserver_remove(Context& context, const Arguments& args);

// status_command.cc
int run_status(Context& context, const Arguments& args);

// recover_commands.cc: accepting knowingly what was restored.
int run_recover_dirserver(Context& context, const Arguments& args);
int run_recover_fileserver(Context& context, const Arguments& args);

// account_commands.cc: who is in the roster.
int run_account_create(Context& context, const Arguments& args);
int run_account_invite(Context& context, const Arguments& args);
int run_account_join(Context& context, const Arguments& args);
int run_account_admit(Context& context, const Arguments& args);
int run_account_list(Context& context, const Arguments& args);

// login_commands.cc: whom a user id's opens speak for.
int run_login(Context& context, const Arguments& args);
int run_logout(Context& context, const Arguments& args);

// policy_commands.cc
int run_policy_set(Context& context, const Arguments& args);
int run_policy_list(Context& context, const Arguments& args);

// request_commands.cc: asking for a secret, and voting.
int run_request(Context& context, const Arguments& args);
int run_requests(Context& context, const Arguments& args);
int run_show(Context& context, const Arguments& args);
int run_approve(Context& context, const Arguments& args);
int run_deny(Context& context, const Arguments& args);

// secret_commands.cc
int run_secret_list(Context& context, const Arguments& args);

// ingest_commands.cc: readings into /sensors.
int run_ingest_host(Context& context, const Arguments& args);

// audit_commands.cc
int run_audit_show(Context& context, const Arguments& args);
int run_audit_verify(Context& context, const Arguments& args);

}  // namespace conclave::cli
