// The server's side of TLS as OpenSSL has it: version 1.3 only, a client certificate of the cluster required.
#pragma once

#include "base/certificate.h"

struct ssl_ctx_st;
struct ssl_st;

namespace conclave {

struct TlsIdentity {
  ClusterId cluster{};
  std::string ca_pem;        // whom to believe
  CertifiedKey own;
};

// Makes `context` a server's with this identity. No sessions and no tickets: whether a certificate still holds is
// asked with every connection. kInvalid: certificate, key or CA cannot be read or do not belong together.
Status set_up_server(ssl_ctx_st* context, const TlsIdentity& identity);

struct TlsPeer {
  Peer peer;
  WallTime valid_until;
};
// Who is at the other end, after the handshake. kUnauthenticated as peer_of_certificate.
Result<TlsPeer> peer_of(ssl_st* connection, const ClusterId& cluster);

}  // namespace conclave
