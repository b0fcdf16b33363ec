// X.509 for one cluster: its CA, a certificate for each server and host, the vault's intermediate that can
// make user certificates and nothing else. Keys are Ed25519. Who somebody is stands in one SAN URI,
//   conclave://ROLE.CLUSTERHEX/NAME            servers and hosts
//   conclave://user.CLUSTERHEX/NAME?uid=1001&gid=1001&device=KIDHEX
//   conclave://user.CLUSTERHEX/NAME            a guest: a user without a device
// beside the DNS name ROLE-NAME.CLUSTERHEX.conclave that a client asks for when it connects.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/ids.h"

namespace conclave {

// kGuest: role user without a device, from a join token: it may knock (join, log in, read the roster), no more.
enum class Role : std::uint8_t { kDir, kLock, kFile, kVault, kHost, kUser, kGuest };
std::string_view name_of(Role role);             // "dir", "lock", "file", "vault", "host", "user", "guest"
Result<Role> role_of_name(std::string_view name);

// Who is at the other end of a connection, from its verified certificate.
struct Peer {
  Role role = Role::kUser;
  std::string name;                // "alice", "1"
  std::uint32_t uid = 0;           // role user: what it acts as
  std::uint32_t gid = 0;
  std::string device_kid_hex;      // role user
  Fingerprint fingerprint{};
};

// A certificate (with what it needs above it, in PEM) and its private key.
struct CertifiedKey {
  std::string chain_pem;
  SecretBytes key_pem;
};

struct CertificateSubject {
  Role role = Role::kHost;
  std::string name;                // 1–64 of [a-z0-9._-]
  std::uint32_t uid = 0, gid = 0;
  std::string device_kid_hex;
};

// The name a client expects of a server: "file-3.<cluster hex>.conclave".
std::string server_dns_name(Role role, std::string_view name, const ClusterId& cluster);

// All make or read PEM. valid_from is set 5 minutes back: clocks may differ by that much (kCertificateSkew).
inline constexpr auto kCertificateSkew = std::chrono::minutes(5);
CertifiedKey make_ca(const ClusterId& cluster, WallTime now, std::chrono::hours lifetime, Random& random);
// Name-constrained to role user.
Result<CertifiedKey> make_user_issuer(const CertifiedKey& ca, const ClusterId& cluster, WallTime now,
                                      std::chrono::hours lifetime, Random& random);
Result<CertifiedKey> issue(const CertifiedKey& issuer, const ClusterId& cluster, const CertificateSubject& subject,
                           WallTime now, std::chrono::hours lifetime, Random& random);
// For a key whose private half stays with its owner: the chain only.
Result<std::string> issue_for(const CertifiedKey& issuer, const ClusterId& cluster, const CertificateSubject& subject,
                              const SigningPublic& key, WallTime now, std::chrono::seconds lifetime, Random& random);
// PEM of an Ed25519 private key (PKCS #8).
SecretBytes private_key_pem(const SigningKey& key);

// Who a leaf certificate (DER or PEM) says it is. Does not verify the chain: TLS did. kUnauthenticated if it
// names another cluster, more than one identity, or none; or role other than user under the user issuer.
Result<Peer> peer_of_certificate(ByteView leaf_der, ByteView issuer_der_or_empty, const ClusterId& cluster);
Fingerprint fingerprint_of_pem(std::string_view certificate_pem);  // zeros if it is none
Result<WallTime> expiry_of_pem(std::string_view certificate_pem);

}  // namespace conclave
