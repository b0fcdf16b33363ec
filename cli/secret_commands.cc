#include <iostream>

#include "cli/audited_log.h"
#include "cli/column_table.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/request_text.h"
#include "vault/fields.h"

namespace conclave::cli {
namespace {

// From the log alone, every entry checked: the vault's word is not asked for.
Status list(Context& context, const std::string& copy, bool as_json) {
  const AuditedLog log = TRY(open_audited_log(context, copy));
  JsonList json;
  ColumnTable table({"SECRET", "VERSION", "WRITTEN BY", "QUORUM", "EXPOSED"});
  for (const vault::LogAudit::Secret& secret : log.audit.secrets()) {
    const bool exposed = !secret.exposed_by.empty();
    table.add({secret.path, std::to_string(secret.version), secret.author, secret.quorum,
               Cell(exposed ? "yes, by " + joined(secret.exposed_by) + ": write a new version" : "no", exposed ? Mark::kWarning : Mark::kNone)});
    JsonList by;
    for (const std::string& name : secret.exposed_by) by.add(name);
    json.add(JsonObject().set("path", secret.path).set("version", secret.version).set("author", secret.author)
                 .set("written", vault::time_text(secret.written)).set("quorum", secret.quorum)
                 .set("disclose", secret.after_quorum ? "after-quorum" : "with-vote").set("exposed", exposed).set("exposed_by", by));
  }
  if (as_json) {
    std::cout << json.text();
  } else if (table.empty()) {
    std::cout << "No secrets.\n";
  } else {
    table.print();
  }
  return {};
}

}  // namespace

int run_secret_list(Context& context, const Arguments& args) {
  std::string copy;
  bool as_json = false;
  CommandLine line("conclave secret list", "The newest version of each secret, and whether it needs a new one, from the verified log.");
  context.accept_identity(line);
  line.option("--files", copy, "a copy of /.conclave/audit, instead of asking the vault");
  line.flag("--json", as_json, "for programs");
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("secret list", list(context, copy, as_json));
}

}  // namespace conclave::cli
