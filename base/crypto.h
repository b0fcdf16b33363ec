// The cryptographic primitives, each a thin layer over OpenSSL 3 EVP. Sizes are fixed in the types;
// remote input never aborts: it fails with kCorrupt, and nothing partial is returned.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"
#include "base/secret_bytes.h"

namespace conclave {

using Hash = std::array<std::uint8_t, 32>;
Hash sha256(ByteView bytes);
// SHA-256("ConclaveFS/v1/" ‖ label ‖ 0x00 ‖ body): a hash made for one use never serves another.
Hash labelled_hash(std::string_view label, ByteView body);

using Mac = std::array<std::uint8_t, 32>;
Mac hmac_sha256(ByteView key, ByteView message);

// RFC 5869 with SHA-256. size_bytes 1 to 8160.
SecretBytes hkdf(ByteView input_key, ByteView salt, ByteView info, std::size_t size_bytes);
SecretBytes hkdf_extract(ByteView salt, ByteView input_key);
SecretBytes hkdf_expand(ByteView pseudo_random_key, ByteView info, std::size_t size_bytes);

// RFC 8439 AEAD: key 32 bytes, nonce 12; the result is ciphertext ‖ 16-byte tag. open: kCorrupt.
inline constexpr std::size_t kAeadKeyBytes = 32;
inline constexpr std::size_t kAeadTagBytes = 16;
using AeadNonce = std::array<std::uint8_t, 12>;
Bytes aead_seal(ByteView key, const AeadNonce& nonce, ByteView aad, ByteView plaintext);
Result<SecretBytes> aead_open(ByteView key, const AeadNonce& nonce, ByteView aad, ByteView sealed);

// Ed25519 (RFC 8032, pure). What is signed is "ConclaveFS/v1/" ‖ label ‖ 0x00 ‖ body.
using SigningPublic = std::array<std::uint8_t, 32>;
using Signature = std::array<std::uint8_t, 64>;
struct SigningKey {
  SecretBytes seed;        // 32 bytes
  SigningPublic public_key{};
};
SigningKey make_signing_key(Random& random);
SigningKey signing_key_of_seed(ByteView seed);
Signature sign(const SigningKey& key, std::string_view label, ByteView body);
// kKeyRejected unless `signature` fits.
Status verify(const SigningPublic& key, std::string_view label, ByteView body, const Signature& signature);
// Without label, for published vectors and X.509.
Signature sign_raw(const SigningKey& key, ByteView message);
bool verify_raw(const SigningPublic& key, ByteView message, const Signature& signature);

// X25519 (RFC 7748).
using AgreementPublic = std::array<std::uint8_t, 32>;
struct AgreementKey {
  SecretBytes secret;      // 32 bytes
  AgreementPublic public_key{};
};
AgreementKey make_agreement_key(Random& random);
AgreementKey agreement_key_of_secret(ByteView secret);
// kKeyRejected if the result is all zeros (a point of small order).
Result<SecretBytes> agree(const AgreementKey& mine, const AgreementPublic& theirs);

// scrypt (RFC 7914) for passphrases. cost_log2 from 10 to 20 with r = 8, p = 1: 2^15 takes ~0.1 s and 32 MiB.
Result<SecretBytes> scrypt(ByteView passphrase, ByteView salt, unsigned cost_log2, std::size_t size_bytes);

}  // namespace conclave
