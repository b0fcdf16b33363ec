#include "base/certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>

#include "base/identity_uri.h"
#include "base/openssl_owner.h"

// As in crypto.cc: CHECK guards OpenSSL calls that fail only when memory is out. What is parsed returns an error.

namespace conclave {
namespace {

using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Pkey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, Freed<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using GeneralNames = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;
using Constraints = std::unique_ptr<NAME_CONSTRAINTS, Freed<NAME_CONSTRAINTS_free>>;

bool is_person(Role role) { return role == Role::kUser || role == Role::kGuest; }

Bio reading(ByteView bytes) {
  Bio bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), 1u << 20))));
  CHECK(bio != nullptr);
  return bio;
}

// Nothing may be asked on a terminal for a key under a passphrase.
int no_passphrase(char*, int, int, void*) { return -1; }

Result<Cert> cert_of_pem(std::string_view pem) {
  Cert cert(PEM_read_bio_X509(reading(view_of(pem)).get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (!cert) return Error(Errc::kInvalid, "no certificate in PEM");
  return cert;
}

Result<Cert> cert_of_der(ByteView der) {
  const std::uint8_t* at = der.data();
  Cert cert(d2i_X509(nullptr, &at, static_cast<long>(std::min<std::size_t>(der.size(), 1u << 20))));
  ERR_clear_error();
  if (!cert || at != der.data() + der.size()) return Error(Errc::kInvalid, "no certificate in DER");
  return cert;
}

Result<Pkey> key_of_pem(ByteView pem) {
  Pkey key(PEM_read_bio_PrivateKey(reading(pem).get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (!key || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519) return Error(Errc::kInvalid, "no Ed25519 key in PEM");
  return key;
}

std::string pem_of(X509* cert) {
  const Bio bio(BIO_new(BIO_s_mem()));
  CHECK(bio && PEM_write_bio_X509(bio.get(), cert) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

Fingerprint fingerprint_of(const X509* cert) {
  Fingerprint out{};
  unsigned size = 0;
  CHECK(X509_digest(cert, EVP_sha256(), out.data(), &size) == 1 && size == out.size());
  return out;
}

void set_time(ASN1_TIME* field, WallTime wall, std::chrono::seconds offset) {
  constexpr std::int64_t kLatest = 253402300799;  // 9999-12-31T23:59:59Z, the last that X.509 can say
  const std::int64_t seconds = wall.ns / 1'000'000'000;
  const std::int64_t at = offset.count() > kLatest - seconds ? kLatest : seconds + offset.count();
  CHECK(ASN1_TIME_set(field, std::max<std::int64_t>(at, 0)) != nullptr);
}

void set_serial(X509* cert, Random& random) {
  std::array<std::uint8_t, 16> bytes{};
  random.fill(bytes);
  bytes[0] = static_cast<std::uint8_t>((bytes[0] & 0x7f) | 0x40);  // positive, and of one length
  const Number number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  CHECK(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(cert)) != nullptr);
}

// A certificate being made: everything but extensions and signature. The common name has a space in it: OpenSSL
// takes what looks like a DNS name for one.
Cert begin_cert(const std::string& common_name, EVP_PKEY* key, WallTime now, std::chrono::seconds lifetime,
                Random& random) {
  Cert cert(X509_new());
  CHECK(cert && X509_set_version(cert.get(), X509_VERSION_3) == 1);
  set_serial(cert.get(), random);
  set_time(X509_getm_notBefore(cert.get()), now, -kCertificateSkew);
  set_time(X509_getm_notAfter(cert.get()), now, lifetime);
  CHECK(X509_set_pubkey(cert.get(), key) == 1);
  const auto* name = reinterpret_cast<const unsigned char*>(common_name.data());
  CHECK(X509_NAME_add_entry_by_NID(X509_get_subject_name(cert.get()), NID_commonName, MBSTRING_ASC, name,
                                   static_cast<int>(common_name.size()), -1, 0) == 1);
  return cert;
}

void add_extension(X509* cert, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  CHECK(extension && X509_add_ext(cert, extension.get(), -1) == 1);
}

// What every certificate has, then the signature. `issuer` may be `cert` itself.
void finish_cert(X509* cert, X509* issuer, EVP_PKEY* issuer_key) {
  CHECK(X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1);
  add_extension(cert, issuer, NID_subject_key_identifier, "hash");
  add_extension(cert, issuer, NID_authority_key_identifier, "keyid:always");
  CHECK(X509_sign(cert, issuer_key, nullptr) > 0);
}

GENERAL_SUBTREE* subtree(int type, std::string_view text) {
  GENERAL_SUBTREE* const out = GENERAL_SUBTREE_new();
  ASN1_IA5STRING* const string = ASN1_IA5STRING_new();
  CHECK(out && string && ASN1_STRING_set(string, text.data(), static_cast<int>(text.size())) == 1);
  GENERAL_NAME_set0_value(out->base, type, string);
  return out;
}

// RFC 5280 section 4.2.1.10: URIs of the role user in this cluster, and no DNS name at all.
void constrain_to_users(X509* cert, const ClusterId& cluster) {
  const Constraints constraints(NAME_CONSTRAINTS_new());
  CHECK(constraints != nullptr);
  constraints->permittedSubtrees = sk_GENERAL_SUBTREE_new_null();
  constraints->excludedSubtrees = sk_GENERAL_SUBTREE_new_null();
  const std::string users = identity_authority(Role::kUser, cluster);
  CHECK(sk_GENERAL_SUBTREE_push(constraints->permittedSubtrees, subtree(GEN_URI, users)) > 0);
  CHECK(sk_GENERAL_SUBTREE_push(constraints->excludedSubtrees, subtree(GEN_DNS, "")) > 0);
  CHECK(X509_add1_ext_i2d(cert, NID_name_constraints, constraints.get(), 1, X509V3_ADD_DEFAULT) == 1);
}

bool is_self_issued(const X509* cert) {
  return X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0;
}

struct Issuer {
  Cert cert;
  Pkey key;
  std::string chain_pem;  // what the issued certificate must bring along: nothing under the CA itself
};

Result<Issuer> issuer_of(const CertifiedKey& from) {
  Issuer out;
  out.cert = TRY(cert_of_pem(from.chain_pem));
  out.key = TRY(key_of_pem(from.key_pem.view()));
  if (X509_check_private_key(out.cert.get(), out.key.get()) != 1) {
    return Error(Errc::kInvalid, "the issuer's key is not its certificate's");
  }
  if (!is_self_issued(out.cert.get())) out.chain_pem = from.chain_pem;
  return out;
}

Result<Peer> identity_in(const X509* cert, const ClusterId& cluster) {
  const GeneralNames names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(cert, NID_subject_alt_name, nullptr, nullptr)));
  std::string_view found;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* const text = name->d.uniformResourceIdentifier;
    const std::string_view uri(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                               static_cast<std::size_t>(ASN1_STRING_length(text)));
    if (!found.empty()) return Error(Errc::kUnauthenticated, "a certificate of several identities");
    found = uri;
  }
  ERR_clear_error();
  if (found.empty()) return Error(Errc::kUnauthenticated, "a certificate without an identity");
  return read_identity(found, cluster);
}

}  // namespace

std::string server_dns_name(Role role, std::string_view name, const ClusterId& cluster) {
  return std::string(name_of(role)) + "-" + std::string(name) + "." + to_hex(cluster) + ".conclave";
}

CertifiedKey make_ca(const ClusterId& cluster, WallTime now, std::chrono::hours lifetime, Random& random) {
  const SigningKey signing = make_signing_key(random);
  SecretBytes key_pem = private_key_pem(signing);
  const Pkey key = std::move(key_of_pem(key_pem.view())).value();
  const Cert cert = begin_cert("conclave CA " + to_hex(cluster), key.get(), now, lifetime, random);
  add_extension(cert.get(), cert.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:1");
  add_extension(cert.get(), cert.get(), NID_key_usage, "critical,keyCertSign");
  finish_cert(cert.get(), cert.get(), key.get());
  return {pem_of(cert.get()), std::move(key_pem)};
}

Result<CertifiedKey> make_user_issuer(const CertifiedKey& ca, const ClusterId& cluster, WallTime now,
                                      std::chrono::hours lifetime, Random& random) {
  const Issuer issuer = TRY(issuer_of(ca));
  const SigningKey signing = make_signing_key(random);
  SecretBytes key_pem = private_key_pem(signing);
  const Pkey key = TRY(key_of_pem(key_pem.view()));
  const Cert cert = begin_cert("conclave users " + to_hex(cluster), key.get(), now, lifetime, random);
  add_extension(cert.get(), issuer.cert.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add_extension(cert.get(), issuer.cert.get(), NID_key_usage, "critical,keyCertSign");
  add_extension(cert.get(), issuer.cert.get(), NID_ext_key_usage, "clientAuth");
  constrain_to_users(cert.get(), cluster);
  finish_cert(cert.get(), issuer.cert.get(), issuer.key.get());
  return CertifiedKey{pem_of(cert.get()), std::move(key_pem)};
}

Result<CertifiedKey> issue(const CertifiedKey& issuer, const ClusterId& cluster, const CertificateSubject& subject,
                           WallTime now, std::chrono::hours lifetime, Random& random) {
  const SigningKey key = make_signing_key(random);
  auto chain = TRY(issue_for(issuer, cluster, subject, key.public_key, now, lifetime, random));
  return CertifiedKey{std::move(chain), private_key_pem(key)};
}

Result<std::string> issue_for(const CertifiedKey& from, const ClusterId& cluster, const CertificateSubject& subject,
                              const SigningPublic& public_key, WallTime now, std::chrono::seconds lifetime,
                              Random& random) {
  const std::string uri = TRY(write_identity(subject, cluster));
  const Issuer issuer = TRY(issuer_of(from));
  const Pkey key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, public_key.data(), public_key.size()));
  CHECK(key != nullptr);
  const bool serves = subject.role != Role::kHost && !is_person(subject.role);
  const Cert cert = begin_cert(std::string(name_of(subject.role)) + " " + subject.name.substr(0, 58), key.get(), now,
                               lifetime, random);
  X509* const above = issuer.cert.get();
  add_extension(cert.get(), above, NID_basic_constraints, "critical,CA:FALSE");
  add_extension(cert.get(), above, NID_key_usage, "critical,digitalSignature");
  add_extension(cert.get(), above, NID_ext_key_usage, serves ? "serverAuth,clientAuth" : "clientAuth");
  std::string names = "URI:" + uri;
  if (!is_person(subject.role)) names += ",DNS:" + server_dns_name(subject.role, subject.name, cluster);
  add_extension(cert.get(), above, NID_subject_alt_name, names);
  finish_cert(cert.get(), above, issuer.key.get());
  return pem_of(cert.get()) + issuer.chain_pem;
}

SecretBytes private_key_pem(const SigningKey& key) {
  const Pkey pkey(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, key.seed.view().data(), key.seed.size()));
  const Bio bio(BIO_new(BIO_s_mem()));  // wiped when freed
  CHECK(pkey && bio && PEM_write_bio_PKCS8PrivateKey(bio.get(), pkey.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return SecretBytes::copy_of({reinterpret_cast<const std::uint8_t*>(text), static_cast<std::size_t>(size)});
}

Result<Peer> peer_of_certificate(ByteView leaf, ByteView issuer_der_or_empty, const ClusterId& cluster) {
  auto cert = text_of(leaf).starts_with("-----BEGIN") ? cert_of_pem(text_of(leaf)) : cert_of_der(leaf);
  if (!cert) return Error(Errc::kUnauthenticated, cert.error().message);
  Peer peer = TRY(identity_in(cert->get(), cluster));
  peer.fingerprint = fingerprint_of(cert->get());
  if (issuer_der_or_empty.empty()) return peer;
  const auto issuer = cert_of_der(issuer_der_or_empty);
  if (!issuer) return Error(Errc::kUnauthenticated, issuer.error().message);
  if (!is_self_issued(issuer->get()) && !is_person(peer.role)) {
    return Error(Errc::kUnauthenticated, "the issuer of users made a certificate of another role");
  }
  return peer;
}

Fingerprint fingerprint_of_pem(std::string_view certificate_pem) {
  const auto cert = cert_of_pem(certificate_pem);
  return cert ? fingerprint_of(cert->get()) : Fingerprint{};
}

Result<WallTime> expiry_of_pem(std::string_view certificate_pem) {
  const Cert cert = TRY(cert_of_pem(certificate_pem));
  std::tm when{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(cert.get()), &when) != 1) return Error(Errc::kInvalid, "an unreadable expiry");
  return WallTime{static_cast<std::int64_t>(timegm(&when)) * 1'000'000'000};
}

}  // namespace conclave
