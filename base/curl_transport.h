// The real Transport: libcurl, HTTP/1.1 keep-alive, TLS 1.3 with our certificate. A call has an easy handle, and so
// a connection, to itself while it runs; idle ones are used again, the last used first. `Expect:` is sent empty
// (libcurl's 100-continue costs a second otherwise). Nothing is ever sent twice: a kept-alive connection that turns
// out dead after sending is kUnknown, and who sent decides.
#pragma once

#include <memory>

#include "base/tls.h"
#include "base/transport.h"

namespace conclave {

class CurlTransport final : public Transport {
 public:
  CurlTransport(const TlsIdentity& identity, Clock& clock);
  ~CurlTransport() override;
  // A new certificate (renewed login): used for connections made from now on.
  void set_identity(const TlsIdentity& identity);
  Result<HttpReply> call(const Endpoint& to, const HttpRequest& request, MonoTime deadline) override;
  Status stream(const Endpoint& to, const HttpRequest& request,
                const std::function<bool(std::string_view piece)>& take) override;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace conclave
