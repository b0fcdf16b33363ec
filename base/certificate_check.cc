#include "base/certificate_check.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "base/check.h"
#include "base/openssl_owner.h"

namespace conclave {
namespace {

using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Pkey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, Freed<X509_free>>;
using Store = std::unique_ptr<X509_STORE, Freed<X509_STORE_free>>;
using Check = std::unique_ptr<X509_STORE_CTX, Freed<X509_STORE_CTX_free>>;

Bio reading(ByteView bytes) {
  Bio bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), 1u << 20))));
  CHECK(bio != nullptr);
  return bio;
}

int no_passphrase(char*, int, int, void*) { return -1; }

Cert certificate_in(std::string_view pem) {
  Cert cert(PEM_read_bio_X509(reading(view_of(pem)).get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  return cert;
}

Error refused(std::string why) { return {Errc::kUnauthenticated, std::move(why)}; }

// No certificate between: the intermediate makes users only.
Status check_made_by(X509* leaf, X509* ca, WallTime now) {
  const Store store(X509_STORE_new());
  const Check check(X509_STORE_CTX_new());
  CHECK(store && check && X509_STORE_add_cert(store.get(), ca) == 1);
  CHECK(X509_STORE_CTX_init(check.get(), store.get(), leaf, nullptr) == 1);
  X509_STORE_CTX_set_time(check.get(), 0, static_cast<time_t>(now.ns / 1'000'000'000));
  CHECK(X509_STORE_CTX_set_purpose(check.get(), X509_PURPOSE_SSL_SERVER) == 1);
  const bool good = X509_verify_cert(check.get()) == 1;
  const int why = X509_STORE_CTX_get_error(check.get());
  ERR_clear_error();
  if (good) return {};
  return refused(std::string("a certificate that the CA did not make, or not for now: ") + X509_verify_cert_error_string(why));
}

}  // namespace

Result<CertifiedPeer> check_server_certificate(std::string_view leaf_pem, std::string_view ca_pem, const ClusterId& cluster,
                                               WallTime now) {
  const Cert leaf = certificate_in(leaf_pem);
  const Cert ca = certificate_in(ca_pem);
  if (!leaf || !ca) return refused("no certificate in PEM");
  TRY(check_made_by(leaf.get(), ca.get(), now));
  CertifiedPeer out{TRY(peer_of_certificate(view_of(leaf_pem), {}, cluster)), {}};
  std::size_t size = out.key.size();
  if (EVP_PKEY_get_raw_public_key(X509_get0_pubkey(leaf.get()), out.key.data(), &size) != 1 || size != out.key.size()) {
    ERR_clear_error();
    return refused("a certificate of another kind of key");
  }
  return out;
}

Result<SigningKey> signing_key_of_pem(ByteView key_pem) {
  const Pkey key(PEM_read_bio_PrivateKey(reading(key_pem).get(), nullptr, no_passphrase, nullptr));
  SecretBytes seed(32);
  std::size_t size = seed.size();
  const bool read = key && EVP_PKEY_get_id(key.get()) == EVP_PKEY_ED25519 &&
                    EVP_PKEY_get_raw_private_key(key.get(), seed.span().data(), &size) == 1 && size == seed.size();
  ERR_clear_error();
  if (!read) return Error(Errc::kInvalid, "no Ed25519 key in PEM");
  return signing_key_of_seed(seed.view());
}

}  // namespace conclave
