// HPKE (RFC 9180) base mode, single shot: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305.
// Who sent it comes from an Ed25519 signature beside it, never from here.
#pragma once

#include "base/crypto.h"

namespace conclave {

inline constexpr std::size_t kHpkeOverheadBytes = 32 + kAeadTagBytes;

// enc (32 bytes) ‖ ciphertext ‖ tag. `info` names the use; `aad` binds the context. kKeyRejected if `to` is a
// point of small order: it may have come from a peer.
Result<Bytes> hpke_seal(const AgreementPublic& to, ByteView info, ByteView aad, ByteView plaintext, Random& random);
// The same with a given ephemeral key, for the published vectors.
Result<Bytes> hpke_seal_with(const AgreementKey& ephemeral, const AgreementPublic& to, ByteView info, ByteView aad,
                             ByteView plaintext);
// kCorrupt for anything that was not sealed to this key, info and aad.
Result<SecretBytes> hpke_open(const AgreementKey& mine, ByteView info, ByteView aad, ByteView sealed);

}  // namespace conclave
