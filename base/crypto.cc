#include "base/crypto.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <memory>

#include "base/openssl_owner.h"

// OpenSSL fails in the calls that are CHECKed here only when memory is out or the library is broken: the
// sizes are ours. What depends on remote bytes returns an error.

namespace conclave {
namespace {

using Pkey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using PkeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX_free>>;

constexpr std::string_view kDomain = "ConclaveFS/v1/";
constexpr std::uint8_t kNothing[1] = {0};

// Some OpenSSL calls read a null pointer as "not given".
const std::uint8_t* not_null(ByteView bytes) { return bytes.empty() ? kNothing : bytes.data(); }
int int_of(std::size_t size) {
  CHECK(size <= 0x7fffffff);
  return static_cast<int>(size);
}

Bytes labelled(std::string_view label, ByteView body) {
  Bytes out(kDomain.size() + label.size() + 1 + body.size());
  const auto after_label =
      std::copy(label.begin(), label.end(), std::copy(kDomain.begin(), kDomain.end(), out.begin()));
  std::copy(body.begin(), body.end(), after_label + 1);  // a zero lies between
  return out;
}

Pkey private_key(int type, ByteView bytes) {
  CHECK(bytes.size() == 32);
  Pkey key(EVP_PKEY_new_raw_private_key(type, nullptr, bytes.data(), bytes.size()));
  CHECK(key != nullptr);
  return key;
}

std::array<std::uint8_t, 32> public_half(EVP_PKEY* key) {
  std::array<std::uint8_t, 32> out{};
  std::size_t size = out.size();
  CHECK(EVP_PKEY_get_raw_public_key(key, out.data(), &size) == 1 && size == out.size());
  return out;
}

SecretBytes random_secret(Random& random) {
  SecretBytes out(32);
  random.fill(out.span());
  return out;
}

}  // namespace

Hash sha256(ByteView bytes) {
  Hash out{};
  unsigned size = 0;
  CHECK(EVP_Digest(not_null(bytes), bytes.size(), out.data(), &size, EVP_sha256(), nullptr) == 1);
  return out;
}

Hash labelled_hash(std::string_view label, ByteView body) {
  Hash out{};
  const DigestContext context(EVP_MD_CTX_new());
  CHECK(context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  const Bytes prefix = labelled(label, {});
  CHECK(EVP_DigestUpdate(context.get(), prefix.data(), prefix.size()) == 1);
  CHECK(EVP_DigestUpdate(context.get(), not_null(body), body.size()) == 1);
  CHECK(EVP_DigestFinal_ex(context.get(), out.data(), nullptr) == 1);
  return out;
}

Mac hmac_sha256(ByteView key, ByteView message) {
  Mac out{};
  unsigned size = 0;
  CHECK(HMAC(EVP_sha256(), not_null(key), int_of(key.size()), not_null(message), message.size(), out.data(), &size));
  return out;
}

SecretBytes hkdf(ByteView input_key, ByteView salt, ByteView info, std::size_t size_bytes) {
  return hkdf_expand(hkdf_extract(salt, input_key).view(), info, size_bytes);
}

SecretBytes hkdf_extract(ByteView salt, ByteView input_key) {
  Mac key = hmac_sha256(salt, input_key);
  SecretBytes out = SecretBytes::copy_of(key);
  wipe(key);
  return out;
}

SecretBytes hkdf_expand(ByteView pseudo_random_key, ByteView info, std::size_t size_bytes) {
  CHECK(size_bytes >= 1 && size_bytes <= 255 * sizeof(Mac));
  SecretBytes out(size_bytes);
  SecretBytes message(sizeof(Mac) + info.size() + 1);  // T(i−1) ‖ info ‖ i
  const ByteSpan all = message.span();
  std::copy(info.begin(), info.end(), all.begin() + sizeof(Mac));
  for (std::size_t done = 0; done < size_bytes; done += sizeof(Mac)) {
    all.back() = static_cast<std::uint8_t>(done / sizeof(Mac) + 1);
    Mac block = hmac_sha256(pseudo_random_key, done == 0 ? all.subspan(sizeof(Mac)) : all);
    std::copy_n(block.begin(), std::min(sizeof(Mac), size_bytes - done), out.span().begin() + static_cast<long>(done));
    std::copy(block.begin(), block.end(), all.begin());
    wipe(block);
  }
  return out;
}

Bytes aead_seal(ByteView key, const AeadNonce& nonce, ByteView aad, ByteView plaintext) {
  CHECK(key.size() == kAeadKeyBytes);
  Bytes out(plaintext.size() + kAeadTagBytes);
  const CipherContext context(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX* const c = context.get();
  int size = 0;
  CHECK(c && EVP_EncryptInit_ex(c, EVP_chacha20_poly1305(), nullptr, key.data(), nonce.data()) == 1);
  if (!aad.empty()) CHECK(EVP_EncryptUpdate(c, nullptr, &size, aad.data(), int_of(aad.size())) == 1);
  if (!plaintext.empty()) {
    CHECK(EVP_EncryptUpdate(c, out.data(), &size, plaintext.data(), int_of(plaintext.size())) == 1);
  }
  std::uint8_t* const tag = out.data() + plaintext.size();
  CHECK(EVP_EncryptFinal_ex(c, tag, &size) == 1 && size == 0);
  CHECK(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, kAeadTagBytes, tag) == 1);
  return out;
}

Result<SecretBytes> aead_open(ByteView key, const AeadNonce& nonce, ByteView aad, ByteView sealed) {
  CHECK(key.size() == kAeadKeyBytes);
  if (sealed.size() < kAeadTagBytes) return Error(Errc::kCorrupt, "sealed bytes cut short");
  const ByteView ciphertext = sealed.first(sealed.size() - kAeadTagBytes);
  std::array<std::uint8_t, kAeadTagBytes> tag{};
  std::copy_n(sealed.end() - kAeadTagBytes, kAeadTagBytes, tag.begin());

  SecretBytes out(ciphertext.size());
  const CipherContext context(EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX* const c = context.get();
  int size = 0;
  CHECK(c && EVP_DecryptInit_ex(c, EVP_chacha20_poly1305(), nullptr, key.data(), nonce.data()) == 1);
  if (!aad.empty()) CHECK(EVP_DecryptUpdate(c, nullptr, &size, aad.data(), int_of(aad.size())) == 1);
  if (!ciphertext.empty()) {
    CHECK(EVP_DecryptUpdate(c, out.span().data(), &size, ciphertext.data(), int_of(ciphertext.size())) == 1);
  }
  CHECK(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, kAeadTagBytes, tag.data()) == 1);
  std::uint8_t end[1] = {0};
  if (EVP_DecryptFinal_ex(c, end, &size) != 1) return Error(Errc::kCorrupt, "sealed bytes do not fit their key");
  return out;
}

SigningKey make_signing_key(Random& random) { return signing_key_of_seed(random_secret(random).view()); }

SigningKey signing_key_of_seed(ByteView seed) {
  const Pkey key = private_key(EVP_PKEY_ED25519, seed);
  return {SecretBytes::copy_of(seed), public_half(key.get())};
}

Signature sign(const SigningKey& key, std::string_view label, ByteView body) {
  return sign_raw(key, labelled(label, body));
}

Status verify(const SigningPublic& key, std::string_view label, ByteView body, const Signature& signature) {
  if (verify_raw(key, labelled(label, body), signature)) return {};
  return Error(Errc::kKeyRejected, "the signature does not fit (" + std::string(label) + ")");
}

Signature sign_raw(const SigningKey& key, ByteView message) {
  const Pkey pkey = private_key(EVP_PKEY_ED25519, key.seed.view());
  const DigestContext context(EVP_MD_CTX_new());
  CHECK(context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, pkey.get()) == 1);
  Signature out{};
  std::size_t size = out.size();
  CHECK(EVP_DigestSign(context.get(), out.data(), &size, not_null(message), message.size()) == 1);
  CHECK(size == out.size());
  return out;
}

bool verify_raw(const SigningPublic& key, ByteView message, const Signature& signature) {
  const Pkey pkey(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()));
  const DigestContext context(EVP_MD_CTX_new());
  CHECK(pkey && context);
  if (EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, pkey.get()) != 1) return false;
  return EVP_DigestVerify(context.get(), signature.data(), signature.size(), not_null(message), message.size()) == 1;
}

AgreementKey make_agreement_key(Random& random) { return agreement_key_of_secret(random_secret(random).view()); }

AgreementKey agreement_key_of_secret(ByteView secret) {
  const Pkey key = private_key(EVP_PKEY_X25519, secret);
  return {SecretBytes::copy_of(secret), public_half(key.get())};
}

Result<SecretBytes> agree(const AgreementKey& mine, const AgreementPublic& theirs) {
  const Pkey own = private_key(EVP_PKEY_X25519, mine.secret.view());
  const Pkey peer(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, theirs.data(), theirs.size()));
  const PkeyContext context(EVP_PKEY_CTX_new(own.get(), nullptr));
  CHECK(peer && context && EVP_PKEY_derive_init(context.get()) == 1);
  SecretBytes out(32);
  std::size_t size = out.size();
  const bool agreed = EVP_PKEY_derive_set_peer(context.get(), peer.get()) == 1 &&
                      EVP_PKEY_derive(context.get(), out.span().data(), &size) == 1 && size == out.size();
  if (!agreed || out == SecretBytes(32)) return Error(Errc::kKeyRejected, "an X25519 key of small order");
  return out;
}

Result<SecretBytes> scrypt(ByteView passphrase, ByteView salt, unsigned cost_log2, std::size_t size_bytes) {
  if (cost_log2 < 10 || cost_log2 > 20) {
    return Error(Errc::kInvalid, "an scrypt cost of 2^" + std::to_string(cost_log2) + " (2^10 to 2^20 are taken)");
  }
  constexpr std::uint64_t r = 8;
  const std::uint64_t cost = 1ull << cost_log2;
  const std::uint64_t memory_bytes = 128 * r * cost + (1u << 20);
  SecretBytes out(size_bytes);
  if (EVP_PBE_scrypt(reinterpret_cast<const char*>(not_null(passphrase)), passphrase.size(), not_null(salt),
                     salt.size(), cost, r, 1, memory_bytes, out.span().data(), out.size()) != 1) {
    return Error(Errc::kNoSpace, "no memory for scrypt (" + std::to_string(memory_bytes >> 20) + " MiB)");
  }
  return out;
}

}  // namespace conclave
