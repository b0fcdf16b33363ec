#include "base/client_shares.h"

namespace conclave {

std::string client_of(const Peer& peer) { return std::string(name_of(peer.role)) + " " + peer.name; }

bool ClientShares::take(const std::string& client, std::size_t Use::*what, std::size_t amount, std::size_t most) {
  const auto found = clients_.find(client);
  const std::size_t used = found == clients_.end() ? 0 : found->second.*what;
  if (amount > most || used > most - amount) return false;
  if (amount > 0) clients_[client].*what += amount;
  return true;
}

void ClientShares::give(const std::string& client, std::size_t Use::*what, std::size_t amount) {
  const auto found = clients_.find(client);
  if (amount == 0 || found == clients_.end()) return;
  found->second.*what -= amount;
  if (found->second.none()) clients_.erase(found);
}

bool ClientShares::connect(const std::string& client) {
  const std::lock_guard lock(mutex_);
  return take(client, &Use::connections, 1, limits_.connections);
}

void ClientShares::disconnect(const std::string& client) {
  const std::lock_guard lock(mutex_);
  give(client, &Use::connections, 1);
}

bool ClientShares::begin_stream(const std::string& client) {
  const std::lock_guard lock(mutex_);
  return take(client, &Use::streams, 1, limits_.streams);
}

void ClientShares::end_stream(const std::string& client) {
  const std::lock_guard lock(mutex_);
  give(client, &Use::streams, 1);
}

bool ClientShares::take_body(const std::string& client, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes > limits_.all_body_bytes || all_body_bytes_ > limits_.all_body_bytes - bytes) return false;
  if (!take(client, &Use::body_bytes, bytes, limits_.body_bytes)) return false;
  all_body_bytes_ += bytes;
  return true;
}

void ClientShares::give_body(const std::string& client, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  give(client, &Use::body_bytes, bytes);
  all_body_bytes_ -= bytes;
}

}  // namespace conclave
