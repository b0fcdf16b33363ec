// Where a file's bytes lie, and how many there are: placing, committing sizes, freeing. Core: knows no transport.
#pragma once

#include "dirserver/dir_change.h"
#include "dirserver/session_gate.h"

namespace conclave::dir {

inline constexpr std::uint64_t kLastPosition = 0x7fffffffffffffffull >> 26;  // of the chunk that byte kMaxFileBytes lies in

// With the permit that file servers believe.
v1::Layout layout_of(const EpochKeys& keys, const Chunk& chunk);
// The chunk at `position` is not there: puts it on `members` (Change::choose_members, asked before the first change).
struct NewChunk {
  InodeId inode{};
  std::uint64_t position = 0;
  std::uint64_t start_bytes = 0;
  std::string cursors;
};
Result<Chunk> place_chunk(Change& change, std::vector<ServerId> members, const NewChunk& where);

// What is there, in the order of the indexes; then the tail, and the first at or after. kInvalid, kAccess (token).
Result<v1::PlaceResponse> find_places(View& view, const Call& call, const v1::PlaceRequest& request);
// The same, placing what is missing. Also kUnavailable, kNoSpace, kStale (the file is gone).
Result<v1::PlaceResponse> make_places(Change& change, const Call& call, const v1::PlaceRequest& request);

// Size and times as the holder of W (or, append files, S) knows them. kAccess, kFileTooBig, kInvalid, kStale.
Result<v1::CommitResponse> commit_size(Change& change, const Call& call, const v1::CommitRequest& request);
// Frees whole chunks. kAccess, kNotPermitted (append files), kInvalid.
Result<v1::PunchResponse> punch(Change& change, const Call& call, const v1::PunchRequest& request);

// Nobody uses these orphans: frees them from orphans[next] on, until about `limit` chunks are freed. An orphan whose
// chunks are all gone is gone too, and `next` behind it.
Status reap(Change& change, const std::vector<InodeId>& orphans, std::size_t& next, std::size_t limit);

}  // namespace conclave::dir
