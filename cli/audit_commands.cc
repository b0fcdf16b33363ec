#include <iostream>

#include "cli/audited_log.h"
#include "cli/commands.h"

namespace conclave::cli {
namespace {

Status verify(Context& context, const std::string& copy) {
  const AuditedLog log = TRY(open_audited_log(context, copy));
  std::cout << "The log verifies: " << log.checkpoint.size << " entries, root " << to_base64(log.checkpoint.root)
            << ", signed by " << log.checkpoint.origin << ".\n"
            << "Every signature was checked and every quorum counted; " << log.audit.releases() << " releases, each after its votes.\n";
  for (const vault::LogAudit::Secret& secret : log.audit.secrets()) {
    if (secret.exposed_by.empty()) continue;
    std::cout << "EXPOSED: " << secret.path << " version " << secret.version
              << ": shares of requests without a quorum are enough together; write a new version.\n";
  }
  return {};
}

Status show(Context& context, const std::string& copy) {
  const AuditedLog log = TRY(open_audited_log(context, copy));
  for (const vault::LogLeaf& leaf : log.leaves) std::cout << line_of(leaf) << "\n";
  return {};
}

int run(Context& context, const Arguments& args, const std::string& name, const std::string& about,
        Status (*work)(Context& context, const std::string& copy)) {
  std::string copy;
  CommandLine line("conclave " + name, about);
  context.accept_identity(line);
  line.option("--files", copy, "a copy of /.conclave/audit, instead of asking the vault");
  if (const auto code = line.parse(args)) return *code;
  return Context::finish(name, work(context, copy));
}

}  // namespace

int run_audit_show(Context& context, const Arguments& args) {
  return run(context, args, "audit show", "The audit log, one line an entry, verified first.", show);
}

int run_audit_verify(Context& context, const Arguments& args) {
  return run(context, args, "audit verify",
             "Checks every entry, its signatures and quorums, against the signed checkpoint, and that nothing seen before is gone.", verify);
}

}  // namespace conclave::cli
