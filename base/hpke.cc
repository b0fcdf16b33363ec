#include "base/hpke.h"

#include "base/canonical.h"

namespace conclave {
namespace {

constexpr std::uint8_t kKemSuite[] = {'K', 'E', 'M', 0x00, 0x20};
constexpr std::uint8_t kHpkeSuite[] = {'H', 'P', 'K', 'E', 0x00, 0x20, 0x00, 0x01, 0x00, 0x03};
constexpr std::string_view kVersion = "HPKE-v1";

// RFC 9180 section 4.
SecretBytes labeled_extract(ByteView suite, ByteView salt, std::string_view label, ByteView input_key) {
  SecretBytes message(kVersion.size() + suite.size() + label.size() + input_key.size());
  auto to = message.span().begin();
  for (const ByteView part : {view_of(kVersion), suite, view_of(label), input_key}) {
    to = std::copy(part.begin(), part.end(), to);
  }
  return hkdf_extract(salt, message.view());
}

SecretBytes labeled_expand(ByteView suite, const SecretBytes& key, std::string_view label, ByteView info,
                           std::uint16_t size_bytes) {
  CanonicalWriter message;
  message.u16(size_bytes).raw(view_of(kVersion)).raw(suite).raw(view_of(label)).raw(info);
  return hkdf_expand(key.view(), message.bytes(), size_bytes);
}

// Section 4.1, the same on both sides once they agree.
SecretBytes shared_secret(const SecretBytes& agreed, const AgreementPublic& ephemeral, const AgreementPublic& to) {
  CanonicalWriter context;
  context.raw(ephemeral).raw(to);
  return labeled_expand(kKemSuite, labeled_extract(kKemSuite, {}, "eae_prk", agreed.view()), "shared_secret",
                        context.bytes(), 32);
}

struct KeyAndNonce {
  SecretBytes key;
  AeadNonce nonce{};
};

// Section 5.1, mode base: no pre-shared key. The first nonce is the base nonce, and there is only one.
KeyAndNonce key_schedule(const SecretBytes& shared, ByteView info) {
  CanonicalWriter context;
  context.u8(0)
      .raw(labeled_extract(kHpkeSuite, {}, "psk_id_hash", {}).view())
      .raw(labeled_extract(kHpkeSuite, {}, "info_hash", info).view());
  const SecretBytes secret = labeled_extract(kHpkeSuite, shared.view(), "secret", {});
  KeyAndNonce out{labeled_expand(kHpkeSuite, secret, "key", context.bytes(), kAeadKeyBytes)};
  const SecretBytes nonce = labeled_expand(kHpkeSuite, secret, "base_nonce", context.bytes(), sizeof(AeadNonce));
  std::copy(nonce.view().begin(), nonce.view().end(), out.nonce.begin());
  return out;
}

}  // namespace

Result<Bytes> hpke_seal(const AgreementPublic& to, ByteView info, ByteView aad, ByteView plaintext, Random& random) {
  return hpke_seal_with(make_agreement_key(random), to, info, aad, plaintext);
}

Result<Bytes> hpke_seal_with(const AgreementKey& ephemeral, const AgreementPublic& to, ByteView info, ByteView aad,
                             ByteView plaintext) {
  const SecretBytes agreed = TRY(agree(ephemeral, to));
  const KeyAndNonce keys = key_schedule(shared_secret(agreed, ephemeral.public_key, to), info);
  Bytes out = bytes_of(ephemeral.public_key);
  const Bytes sealed = aead_seal(keys.key.view(), keys.nonce, aad, plaintext);
  out.insert(out.end(), sealed.begin(), sealed.end());
  return out;
}

Result<SecretBytes> hpke_open(const AgreementKey& mine, ByteView info, ByteView aad, ByteView sealed) {
  if (sealed.size() < kHpkeOverheadBytes) return Error(Errc::kCorrupt, "sealed bytes cut short");
  AgreementPublic ephemeral{};
  std::copy_n(sealed.begin(), ephemeral.size(), ephemeral.begin());
  const Result<SecretBytes> agreed = agree(mine, ephemeral);
  if (!agreed) return Error(Errc::kCorrupt, agreed.error().message);
  const KeyAndNonce keys = key_schedule(shared_secret(*agreed, ephemeral, mine.public_key), info);
  return aead_open(keys.key.view(), keys.nonce, aad, sealed.subspan(ephemeral.size()));
}

}  // namespace conclave
