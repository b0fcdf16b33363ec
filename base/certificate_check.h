// For what a server of the cluster has signed and somebody else brings: is the certificate beside it one of the cluster's? TLS
// (tls.h) asks the same of who connects.
#pragma once

#include <string_view>

#include "base/certificate.h"

namespace conclave {

struct CertifiedPeer {
  Peer peer;
  SigningPublic key{};
};
// Of a leaf that the CA itself has made for a server of this cluster, and that is valid now. kUnauthenticated.
Result<CertifiedPeer> check_server_certificate(std::string_view leaf_pem, std::string_view ca_pem, const ClusterId& cluster,
                                               WallTime now);

// The key beside a certificate. kInvalid: no Ed25519 key in PEM.
Result<SigningKey> signing_key_of_pem(ByteView key_pem);

}  // namespace conclave
