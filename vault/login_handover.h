// How `conclave login` hands a login to a mount's daemon: one message of canonical bytes, written at once into the
// mount's control file. It holds a private key: both sides keep it in SecretBytes.
#pragma once

#include "vault/identity.h"

namespace conclave::vault {

inline constexpr std::size_t kMaxHandoverBytes = 4096;

SecretBytes encode_handover(const Login& login);
// kCorrupt; kKeyRejected if the key is not the one that its certificate names.
Result<Login> parse_handover(ByteView bytes);

}  // namespace conclave::vault
