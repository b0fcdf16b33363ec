// The server's side of TLS as OpenSSL has it: version 1.3 only, a client certificate of the cluster required, on
// sockets that do not block.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/certificate.h"

struct ssl_ctx_st;
struct ssl_st;

namespace conclave {

struct TlsIdentity {
  ClusterId cluster{};
  std::string ca_pem;        // whom to believe
  CertifiedKey own;
};

// Who we are to those who connect. No sessions and no tickets: whether a certificate still holds is asked with
// every connection. Thread-safe once made.
class TlsServer {
 public:
  // kInvalid: certificate, key or CA cannot be read or do not belong together.
  static Result<TlsServer> make(const TlsIdentity& identity);

 private:
  friend class TlsConnection;
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  std::unique_ptr<ssl_ctx_st, Free> context_;
};

struct TlsPeer {
  Peer peer;
  WallTime valid_until;
};

// One connection over `socket`, which stays the caller's. One thread at a time; nothing blocks.
class TlsConnection {
 public:
  TlsConnection(const TlsServer& server, int socket);
  ~TlsConnection();

  enum class Step : std::uint8_t {
    kDone,        // of what was asked, something happened
    kWantRead,    // again when the socket can be read
    kWantWrite,   // again when it can be written
    kOver,        // closed by the other end, or broken
  };
  Step handshake();                                   // kOver: refused; failure() says why
  Step read(ByteSpan into, std::size_t& got_bytes);
  [[nodiscard]] bool has_more() const;                // of what was read from the socket: read() again, do not wait
  Step write(std::string_view& from);                 // takes what went from the front; it may wait for flush()
  Step flush();                                       // kDone: all that was written is with the kernel
  [[nodiscard]] const std::string& failure() const { return failure_; }
  // After the handshake. kUnauthenticated as peer_of_certificate.
  [[nodiscard]] Result<TlsPeer> peer(const ClusterId& cluster) const;

 private:
  struct Free {
    void operator()(ssl_st* connection) const;
  };
  Step after(int result);

  struct Wire;
  std::unique_ptr<Wire> wire_;  // outlives connection_
  std::unique_ptr<ssl_st, Free> connection_;
  std::string failure_;
};

}  // namespace conclave
