#include "base/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <ctime>
#include <memory>

namespace conclave {
namespace {

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Pkey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, Freed<X509_free>>;

Bio reading(ByteView bytes) { return Bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size()))); }

Cert next_certificate(BIO* bio) { return Cert(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr)); }

bool use_chain(SSL_CTX* context, const std::string& pem) {
  const Bio bio = reading(view_of(pem));
  const Cert leaf = next_certificate(bio.get());
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) return false;
  while (const Cert above = next_certificate(bio.get())) {
    if (SSL_CTX_add1_chain_cert(context, above.get()) != 1) return false;
  }
  return true;
}

bool use_key(SSL_CTX* context, const SecretBytes& pem) {
  const Pkey key(PEM_read_bio_PrivateKey(reading(pem.view()).get(), nullptr, nullptr, nullptr));
  return key && SSL_CTX_use_PrivateKey(context, key.get()) == 1 && SSL_CTX_check_private_key(context) == 1;
}

bool believe(SSL_CTX* context, const std::string& ca_pem) {
  const Cert ca = next_certificate(reading(view_of(ca_pem)).get());
  return ca && X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca.get()) == 1;
}

Bytes der_of(X509* cert) {
  std::uint8_t* der = nullptr;
  const int size = i2d_X509(cert, &der);
  CHECK(size > 0);
  Bytes out(der, der + size);
  OPENSSL_free(der);
  return out;
}

}  // namespace

Status set_up_server(SSL_CTX* context, const TlsIdentity& identity) {
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);  // 34 KiB less for each idle connection
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  const bool believed = believe(context, identity.ca_pem);
  const bool chain = use_chain(context, identity.own.chain_pem);
  const bool key = chain && use_key(context, identity.own.key_pem);
  ERR_clear_error();
  if (!believed) return Error(Errc::kInvalid, "the CA's certificate cannot be read");
  if (!chain) return Error(Errc::kInvalid, "the server's certificate cannot be read");
  if (!key) return Error(Errc::kInvalid, "the server's key cannot be read, or is not its certificate's");
  return {};
}

Result<TlsPeer> peer_of(SSL* connection, const ClusterId& cluster) {
  const STACK_OF(X509)* const chain = SSL_get0_verified_chain(connection);
  if (chain == nullptr || sk_X509_num(chain) < 2) return Error(Errc::kUnauthenticated, "no certificate");
  X509* const leaf = sk_X509_value(chain, 0);
  TlsPeer out;
  out.peer = TRY(peer_of_certificate(der_of(leaf), der_of(sk_X509_value(chain, 1)), cluster));
  std::tm until{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &until) != 1) return Error(Errc::kUnauthenticated, "no expiry");
  out.valid_until = WallTime{static_cast<std::int64_t>(timegm(&until)) * 1'000'000'000};
  return out;
}

}  // namespace conclave
