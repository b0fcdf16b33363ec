// The whole audit log, read and judged: what `audit verify`, `audit show` and `secret list` stand on.
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"
#include "vault/log_audit.h"
#include "vault/tlog.h"

namespace conclave::cli {

struct AuditedLog {
  vault::Checkpoint checkpoint;
  vault::LogAudit audit;
  std::vector<vault::LogLeaf> leaves;
};
// From a copy of /.conclave/audit, or from the vault if `copy` is empty. Every entry is one that may stand there (log_audit.h),
// their hashes give the root that the log's key has signed, and the log continues what was seen here before. kCorrupt, kKeyRejected.
Result<AuditedLog> open_audited_log(Context& context, const std::string& copy);

}  // namespace conclave::cli
