// What whoever runs the cluster asks about file servers, and decides: to drain one, to remove one.
#include "dirserver/dir_ops.h"
#include "dirserver/dir_trust.h"

namespace conclave::dir {
namespace {

constexpr std::size_t kLookAtOnce = 1000;

Result<ServerRow> row_named(View& view, const std::string& name) {
  std::string known;
  for (ServerRow& row : TRY(view.servers())) {
    if (row.state == ServerState::kRemoved) continue;
    if (row.name == name) return row;
    known += (known.empty() ? "" : ", ") + row.name;
  }
  return Error(Errc::kNotFound, "no file server is named '" + name + "'" +
                                    (known.empty() ? "" : "; there are " + known));
}

// Chunks of which no copy in sync stands but the server's.
Result<std::uint64_t> only_copies(View& view, ServerId server, const std::map<ServerId, Host>& hosts) {
  std::uint64_t out = 0;
  const auto stands = [&](ServerId id) {
    const auto found = hosts.find(id);
    return id != server && found != hosts.end() && found->second.up;
  };
  for (ChunkPlace after;;) {
    const auto places = TRY(view.copies_at(server, true, after, kLookAtOnce));
    for (const ChunkPlace& place : places) {
      const auto chunk = TRY(view.chunk(place.inode, place.position));
      out += chunk && std::ranges::none_of(chunk->members, stands);
    }
    if (places.size() < kLookAtOnce) return out;
    after = places.back();
  }
}

}  // namespace

Result<v1::FileServersResponse> DirOps::file_servers() {
  v1::FileServersResponse out;
  auto known = members();
  TRY(store_.read<bool>([&](View& view) -> Result<bool> {
    for (v1::Member& member : known) {
      auto& one = *out.add_servers();
      one.set_chunks_in_sync(TRY(view.count_copies_at(ServerId{member.id()}, true)));
      *one.mutable_member() = std::move(member);
    }
    return true;
  }));
  *out.mutable_healing() = TRY(healing());
  return out;
}

Result<v1::FileServersResponse> DirOps::set_state(const std::string& name, ServerState state) {
  ServerId id{};
  TRY(store_.commit_status(true, [&](Change& change) -> Status {
    ServerRow row = TRY(row_named(change.view(), name));
    row.state = state;
    id = row.id;
    if (state == ServerState::kRemoved) TRY(change.drop_frees(id));
    return change.put_server(row);
  }));
  placing_.servers.set_state(id, state);
  return file_servers();
}

Result<v1::FileServersResponse> DirOps::drain(const v1::DrainRequest& request) {
  log_.info(request.stop() ? "a file server is not drained any more" : "a file server is drained", {{"name", request.name()}});
  return set_state(request.name(), request.stop() ? ServerState::kInUse : ServerState::kDraining);
}

Result<v1::FileServersResponse> DirOps::remove_server(const v1::RemoveServerRequest& request) {
  const auto hosts = placing_.servers.hosts(placing_.clock.now());
  const auto only = TRY(store_.read<std::uint64_t>([&](View& view) -> Result<std::uint64_t> {
    return only_copies(view, TRY(row_named(view, request.name())).id, hosts);
  }));
  if (only != 0 && !request.lose()) {
    return Error(Errc::kBusy, "file server '" + request.name() + "' has the only copy of " + std::to_string(only) +
                                  (only == 1 ? " chunk" : " chunks") + ": drain it first and wait until nothing is left");
  }
  log_.warning("a file server is removed", {{"name", request.name()}, {"only_copies_lost", only}});
  return set_state(request.name(), ServerState::kRemoved);
}

Result<v1::RecoverResponse> DirOps::recover(const v1::RecoverRequest& request) {
  if (!request.fileserver().empty()) return recover_server(request);
  v1::RecoverResponse out;
  v1::Past newer;
  {
    const std::lock_guard lock(mutex_);
    if (newer_) newer = *newer_;
    out.set_newer_seen_by(newer_seen_by_);
  }
  *out.mutable_own() = store_.past();
  if (newer.identity().empty()) return out;
  *out.mutable_newer() = newer;
  if (!request.accept()) return out;
  TRY(store_.commit_status(true, [&](Change& change) { return change.accept(newer); }));
  log_.warning("an operator has accepted this database although it is an old one", {{"commits seen", newer.commits()}});
  const std::lock_guard lock(mutex_);
  newer_.reset();
  newer_seen_by_.clear();
  placing_.servers.set_doubted(false);
  return out;
}

Result<v1::RecoverResponse> DirOps::recover_server(const v1::RecoverRequest& request) {
  const auto id = placing_.servers.id_of(request.fileserver());
  if (!id) return Error(Errc::kNotFound, "no file server is named '" + request.fileserver() + "'");
  v1::RecoverResponse out;
  out.set_doubted(TRY(count_doubted(store_, *id)));
  for (const v1::Member& member : members()) {
    if (member.id() == raw(*id)) out.set_behind_ns(member.behind_ns());
  }
  if (!request.accept()) return out;
  TRY(trust_again(store_, *id));
  placing_.servers.accepted(*id);
  log_.warning("an operator has accepted what a file server came back with", {{"name", request.fileserver()}});
  return out;
}

}  // namespace conclave::dir
