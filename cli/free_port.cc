#include "cli/free_port.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace conclave::cli {
namespace {

constexpr std::uint16_t kFirstPort = 10000;
constexpr std::uint16_t kPorts = 20000;
constexpr unsigned kAttempts = 1000;

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Result<Addresses> resolve(const std::string& host, std::uint16_t port, int type) {
  addrinfo hints{};
  hints.ai_socktype = type;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int code = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); code != 0) {
    return Error(Errc::kInvalid, "address '" + host + "': " + gai_strerror(code));
  }
  return Addresses(found, freeaddrinfo);
}

// 0, or the errno of binding.
Result<int> bind_error(const std::string& address, std::uint16_t port) {
  const Addresses to = TRY(resolve(address, port, SOCK_STREAM));
  const int socket = ::socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return errno;
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const int error = bind(socket, to->ai_addr, to->ai_addrlen) == 0 ? 0 : errno;
  close(socket);
  return error;
}

}  // namespace

Result<std::vector<std::uint16_t>> free_ports(const std::string& address, unsigned count, Random& random) {
  std::vector<std::uint16_t> ports;
  for (unsigned attempt = 0; attempt < kAttempts && ports.size() < count; ++attempt) {
    const auto port = static_cast<std::uint16_t>(kFirstPort + random.u64() % kPorts);
    if (std::find(ports.begin(), ports.end(), port) != ports.end()) continue;
    const int error = TRY(bind_error(address, port));
    if (error == 0) {
      ports.push_back(port);
    } else if (error != EADDRINUSE && error != EACCES) {
      return Error(Errc::kInvalid, "servers cannot listen at " + address + ": " + strerrordesc_np(error) +
                                       "; give one of this machine's addresses");
    }
  }
  if (ports.size() < count) return Error(Errc::kBusy, "found no free ports at " + address);
  return ports;
}

Result<std::string> address_towards(const std::string& host, std::uint16_t port) {
  const Addresses to = TRY(resolve(host, port, SOCK_DGRAM));
  const int socket = ::socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  const bool found = socket >= 0 && connect(socket, to->ai_addr, to->ai_addrlen) == 0 &&
                     getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size) == 0;
  const int error = errno;
  if (socket >= 0) close(socket);
  char text[NI_MAXHOST];
  if (!found) return Error(Errc::kUnavailable, "no way to " + host + ": " + strerrordesc_np(error));
  if (getnameinfo(reinterpret_cast<sockaddr*>(&own), size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) {
    return Error(Errc::kUnavailable, "no address of this machine leads to " + host + "; give one with --listen");
  }
  return std::string(text);
}

std::string address_text(const std::string& address, std::uint16_t port) {
  const bool v6 = address.find(':') != std::string::npos;
  return (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

}  // namespace conclave::cli
