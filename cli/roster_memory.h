// What a device remembers between commands so that a server cannot turn time back: the newest roster version and the
// newest log checkpoint it has verified. Files in the identity's folder.
#pragma once

#include "cli/identity_folder.h"
#include "vault/roster.h"
#include "vault/tlog.h"

namespace conclave::cli {

// kStale, kKeyRejected if `chain` does not contain what was seen; otherwise its newest version is remembered.
Status check_remembered_roster(Files& files, const IdentityFolder& folder, const vault::RosterChain& chain);

// The newest checkpoint that this device has verified; size 0 if none.
Result<vault::Checkpoint> remembered_checkpoint(Files& files, const IdentityFolder& folder);
Status remember_checkpoint(Files& files, const IdentityFolder& folder, const vault::Checkpoint& checkpoint);

}  // namespace conclave::cli
