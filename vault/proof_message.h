// Proofs as the messages of the vault's API carry them.
#pragma once

#include "conclave/vault/v1/vault.pb.h"
#include "vault/logged_before.h"

namespace conclave::vault {

v1::LogProof message_of(const LogProof& proof);
v1::SecretProofs message_of(const SecretProofs& proofs);
// Of what a server sent; a node of a wrong length becomes zeros, which no tree has. No leaf: no proof.
std::optional<LogProof> proof_in(const v1::LogProof& message);
SecretProofs proofs_in(const v1::SecretProofs& message);

}  // namespace conclave::vault
