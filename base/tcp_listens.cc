#include "base/tcp_listens.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace conclave {
namespace {

// What connect(2) said, at last: 0, or an errno. ETIMEDOUT: nothing within the time.
int errno_of_connect(const addrinfo& address, std::chrono::milliseconds patience) {
  const int fd = socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  int said = connect(fd, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  if (said == EINPROGRESS) {
    pollfd waiting{fd, POLLOUT, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(patience.count()));
    socklen_t length = sizeof said;
    if (ready <= 0) said = ETIMEDOUT;
    if (ready > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &said, &length) != 0) said = errno;
  }
  (void)close(fd);
  return said;
}

}  // namespace

Result<bool> tcp_listens(const std::string& host, std::uint16_t port, Duration patience) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string service = std::to_string(port);
  const int code = getaddrinfo(host.c_str(), service.c_str(), &wanted, &found);
  if (code != 0) return Error(Errc::kUnavailable, host + " is not known: " + gai_strerror(code));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, freeaddrinfo);
  const auto each = std::max(std::chrono::ceil<std::chrono::milliseconds>(patience), std::chrono::milliseconds(1));
  for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) {
    const int said = errno_of_connect(*at, each);
    if (said == 0) return true;
    if (said != ECONNREFUSED) return Error(Errc::kUnavailable, host + " says nothing: " + std::strerror(said));
  }
  return false;
}

}  // namespace conclave
