#include "dirserver/dir_copies.h"

#include <algorithm>

#include "base/limits.h"
#include "dirserver/chunk_chain.h"
#include "dirserver/dir_chunks.h"

namespace conclave::dir {
namespace {

constexpr int kMostPermits = 256;
constexpr int kMostLacking = 1000;
constexpr int kMostSearched = 4;   // in one heartbeat, of those whose file is not known: each reads the whole table

// The row of a chunk, if it is that one.
Result<std::optional<Chunk>> named_chunk(View& view, InodeId inode, std::uint64_t position, ChunkId chunk) {
  auto found = TRY(view.chunk(inode, position));
  if (found && found->chunk != chunk) found.reset();
  return found;
}

// Its writer said so: `chunk` is born.
Status put_born(Change& change, Chunk chunk) {
  if (chunk.born) return {};
  chunk.born = true;
  return change.put_chunk(chunk, false);
}

}  // namespace

Parting parting_of(const std::optional<Chunk>& chunk, ChunkId named, ServerId id, const ServerTable& servers, MonoTime now) {
  if (!chunk || chunk->chunk != named || !is_member(*chunk, id)) return Parting::kIsNone;
  const bool others = std::ranges::any_of(chunk->members, [&](ServerId other) { return other != id && servers.up(other, now); });
  return others ? Parting::kLeaves : Parting::kStays;
}

Status take_out(Change& change, Chunk chunk, ServerId id) {
  CHECK(leave(chunk, [&](ServerId one) { return one == id; }, 1));
  return change.put_chunk(chunk, false);
}

Result<v1::LeaveResponse> leave(Change& change, const Server& server, const v1::LeaveRequest& request) {
  if (request.permits_size() > kMostPermits) return Error(Errc::kInvalid, "at most 256 permits");
  const auto& placing = change.placing();
  const auto id = placing.servers.id_of(server.name);
  if (!id) return Error(Errc::kStale, "register first");
  std::vector<std::optional<Chunk>> rows;
  std::vector<ChunkId> named;
  for (const std::string& sealed : request.permits()) {
    const ChunkPermit permit = TRY(server.keys->open_permit(view_of(sealed)));
    named.push_back(permit.chunk);
    rows.push_back(TRY(change.view().chunk(permit.inode, permit.index)));
  }
  v1::LeaveResponse out;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Parting parting = parting_of(rows[i], named[i], *id, placing.servers, placing.clock.now());
    if (parting == Parting::kLeaves) TRY(take_out(change, *std::move(rows[i]), *id));
    if (parting != Parting::kStays) out.add_left(raw(named[i]));
  }
  return out;
}

Result<Partings> partings_of(View& view, ServerId id, const ChunkRefs& lacking, const ServerTable& servers, MonoTime now) {
  if (lacking.size() > kMostLacking) return Error(Errc::kInvalid, "too many chunks in one heartbeat");
  Partings out;
  int searched = 0;
  for (const v1::ChunkRef& one : lacking) {
    const ChunkId named{one.chunk()};
    if (one.inode() == 0 && ++searched > kMostSearched) continue;
    const auto row = one.inode() == 0 ? TRY(view.chunk_by_id(named)) : TRY(view.chunk(InodeId{one.inode()}, one.index()));
    const Parting parting = parting_of(row, named, id, servers, now);
    if (parting == Parting::kIsNone) out.none.push_back(named);
    if (parting != Parting::kLeaves) continue;
    v1::ChunkRef& leaving = out.leaving.emplace_back(one);
    leaving.set_inode(raw(row->inode));
    leaving.set_index(row->position);
  }
  return out;
}

Status leave_lacking(Change& change, ServerId id, const std::vector<v1::ChunkRef>& leaving) {
  const auto& placing = change.placing();
  for (const v1::ChunkRef& one : leaving) {
    auto row = TRY(change.view().chunk(InodeId{one.inode()}, one.index()));
    const Parting parting = parting_of(row, ChunkId{one.chunk()}, id, placing.servers, placing.clock.now());
    if (parting == Parting::kLeaves) TRY(take_out(change, *std::move(row), id));
  }
  return {};
}

Result<v1::BornResponse> born(Change& change, const Server& server, const v1::BornRequest& request) {
  if (request.permits_size() > kMostPermits) return Error(Errc::kInvalid, "at most 256 permits");
  const auto id = change.placing().servers.id_of(server.name);
  std::vector<Chunk> rows;
  for (const std::string& sealed : request.permits()) {
    const ChunkPermit permit = TRY(server.keys->open_permit(view_of(sealed)));
    auto row = TRY(named_chunk(change.view(), permit.inode, permit.index, permit.chunk));
    if (!row) return Error(Errc::kStale, "the chunk is not known to the directory server");
    if (!id || row->members.front() != *id) return Error(Errc::kStale, "the chunk's members are others now");
    rows.push_back(*std::move(row));
  }
  for (Chunk& row : rows) TRY(put_born(change, std::move(row)));
  return v1::BornResponse();
}

Status born_of(Change& change, const EpochKeys& keys, InodeId inode, const ChunkRefs& chunks,
               google::protobuf::RepeatedPtrField<v1::Layout>& out) {
  if (chunks.size() > kMostPermits) return Error(Errc::kInvalid, "at most 256 chunks");
  std::vector<Chunk> rows;
  for (const v1::ChunkRef& one : chunks) {
    auto row = TRY(named_chunk(change.view(), inode, one.index(), ChunkId{one.chunk()}));
    if (!row) return Error(Errc::kStale, "a chunk that was written is not known to the directory server");
    rows.push_back(*std::move(row));
  }
  for (Chunk& row : rows) {
    TRY(put_born(change, row));
    row.born = true;
    *out.Add() = layout_of(keys, row);
  }
  return {};
}

}  // namespace conclave::dir
