#include "dirserver/chunk_chain.h"

#include <algorithm>

namespace conclave::dir {

bool is_member(const Chunk& chunk, ServerId server) {
  return std::ranges::find(chunk.members, server) != chunk.members.end();
}

bool is_former(const Chunk& chunk, ServerId server) {
  return std::ranges::find(chunk.former, server) != chunk.former.end();
}

bool step_back(Chunk& chunk, const ServerTest& goes) {
  std::vector<ServerId> order = chunk.members;
  const auto back = std::ranges::stable_partition(order, [&](ServerId id) { return !goes(id); });
  if (back.size() == order.size() || order == chunk.members) return false;
  chunk.members = std::move(order);
  ++chunk.chainver;
  return true;
}

bool leave(Chunk& chunk, const ServerTest& goes, unsigned min_insync) {
  std::vector<ServerId> order = chunk.members;
  const auto gone = std::ranges::stable_partition(order, [&](ServerId id) { return !goes(id); });
  const std::size_t left = order.size() - gone.size();
  if (left == 0 || gone.empty()) return false;
  if (left < min_insync) return step_back(chunk, goes);
  chunk.former.insert(chunk.former.end(), gone.begin(), gone.end());
  order.resize(left);
  chunk.members = std::move(order);
  ++chunk.chainver;
  return true;
}

bool admit(Chunk& chunk, ServerId server) {
  if (!is_former(chunk, server) || chunk.members.size() >= kMaxReplicas) return false;
  std::erase(chunk.former, server);
  chunk.members.push_back(server);
  ++chunk.chainver;
  return true;
}

bool expect(Chunk& chunk, ServerId server) {
  if (is_member(chunk, server) || is_former(chunk, server)) return false;
  chunk.former.push_back(server);
  return true;
}

bool forget(Chunk& chunk, ServerId server) { return std::erase(chunk.former, server) != 0; }

}  // namespace conclave::dir
