#include "vault/roster_client.h"

#include "vault/vault_memory.h"

namespace conclave::vault {

Result<RosterChain> fetch_roster(VaultClient& vault, const Hash& pinned) {
  const auto response = TRY(vault.get_roster(1));
  if (response.versions_size() == 0) return Error(Errc::kCorrupt, "the vault gave no roster");
  RosterChain chain = TRY(RosterChain::begin(view_of(response.versions(0)), pinned));
  for (int i = 1; i < response.versions_size(); ++i) TRY(chain.append(view_of(response.versions(i))));
  TRY(refresh_roster(vault, chain));
  return chain;
}

Status refresh_roster(VaultClient& vault, RosterChain& chain) {
  for (;;) {
    const std::uint64_t known = chain.current().version;
    const auto response = TRY(vault.get_roster(known));
    if (response.versions_size() == 0) {
      return Error(Errc::kStale, "the vault's roster is older than one seen before: " + std::string(kRolledBack));
    }
    if (TRY(parse_roster(view_of(response.versions(0)))).hash() != chain.current().hash()) {
      return Error(Errc::kKeyRejected, "the vault's roster is another than the one seen before");
    }
    if (response.versions_size() == 1) return {};
    for (int i = 1; i < response.versions_size(); ++i) TRY(chain.append(view_of(response.versions(i))));
  }
}

}  // namespace conclave::vault
