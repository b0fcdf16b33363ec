// Fetching a folder's policy and believing it.
#pragma once

#include "vault/vault_client.h"
#include "vault/vault_memory.h"

namespace conclave::vault {

// The policy in force of a directory itself, not of those above: it continues the one that `memory` has seen through every
// version between, and its signers stand, or stood when it was logged. kNotFound: there is none, and none was seen; kStale,
// kKeyRejected: the vault shows an older one, one that does not continue it, or none; and the vault's and Transport's.
Result<Policy> fetch_policy(VaultClient& vault, const RosterChain& chain, VaultMemory& memory, InodeId directory);

}  // namespace conclave::vault
