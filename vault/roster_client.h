// Fetching the roster and believing it: the whole chain from the pinned version 1, each step checked.
#pragma once

#include "vault/roster.h"
#include "vault/vault_client.h"

namespace conclave::vault {

// kKeyRejected (the vault's roster does not begin with the pinned one, or a signature does not fit), and the vault's
// and Transport's errors.
Result<RosterChain> fetch_roster(VaultClient& vault, const Hash& pinned);
// Appends what has come since. kStale if the vault has lost versions that `chain` has.
Status refresh_roster(VaultClient& vault, RosterChain& chain);

}  // namespace conclave::vault
