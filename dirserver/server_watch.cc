#include "dirserver/server_watch.h"

#include "base/certificate.h"
#include "base/limits.h"
#include "dirserver/dir_chains.h"

namespace conclave::dir {
namespace {

constexpr Duration kLook = 100ms;
constexpr Duration kPatience = 200ms;          // with one address
constexpr Duration kAskAgain = 1s;             // one that says nothing at all
constexpr Duration kLookAgain = 2s;
constexpr std::size_t kChunksAtOnce = 500;     // in one commit: ~10 ms, in which others wait

}  // namespace

void ServerWatch::tick(MonoTime now) {
  next_ = now + kLook;
  look_at_suspects(now);
  const std::set<ServerId> gone = servers_.gone(clock_.now());
  const std::set<ServerId> dead = servers_.dead(clock_.now());
  std::erase_if(look_again_, [&](const auto& one) { return !dead.contains(one.first); });
  for (const ServerId server : gone) {
    const auto found = look_again_.find(server);
    const bool all = dead.contains(server) && (found == look_again_.end() || now >= found->second);
    const Status replaced = all ? replace_all(server, gone) : replace_asked(server, gone);
    if (!replaced) log_.error("chunks of a dead file server keep it", {{"id", raw(server)}, {"error", replaced.error()}});
    if (all) look_again_[server] = now + kLookAgain;
  }
}

void ServerWatch::look_at_suspects(MonoTime now) {
  for (const auto& [row, boot] : servers_.suspects(now)) {
    const auto found = ask_again_.find(row.id);
    if (found != ask_again_.end() && now < found->second) continue;
    const Endpoint front{server_dns_name(Role::kFile, row.name, cluster_), row.host,
                         static_cast<std::uint16_t>(row.port)};
    const auto listens = listens_(front, clock_.now() + kPatience);
    ask_again_[row.id] = listens ? now : now + kAskAgain;
    if (!listens || *listens) continue;
    log_.info("a file server has ended: nobody listens at its address", {{"name", row.name}, {"host", row.host}});
    servers_.ended(row.id, boot);
  }
}

// A new master knows nothing of what the other members have.
void ServerWatch::tell_members(const Chunk& chunk) {
  if (chunk.members.size() < 2) return;
  jobs_.drop(chunk.chunk);   // of the master before
  jobs_.add({{chunk.inode, chunk.position}, chunk.chunk, chunk.members.front(), ServerId{0}, clock_.now()}, SIZE_MAX);
}

Result<std::size_t> ServerWatch::replace(const std::vector<ChunkPlace>& places, const std::set<ServerId>& gone) {
  std::vector<Chunk> changed;
  TRY(store_.commit_status(true, [&](Change& change) -> Status {
    changed = TRY(take_out(change, places, [&](ServerId id) { return gone.contains(id); }));
    return {};
  }));
  for (const Chunk& chunk : changed) tell_members(chunk);
  return changed.size();
}

Status ServerWatch::replace_asked(ServerId server, const std::set<ServerId>& gone) {
  const auto places = servers_.take_asked(server);
  if (places.empty()) return {};
  TRY(replace(places, gone));
  return {};
}

Status ServerWatch::replace_all(ServerId server, const std::set<ServerId>& gone) {
  static_cast<void>(servers_.take_asked(server));
  std::size_t replaced = 0;
  for (ChunkPlace after;;) {
    const auto places = TRY(store_.read<std::vector<ChunkPlace>>(
        [&](View& view) { return view.copies_at(server, true, after, kChunksAtOnce); }));
    if (places.empty()) break;
    replaced += TRY(replace(places, gone));
    after = places.back();
  }
  if (replaced != 0) {
    log_.info("a dead file server was taken out of its chunks", {{"id", raw(server)}, {"chunks", replaced}});
  }
  return {};
}

}  // namespace conclave::dir
