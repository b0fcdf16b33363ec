#include <iostream>

#include "cli/cluster_status.h"
#include "cli/commands.h"

namespace conclave::cli {

int run_status(Context& context, const Arguments& args) {
  bool json = false;
  CommandLine line("conclave status", "Shows servers, mounts, sessions, and what needs attention.");
  context.accept_dir(line);
  line.flag("--json", json, "for programs");
  if (const auto code = line.parse(args)) return *code;
  auto folder = context.cluster_folder();
  if (!folder) return Context::finish("status", std::move(folder).error());
  auto status = ClusterStatus::ask(context, *folder);
  if (!status) return Context::finish("status", std::move(status).error());
  if (json) {
    std::cout << status->json();
  } else {
    status->print();
  }
  return status->healthy() ? kDone : kFailed;
}

}  // namespace conclave::cli
