#include "tests/cluster/sim_vault.h"

#include "vault/vault_ops.h"

namespace conclave::sim {
namespace {

constexpr auto kLifetime = std::chrono::hours(1000);   // of certificates

struct VaultParts {
  SqliteVfs vfs;
  std::unique_ptr<vault::VaultState> state;
  vault::Accounts accounts;
  vault::Secrets secrets;
  EventHub events;
  vault::RequestBook book;
  Router router;

  VaultParts(SimServer& process, ByteView first_roster, SigningKey log_key, CertifiedKey issuer)
      : vfs(process.disk(), process.sim().clock, process.sim().random),
        state(vault::VaultState::open(vfs, "data/vault.db", first_roster, std::move(log_key), process.sim().clock,
                                      process.sim().random, process.sim().waiter).value()),
        accounts(*state, std::move(issuer), kSimCluster), secrets(*state, accounts, sim_dir_identity().ca_pem),
        book(*state, accounts, secrets, events, process.sim().clock), router(process.sim().clock) {
    vault::add_routes(router, *state, accounts, secrets, book);
    process.node().listen(kFrontPort, router);
    process.node().run_duty("expiry", book);
  }
};

}  // namespace

SimVault::SimVault(Simulation& sim, std::uint64_t disk_seed) {
  sim.clock.advance(Duration(vault::kNow.ns - sim.clock.wall().ns));
  const CertifiedKey ca = make_ca(kSimCluster, vault::kNow, kLifetime, sim.random);
  issuer_ = make_user_issuer(ca, kSimCluster, vault::kNow, kLifetime, sim.random).value();
  server_ = std::make_unique<SimServer>(sim, Role::kVault, "1", disk_seed);
  server_->start_with([this](SimServer& process) {
    return std::make_shared<VaultParts>(process, encode(people_.roster), log_key(),
                                        CertifiedKey{issuer_.chain_pem, issuer_.key_pem.clone()});
  });
}

ClusterFile SimVault::cluster() const {
  ClusterFile out;
  out.id = kSimCluster;
  out.vault = server_->endpoint();
  out.roster_1 = people_.roster.hash();
  out.log_key = log_key().public_key;
  return out;
}

}  // namespace conclave::sim
