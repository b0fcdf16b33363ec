// HTTPS in front of a Router: HTTP/1.1, TLS 1.3 only, client certificates required. Connections are in connection.h;
// here they are accepted, looked after and ended.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/log.h"
#include "base/router.h"
#include "base/tls.h"

namespace conclave {

class ConnectServer {
 public:
  struct Options {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;              // 0: the system chooses; see port()
  };
  // Binds and listens. kBusy with address and port when taken; kInvalid for a bad address or identity.
  static Result<std::unique_ptr<ConnectServer>> listen(const Options& options, const TlsIdentity& identity,
                                                       const Router& router, Log& log);
  ~ConnectServer();

  [[nodiscard]] std::uint16_t port() const;
  // Serves on the calling thread until stop(). Call it from each thread of the pool: a handler runs on the
  // thread that read the request. Requests beyond limits.h, malformed HTTP and clients without a valid
  // certificate are answered with a Connect error where TLS stands, and the connection is closed.
  void run();
  // Lets requests that run finish (5 s), closes the rest. Any thread; returns at once.
  void stop();

 private:
  struct Inside;
  explicit ConnectServer(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

}  // namespace conclave
