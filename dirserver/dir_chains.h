// What file servers tell and ask: registration, heartbeats, in-sync sets, sealed chunks. D owns the configuration
// of every chunk, so that file servers need no consensus. Core: knows no transport.
//
// The caller is the file server of the certificate's name; each of these that changes something is committed synced.
#pragma once

#include "dirserver/chunk_chain.h"
#include "dirserver/dir_change.h"
#include "dirserver/session_gate.h"

namespace conclave::dir {

// A file server as its certificate names it, and the keys its answers and permits are sealed with.
struct Server {
  std::string name;
  std::shared_ptr<const EpochKeys> keys;
};

// Its row, made or with its new address. kNotPermitted: the certificate or the data folder belongs to another.
Result<ServerRow> register_server(Change& change, const Server& server, const v1::RegisterRequest& request);
// Forgets copies that are gone now.
Status forget_deleted(Change& change, ServerId id, const v1::HeartbeatRequest& request);
// Keys, fences that it has not acknowledged, members, and copies to delete (freed by `synced_commit` at the latest).
Result<v1::HeartbeatResponse> answer_heartbeat(View& view, const Server& server, ServerId id,
                                               std::uint64_t fence_acknowledged, std::uint64_t synced_commit,
                                               std::vector<v1::Member> members);

// The chunks at `places` lose the members in sync that `goes` says yes to, as far as others are left (chunk_chain.h).
// Returns those that changed, as they are then. For a server that is dead, and for a copy that is bad. To be committed
// synced.
Result<std::vector<Chunk>> take_out(Change& change, const std::vector<ChunkPlace>& places, const ServerTest& goes);

// Takes members out of the in-sync set. kStale: the permit is not current; kAccess: not the master; kUnavailable:
// too few would be left.
Result<v1::ShrinkResponse> shrink(Change& change, const Server& server, const v1::ShrinkRequest& request);
// A former copy has caught up: it is a member from now on (AdmitRequest). kStale, kAccess.
Result<v1::AdmitResponse> admit_copy(Change& change, const Server& server, const v1::AdmitRequest& request);
// What a master is told of a copy that it is to make; nothing if that is not to be done any more.
std::optional<v1::BringIn> bring_in_of(const EpochKeys& keys, const Chunk& chunk, ServerId master, ServerId newcomer);
// Closes the tail of an append file and places the next chunk; asked again it answers the same. kStale, kAccess,
// kInvalid, kUnavailable, kNoSpace.
Result<v1::SealResponse> seal(Change& change, const Server& server, const v1::SealRequest& request);

}  // namespace conclave::dir
