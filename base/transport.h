// Seam: one HTTP exchange with a server that proved who it is. CurlTransport is the real one (libcurl,
// TLS 1.3, both sides by certificate); the simulated one (tests/support/sim_transport.h) drops, delays,
// repeats and reorders.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace conclave {

// Where a server listens and who must answer there: `name` is the DNS name in its certificate
// ("file-3.<cluster id in hex>.conclave"), whatever address it is reached by.
struct Endpoint {
  std::string name;
  std::string host;       // an address or a resolvable name
  std::uint16_t port = 0;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

using Header = std::pair<std::string, std::string>;  // names in lower case

struct HttpRequest {
  std::string path;                 // "/conclave.dir.v1.DirService/Lookup"; the method is always POST
  std::vector<Header> headers;
  std::string body;
};

struct HttpReply {
  int status = 200;
  std::vector<Header> headers;
  std::string body;
};

// The first value of a header, or empty.
std::string_view header_of(const std::vector<Header>& headers, std::string_view lower_case_name);

class Transport {
 public:
  virtual ~Transport() = default;

  // Sends and waits for the whole reply; blocks at most until `deadline`. Errors: kUnavailable (never
  // sent: not connected, refused, wrong certificate), kUnknown (sent, and no whole answer by the deadline
  // or the connection was lost), kMessageTooBig (the reply). An HTTP error status is a reply, not an
  // error. Connections are kept alive. Thread-safe: a call has a connection to itself while it runs.
  virtual Result<HttpReply> call(const Endpoint& to, const HttpRequest& request, MonoTime deadline) = 0;

  // Sends `request` and hands the reply's body to `take` piece by piece as it arrives, for as long as
  // the connection holds and `take` says true. Returns the reason it ended (success: the server closed
  // it, or take said false). `take` is also called with an empty piece at least once a second, so that
  // a caller can stop. Blocks its thread all the while.
  virtual Status stream(const Endpoint& to, const HttpRequest& request,
                        const std::function<bool(std::string_view piece)>& take) = 0;
};

}  // namespace conclave
