// The vault of a simulated cluster, wired as vault_main wires it, and the people of the vault's tests: their roster is its
// first.
#pragma once

#include "base/certificate.h"
#include "base/cluster_file.h"
#include "tests/cluster/sim_servers.h"
#include "tests/unit/vault/cast.h"

namespace conclave::sim {

class SimVault {
 public:
  // The clock jumps to the people's time: made before whatever looks at it.
  SimVault(Simulation& sim, std::uint64_t disk_seed);

  [[nodiscard]] SimServer& server() { return *server_; }
  [[nodiscard]] vault::Cast& people() { return people_; }
  // Its part of what clients know of a cluster.
  [[nodiscard]] ClusterFile cluster() const;

 private:
  [[nodiscard]] SigningKey log_key() const { return signing_key_of_seed(log_seed_.view()); }

  vault::Cast people_{kSimCluster};
  CertifiedKey issuer_;
  const SecretBytes log_seed_{32};
  std::unique_ptr<SimServer> server_;
};

}  // namespace conclave::sim
