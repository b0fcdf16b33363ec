#include "base/certificate.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "tests/support/sim_clock.h"
#include "tests/support/sim_random.h"

namespace conclave {
namespace {

constexpr ClusterId kCluster = {0xab, 0xcd};
constexpr ClusterId kOther = {1};
constexpr auto kDay = std::chrono::hours(24);

Bytes der_of_pem(std::string_view pem) {
  BIO* const bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* const cert = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  std::uint8_t* der = nullptr;
  const int size = i2d_X509(cert, &der);
  Bytes out(der, der + size);
  OPENSSL_free(der);
  X509_free(cert);
  BIO_free(bio);
  return out;
}

// What a TLS peer would say of the chain at `when`: X509_V_OK or why not.
int verify(const std::string& chain_pem, const std::string& ca_pem, WallTime when, int purpose = X509_PURPOSE_SSL_CLIENT) {
  const auto certs = [](const std::string& pem) {
    STACK_OF(X509)* const out = sk_X509_new_null();
    BIO* const bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    while (X509* const cert = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr)) sk_X509_push(out, cert);
    BIO_free(bio);
    return out;
  };
  STACK_OF(X509)* const chain = certs(chain_pem);
  STACK_OF(X509)* const roots = certs(ca_pem);
  X509_STORE* const store = X509_STORE_new();
  X509_STORE_add_cert(store, sk_X509_value(roots, 0));
  X509_STORE_CTX* const context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, sk_X509_value(chain, 0), chain);
  X509_STORE_CTX_set_purpose(context, purpose);
  X509_STORE_CTX_set_time(context, 0, when.ns / 1'000'000'000);
  X509_verify_cert(context);
  const int result = X509_STORE_CTX_get_error(context);
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  sk_X509_pop_free(chain, X509_free);
  sk_X509_pop_free(roots, X509_free);
  return result;
}

class Certificate : public testing::Test {
 protected:
  Result<CertifiedKey> made(const CertifiedKey& issuer, Role role, const std::string& name, const ClusterId& cluster = kCluster) {
    return issue(issuer, cluster, {role, name, 1001, 1002, "00ff"}, now_, kDay, random_);
  }
  WallTime after(std::chrono::nanoseconds by) const { return {now_.ns + by.count()}; }

  sim::SimRandom random_{1};
  sim::SimClock clock_;
  WallTime now_ = clock_.wall();
  CertifiedKey ca_ = make_ca(kCluster, now_, 30 * kDay, random_);
  CertifiedKey users_ = std::move(make_user_issuer(ca_, kCluster, now_, 30 * kDay, random_)).value();
};

TEST_F(Certificate, SaysWhoItsOwnerIs) {
  for (const Role role : {Role::kDir, Role::kLock, Role::kFile, Role::kVault, Role::kHost}) {
    const auto key = made(ca_, role, "a.b_c-1");
    ASSERT_TRUE(key);
    const auto peer = peer_of_certificate(der_of_pem(key->chain_pem), der_of_pem(ca_.chain_pem), kCluster);
    ASSERT_TRUE(peer) << peer.error().message;
    EXPECT_EQ(peer->role, role);
    EXPECT_EQ(peer->name, "a.b_c-1");
    EXPECT_EQ(peer->fingerprint, sha256(der_of_pem(key->chain_pem)));
    EXPECT_EQ(peer->fingerprint, fingerprint_of_pem(key->chain_pem));
    EXPECT_EQ(verify(key->chain_pem, ca_.chain_pem, now_), X509_V_OK);
  }
}

TEST_F(Certificate, OfAUserCarriesWhatItActsAs) {
  const auto key = made(users_, Role::kUser, "alice");
  ASSERT_TRUE(key);
  const auto peer = peer_of_certificate(view_of(key->chain_pem), der_of_pem(users_.chain_pem), kCluster);
  ASSERT_TRUE(peer) << peer.error().message;
  EXPECT_EQ(peer->role, Role::kUser);
  EXPECT_EQ(peer->uid, 1001u);
  EXPECT_EQ(peer->gid, 1002u);
  EXPECT_EQ(peer->device_kid_hex, "00ff");
  EXPECT_EQ(verify(key->chain_pem, ca_.chain_pem, now_), X509_V_OK) << "the chain brings the issuer along";
}

TEST_F(Certificate, OfAGuestHasNoDevice) {
  const auto key = made(users_, Role::kGuest, "bob.b");
  ASSERT_TRUE(key);
  const auto peer = peer_of_certificate(view_of(key->chain_pem), {}, kCluster);
  ASSERT_TRUE(peer) << peer.error().message;
  EXPECT_EQ(peer->role, Role::kGuest);
  EXPECT_EQ(peer->name, "bob.b");
  EXPECT_EQ(peer->device_kid_hex, "");
  EXPECT_EQ(verify(key->chain_pem, ca_.chain_pem, now_), X509_V_OK) << "a name with a dot is no DNS name";
}

TEST_F(Certificate, TheIssuerOfUsersCanMakeNothingElse) {
  for (const Role role : {Role::kDir, Role::kLock, Role::kFile, Role::kVault, Role::kHost}) {
    const auto key = made(users_, role, "1");
    ASSERT_TRUE(key);
    EXPECT_NE(verify(key->chain_pem, ca_.chain_pem, now_), X509_V_OK) << name_of(role);
    EXPECT_NE(verify(key->chain_pem, ca_.chain_pem, now_, X509_PURPOSE_SSL_SERVER), X509_V_OK) << name_of(role);
    const auto peer = peer_of_certificate(view_of(key->chain_pem), der_of_pem(users_.chain_pem), kCluster);
    ASSERT_FALSE(peer);
    EXPECT_EQ(peer.error().code, Errc::kUnauthenticated);
  }
  const auto elsewhere = made(users_, Role::kUser, "alice", kOther);
  ASSERT_TRUE(elsewhere);
  EXPECT_EQ(verify(elsewhere->chain_pem, ca_.chain_pem, now_), X509_V_ERR_PERMITTED_VIOLATION);
  const auto second = make_user_issuer(users_, kCluster, now_, kDay, random_);
  ASSERT_TRUE(second);
  const auto below = made(*second, Role::kUser, "alice");
  ASSERT_TRUE(below);
  EXPECT_NE(verify(below->chain_pem + users_.chain_pem, ca_.chain_pem, now_), X509_V_OK) << "nor another issuer";
}

TEST_F(Certificate, OfAUserDoesNotServe) {
  const auto key = made(users_, Role::kUser, "alice");
  ASSERT_TRUE(key);
  EXPECT_NE(verify(key->chain_pem, ca_.chain_pem, now_, X509_PURPOSE_SSL_SERVER), X509_V_OK);
}

TEST_F(Certificate, HoldsFromFiveMinutesBeforeUntilItsEnd) {
  const auto key = made(ca_, Role::kDir, "1");
  ASSERT_TRUE(key);
  EXPECT_EQ(verify(key->chain_pem, ca_.chain_pem, after(-std::chrono::seconds(299))), X509_V_OK);
  EXPECT_EQ(verify(key->chain_pem, ca_.chain_pem, after(-std::chrono::minutes(6))), X509_V_ERR_CERT_NOT_YET_VALID);
  EXPECT_EQ(verify(key->chain_pem, ca_.chain_pem, after(kDay - std::chrono::seconds(1))), X509_V_OK);
  EXPECT_EQ(verify(key->chain_pem, ca_.chain_pem, after(kDay + std::chrono::seconds(1))), X509_V_ERR_CERT_HAS_EXPIRED);
  const auto expiry = expiry_of_pem(key->chain_pem);
  ASSERT_TRUE(expiry);
  EXPECT_EQ(expiry->ns / 1'000'000'000, after(kDay).ns / 1'000'000'000);
}

TEST_F(Certificate, OfAnotherClusterOrWithoutIdentityIsNobody) {
  const auto key = made(ca_, Role::kDir, "1");
  ASSERT_TRUE(key);
  for (const auto& peer : {peer_of_certificate(view_of(key->chain_pem), {}, kOther),
                           peer_of_certificate(view_of(ca_.chain_pem), {}, kCluster),
                           peer_of_certificate({}, {}, kCluster)}) {
    ASSERT_FALSE(peer);
    EXPECT_EQ(peer.error().code, Errc::kUnauthenticated);
  }
}

TEST_F(Certificate, NamesOutsideTheAlphabetAreRefused) {
  for (const std::string& name : {std::string(), std::string("Alice"), std::string("a/b"), std::string("a?uid=0"),
                                  std::string("a,DNS:x"), std::string("\xc3\xa9"), std::string(65, 'a')}) {
    const auto key = made(ca_, Role::kHost, name);
    ASSERT_FALSE(key) << name;
    EXPECT_EQ(key.error().code, Errc::kInvalid);
  }
  EXPECT_TRUE(made(ca_, Role::kHost, std::string(64, 'a')));
  EXPECT_FALSE(issue(ca_, kCluster, {Role::kUser, "alice", 1, 1, ""}, now_, kDay, random_)) << "a user has a device";
}

TEST_F(Certificate, AnIssuerThatCannotBeReadIsInvalid) {
  CertifiedKey mixed{ca_.chain_pem, users_.key_pem.clone()};
  EXPECT_FALSE(made(mixed, Role::kHost, "a"));
  mixed.key_pem = SecretBytes::copy_of(view_of("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"));
  EXPECT_FALSE(made(mixed, Role::kHost, "a"));
  EXPECT_FALSE(expiry_of_pem("no PEM"));
  EXPECT_EQ(fingerprint_of_pem("no PEM"), Fingerprint{});
}

TEST_F(Certificate, EveryTruncationAndFlippedByteIsReadOrRefused) {
  const auto key = made(users_, Role::kUser, "alice");
  ASSERT_TRUE(key);
  const Bytes whole = der_of_pem(key->chain_pem);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(peer_of_certificate(ByteView(whole).first(size), {}, kCluster)) << size;
  }
  for (std::size_t i = 0; i < whole.size(); ++i) {
    Bytes flipped = whole;
    flipped[i] ^= 0x41;
    (void)peer_of_certificate(flipped, flipped, kCluster);
  }
}

}  // namespace
}  // namespace conclave
