// What file servers say of the copies that they hold: which chunks are born, and which copies are no good. Core: knows
// no transport; each of these that changes something is committed synced.
#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include "dirserver/dir_chains.h"

namespace conclave::dir {

using ChunkRefs = google::protobuf::RepeatedPtrField<v1::ChunkRef>;

// What becomes of a server's place in a chunk's in-sync set when its copy is missing, behind or damaged. It leaves only
// where another member stands that is up: a damaged copy is better than one that nobody can reach.
enum class Parting : std::uint8_t {
  kIsNone,   // it is no member (any more), or the chunk is gone
  kLeaves,
  kStays,
};
Parting parting_of(const std::optional<Chunk>& chunk, ChunkId named, ServerId id, const ServerTable& servers, MonoTime now);

// Takes a member out of the in-sync set: it has an old copy from now on, and permits that name it are void where they meet
// newer ones. Precondition: there is another member; the first of them is the master.
Status take_out(Change& change, Chunk chunk, ServerId id);

Result<v1::LeaveResponse> leave(Change& change, const Server& server, const v1::LeaveRequest& request);
// A heartbeat's: of which `id` is no member, and which it has to leave by leave_lacking.
struct Partings {
  std::vector<ChunkId> none;
  std::vector<v1::ChunkRef> leaving;
};
Result<Partings> partings_of(View& view, ServerId id, const ChunkRefs& lacking, const ServerTable& servers, MonoTime now);
Status leave_lacking(Change& change, ServerId id, const std::vector<v1::ChunkRef>& leaving);

// kStale: a chunk is not known here, or `server` not its master.
Result<v1::BornResponse> born(Change& change, const Server& server, const v1::BornRequest& request);
// The same for a file's chunks as its writer names them; `out` gets them as they are now.
Status born_of(Change& change, const EpochKeys& keys, InodeId inode, const ChunkRefs& chunks,
               google::protobuf::RepeatedPtrField<v1::Layout>& out);

}  // namespace conclave::dir
