// Rule: what one client may have of a server at once, so that no one starves the others. A client is who its certificate
// says it is ("host desk", "user alice"), whatever number of certificates and connections it has. Thread-safe; blocks nowhere.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>

#include "base/certificate.h"
#include "base/guarded.h"
#include "base/limits.h"

namespace conclave {

class ClientShares {
 public:
  struct Limits {
    std::size_t connections = kMaxConnectionsPerClient;
    std::size_t streams = kMaxStreamsPerClient;
    std::size_t body_bytes = kMaxBodiesPerClientBytes;    // of one client's requests and replies in flight
    std::size_t all_body_bytes = kMaxBodiesInFlightBytes; // of all clients'
  };
  ClientShares() = default;
  explicit ClientShares(const Limits& limits) : limits_(limits) {}

  // Each says whether it may be, and counts it if so; the second of each pair gives it back.
  bool connect(const std::string& client);
  void disconnect(const std::string& client);
  bool begin_stream(const std::string& client);
  void end_stream(const std::string& client);
  bool take_body(const std::string& client, std::size_t bytes);
  void give_body(const std::string& client, std::size_t bytes);

 private:
  struct Use {
    std::size_t connections = 0, streams = 0, body_bytes = 0;
    [[nodiscard]] bool none() const { return connections == 0 && streams == 0 && body_bytes == 0; }
  };
  bool take(const std::string& client, std::size_t Use::*what, std::size_t amount, std::size_t most) REQUIRES(mutex_);
  void give(const std::string& client, std::size_t Use::*what, std::size_t amount) REQUIRES(mutex_);

  const Limits limits_{};
  std::mutex mutex_;
  std::map<std::string, Use> clients_ GUARDED_BY(mutex_);
  std::size_t all_body_bytes_ GUARDED_BY(mutex_) = 0;
};

std::string client_of(const Peer& peer);   // "host desk"

}  // namespace conclave
