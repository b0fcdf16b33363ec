// `conclave vault --config FILE`.
#pragma once

#include <string>
#include <vector>

namespace conclave::vault {

// Runs the vault until a stop signal. Exit codes: 0 stopped, 1 failed (said on standard error), 2 usage.
// The configuration: ServerConfig's keys (base/cluster_file.h), and
//   [issuer]  certificate = "issuer.pem"  key = "issuer.key"   signs user certificates
//   [roster]  first = "roster-1"                               the roster's version 1, as init made it
//   [log]     key = "log.key"                                  the audit log's Ed25519 seed in hexadecimal
int run_vault(const std::vector<std::string>& args);

}  // namespace conclave::vault
