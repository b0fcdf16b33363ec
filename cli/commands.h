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

// status_command.cc
int run_status(Context& context, const Arguments& args);

}  // namespace conclave::cli
