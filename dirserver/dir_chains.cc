#include "dirserver/dir_chains.h"

#include <algorithm>

#include "base/limits.h"
#include "dirserver/dir_chunks.h"

namespace conclave::dir {
namespace {

constexpr std::size_t kInstanceBytes = 16;
constexpr std::size_t kMaxHostBytes = 255;      // of a DNS name
constexpr std::size_t kMaxCursorsBytes = 64 << 10;
constexpr int kMaxDeleted = 10000;              // ten answers' worth
constexpr std::size_t kMaxRemove = 1000;

Status check_registration(const v1::RegisterRequest& request) {
  const bool port = request.port() != 0 && request.port() <= 65535 && request.back_port() <= 65535;
  if (!port || request.host().empty() || request.host().size() > kMaxHostBytes) return Error(Errc::kInvalid, "no address");
  if (request.instance().size() != kInstanceBytes) return Error(Errc::kInvalid, "an instance has 16 bytes");
  return {};
}

// The row that is this server's, or a new one.
Result<ServerRow> row_for(View& view, const Server& server, const std::string& instance) {
  ServerRow out;
  for (ServerRow& row : TRY(view.servers())) {
    out.id = std::max(out.id, row.id);
    if (row.name == server.name && row.state == ServerState::kRemoved) {
      return Error(Errc::kNotPermitted, "file server '" + server.name + "' was removed: join with a new token");
    }
    if (row.name == server.name && row.instance == instance) return row;
    if (row.name == server.name) {
      return Error(Errc::kNotPermitted, "file server '" + server.name + "' is registered with another data folder: its "
                   "certificate serves that one only; join this folder with a new token");
    }
    if (row.instance == instance) {
      return Error(Errc::kNotPermitted, "this data folder is registered as file server '" + row.name +
                   "': start it with that certificate");
    }
  }
  out.id = ServerId{raw(out.id) + 1};
  out.name = server.name;
  out.instance = instance;
  return out;
}

}  // namespace

Result<ServerRow> register_server(Change& change, const Server& server, const v1::RegisterRequest& request) {
  TRY(check_registration(request));
  ServerRow row = TRY(row_for(change.view(), server, request.instance()));
  row.host = request.host();
  row.port = request.port();
  row.back_port = request.back_port();
  TRY(change.put_server(row));
  return row;
}

Status forget_deleted(Change& change, ServerId id, const v1::HeartbeatRequest& request) {
  if (request.deleted_size() > kMaxDeleted) return Error(Errc::kInvalid, "too many deleted chunks in one heartbeat");
  for (const std::uint64_t chunk : request.deleted()) TRY(change.forget_frees(id, ChunkId{chunk}));
  return {};
}

Result<v1::HeartbeatResponse> answer_heartbeat(View& view, const Server& server, ServerId id,
                                               std::uint64_t fence_acknowledged, std::uint64_t synced_commit,
                                               std::vector<v1::Member> members) {
  v1::HeartbeatResponse out;
  const EpochKeys& keys = *server.keys;
  out.set_epoch(keys.epoch());
  out.set_key(string_of(keys.current().bytes.view()));
  if (keys.previous()) {
    out.set_previous_epoch(keys.previous()->epoch);
    out.set_previous_key(string_of(keys.previous()->bytes.view()));
  }
  out.set_newest_fence(fence_acknowledged);
  for (const View::Fence& fence : TRY(view.fences(fence_acknowledged))) {
    out.add_fenced(raw(fence.session));
    out.set_newest_fence(std::max(out.newest_fence(), fence.number));
  }
  for (v1::Member& member : members) *out.add_members() = std::move(member);
  for (const ChunkId chunk : TRY(view.frees(id, synced_commit, kMaxRemove))) out.add_remove(raw(chunk));
  return out;
}

Result<std::vector<Chunk>> take_out(Change& change, const std::vector<ChunkPlace>& places, const ServerTest& goes) {
  std::vector<Chunk> changed;
  for (const ChunkPlace& place : places) {
    auto chunk = TRY(change.view().chunk(place.inode, place.position));
    if (!chunk || !leave(*chunk, goes, change.placing().min_insync)) continue;
    TRY(change.put_chunk(*chunk, false));
    changed.push_back(*std::move(chunk));
  }
  return changed;
}

namespace {

// The row that a permit speaks of, if it is current and `server` its master.
Result<Chunk> mastered_chunk(Change& change, const Server& server, const std::string& sealed_permit,
                             bool older_too = false) {   // a permit of before the latest change of members
  const ChunkPermit permit = TRY(server.keys->open_permit(view_of(sealed_permit)));
  auto chunk = TRY(change.view().chunk(permit.inode, permit.index));
  if (!chunk || chunk->chunk != permit.chunk) return Error(Errc::kStale, "the chunk is gone");
  const auto id = change.placing().servers.id_of(server.name);
  const bool is_master = id && chunk->members.front() == *id;
  const bool was_master = id && permit.chainver < chunk->chainver && permit.members.front() == *id;
  if (!is_master && was_master) return Error(Errc::kStale, "the chunk has another master now");
  if (!is_master) return Error(Errc::kAccess, "only a chunk's master may ask this");
  const bool older = permit.chainver < chunk->chainver;
  if (chunk->chainver != permit.chainver && !(older_too && older)) {
    return Error(Errc::kStale, "the chunk's members are others now");
  }
  return *std::move(chunk);
}

bool contains(const google::protobuf::RepeatedField<std::uint32_t>& lost, ServerId id) {
  return std::find(lost.begin(), lost.end(), raw(id)) != lost.end();
}

bool taken_out_before(const Chunk& chunk, const google::protobuf::RepeatedField<std::uint32_t>& lost) {
  return !lost.empty() && std::all_of(lost.begin(), lost.end(), [&](std::uint32_t id) {
    return is_former(chunk, ServerId{id});
  });
}

}  // namespace

Result<v1::ShrinkResponse> shrink(Change& change, const Server& server, const v1::ShrinkRequest& request) {
  Chunk chunk = TRY(mastered_chunk(change, server, request.permit(), true));
  const ServerId master = chunk.members.front();
  if (taken_out_before(chunk, request.lost())) {   // the first answer was lost
    v1::ShrinkResponse again;
    *again.mutable_layout() = layout_of(*server.keys, chunk);
    return again;
  }
  TRY(mastered_chunk(change, server, request.permit()));
  if (contains(request.lost(), master)) return Error(Errc::kInvalid, "a master does not take itself out");
  const auto is_lost = [&](ServerId id) { return contains(request.lost(), id); };
  const auto lost = std::ranges::count_if(chunk.members, is_lost);
  if (lost == 0) return Error(Errc::kInvalid, "none of the lost is a member");
  if (chunk.members.size() - static_cast<std::size_t>(lost) < change.placing().min_insync) {
    return Error(Errc::kUnavailable, "fewer copies than min_insync would be left");
  }
  leave(chunk, is_lost, change.placing().min_insync);
  TRY(change.put_chunk(chunk, false));
  v1::ShrinkResponse out;
  *out.mutable_layout() = layout_of(*server.keys, chunk);
  return out;
}

Result<v1::AdmitResponse> admit_copy(Change& change, const Server& server, const v1::AdmitRequest& request) {
  const ServerId newcomer{request.server()};
  Chunk chunk = TRY(mastered_chunk(change, server, request.permit(), true));
  const ChunkPermit permit = TRY(server.keys->open_permit(view_of(request.permit())));
  const bool answered_before = chunk.chainver == permit.chainver + 1 && is_member(chunk, newcomer);
  if (raw(newcomer) != 0 && !answered_before) {
    TRY(mastered_chunk(change, server, request.permit()));
    if (!admit(chunk, newcomer)) ++chunk.chainver;
    TRY(change.put_chunk(chunk, false));
  }
  v1::AdmitResponse out;
  *out.mutable_layout() = layout_of(*server.keys, chunk);
  return out;
}

std::optional<v1::BringIn> bring_in_of(const EpochKeys& keys, const Chunk& chunk, ServerId master, ServerId newcomer) {
  const bool copies = raw(newcomer) != 0;
  if (chunk.members.front() != master || (copies && !is_former(chunk, newcomer))) return std::nullopt;
  v1::BringIn out;
  out.set_chunk(raw(chunk.chunk));
  out.set_permit(layout_of(keys, chunk).permit());
  out.set_server(raw(newcomer));
  if (!copies) return out;
  Chunk with = chunk;
  with.members.push_back(newcomer);
  out.set_copy_permit(layout_of(keys, with).permit());
  return out;
}

namespace {

Status check_seal(View& view, const Chunk& chunk, const v1::SealRequest& request) {
  const Node* node = TRY(view.node(chunk.inode));
  if (!node->is_log()) return Error(Errc::kInvalid, "only chunks of append files are sealed");
  if (request.length_bytes() == 0 || request.length_bytes() > kChunkBytes) return Error(Errc::kInvalid, "no such length");
  if (request.cursors().size() > kMaxCursorsBytes) return Error(Errc::kMessageTooBig, "too many cursors");
  if (chunk.position >= kLastPosition) return Error(Errc::kFileTooBig);
  if (chunk.sealed_bytes != 0 && chunk.sealed_bytes != request.length_bytes()) {
    return Error(Errc::kStale, "the chunk was sealed with another length");
  }
  return {};
}

}  // namespace

Result<v1::SealResponse> seal(Change& change, const Server& server, const v1::SealRequest& request) {
  View& view = change.view();
  Chunk chunk = TRY(mastered_chunk(change, server, request.permit()));
  TRY(check_seal(view, chunk, request));
  v1::SealResponse out;
  if (chunk.sealed_bytes != 0) {
    const auto next = TRY(view.chunk(chunk.inode, chunk.position + 1));
    if (!next) return Error(Errc::kCorrupt, "a sealed chunk without a next one");
    *out.mutable_next() = layout_of(*server.keys, *next);
    return out;
  }
  auto members = TRY(change.choose_members());
  chunk.sealed_bytes = request.length_bytes();
  chunk.born = true;   // its master seals what every member has made durable
  TRY(change.put_chunk(chunk, false));
  const std::uint64_t end = chunk.start_bytes + chunk.sealed_bytes;
  const NewChunk where{chunk.inode, chunk.position + 1, end, request.cursors()};
  *out.mutable_next() = layout_of(*server.keys, TRY(place_chunk(change, std::move(members), where)));
  Node& node = *TRY(change.edit(chunk.inode));
  node.size_bytes = std::max(node.size_bytes, end);
  ++node.change;
  return out;
}

}  // namespace conclave::dir
