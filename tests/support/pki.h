// A cluster's certificates, made as `conclave init` makes them, for tests with real connections.
#pragma once

#include <string>

#include "base/certificate.h"
#include "base/tls.h"

namespace conclave {

inline constexpr ClusterId kTestCluster = {1, 2, 3};

struct Pki {
  static constexpr auto kDay = std::chrono::hours(24);

  SystemRandom random;
  SystemClock clock;
  CertifiedKey ca = make_ca(kTestCluster, clock.wall(), kDay, random);
  CertifiedKey users = std::move(make_user_issuer(ca, kTestCluster, clock.wall(), kDay, random)).value();

  TlsIdentity identity(const CertifiedKey& issuer, Role role, const std::string& name, WallTime now) {
    const CertificateSubject subject{role, name, 1001, 1002, "abcd"};
    return {kTestCluster, ca.chain_pem, std::move(issue(issuer, kTestCluster, subject, now, kDay, random)).value()};
  }
  TlsIdentity server() { return identity(ca, Role::kDir, "1", clock.wall()); }
  TlsIdentity alice() { return identity(users, Role::kUser, "alice", clock.wall()); }
};

}  // namespace conclave
