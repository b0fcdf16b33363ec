#include "dirserver/dir_chunks.h"

#include <algorithm>
#include <limits>

#include "base/limits.h"
#include "dirserver/dir_attrs.h"
#include "dirserver/dir_copies.h"

namespace conclave::dir {
namespace {

static_assert(kLastPosition == kMaxFileBytes / kChunkBytes);
constexpr int kMaxPlaces = 256;

v1::Layout nothing_at(std::uint64_t position) {
  v1::Layout out;
  out.set_index(position);
  out.set_start_bytes(position * kChunkBytes);
  return out;
}

Status check_place(const Call& call, const v1::PlaceRequest& request) {
  if (request.indexes_size() > kMaxPlaces) return Error(Errc::kInvalid, "more than 256 chunks");
  const auto too_far = [](std::uint64_t position) { return position > kLastPosition; };
  if (std::any_of(request.indexes().begin(), request.indexes().end(), too_far)) return Error(Errc::kFileTooBig);
  const InodeId inode{request.inode()};
  if (request.create()) return require_lease(call, request.token(), inode, {LeaseMode::kWrite, LeaseMode::kShared});
  return require_lease(call, request.token(), inode, {LeaseMode::kRead, LeaseMode::kWrite, LeaseMode::kShared, LeaseMode::kSharedRead});
}

// What stands behind the indexes in a response.
Status add_ends(View& view, const Call& call, const v1::PlaceRequest& request, v1::PlaceResponse& out) {
  const InodeId inode{request.inode()};
  if (request.tail()) {
    const auto last = TRY(view.last_chunk(inode));
    if (last) *out.add_layouts() = layout_of(*call.keys, *last);
  }
  if (request.has_at_or_after() && request.at_or_after() <= kLastPosition) {
    const auto next = TRY(view.chunk_from(inode, request.at_or_after()));
    if (next) *out.add_layouts() = layout_of(*call.keys, *next);
  }
  return {};
}

}  // namespace

v1::Layout layout_of(const EpochKeys& keys, const Chunk& chunk) {
  v1::Layout out;
  out.set_index(chunk.position);
  out.set_start_bytes(chunk.start_bytes);
  out.set_permit(string_of(keys.seal(ChunkPermit{chunk.inode, chunk.position, chunk.chunk, chunk.chainver, chunk.members, chunk.born})));
  for (const ServerId member : chunk.members) out.add_members(raw(member));
  out.set_sealed_bytes(chunk.sealed_bytes);
  out.set_cursors(chunk.cursors);
  out.set_chunk(raw(chunk.chunk));
  out.set_born(chunk.born);
  return out;
}

Result<Chunk> place_chunk(Change& change, std::vector<ServerId> members, const NewChunk& where) {
  Chunk chunk;
  chunk.members = std::move(members);
  chunk.inode = where.inode;
  chunk.position = where.position;
  chunk.chunk = change.new_chunk();
  chunk.start_bytes = where.start_bytes;
  chunk.cursors = where.cursors;
  TRY(change.put_chunk(chunk, true));
  return chunk;
}

Result<v1::PlaceResponse> find_places(View& view, const Call& call, const v1::PlaceRequest& request) {
  TRY(check_place(call, request));
  v1::PlaceResponse out;
  for (const std::uint64_t position : request.indexes()) {
    const auto chunk = TRY(view.chunk(InodeId{request.inode()}, position));
    *out.add_layouts() = chunk ? layout_of(*call.keys, *chunk) : nothing_at(position);
  }
  TRY(add_ends(view, call, request, out));
  return out;
}

namespace {

// Chunks of an append file follow each other: only the first is made here, the next ones when one is sealed.
Status check_placeable(View& view, const Node& node, const v1::PlaceRequest& request) {
  if (!node.is_regular()) return Error(Errc::kInvalid, "only regular files have chunks");
  if (!node.is_log()) return {};
  for (const std::uint64_t position : request.indexes()) {
    if (position != 0 && !TRY(view.chunk(node.inode, position))) {
      return Error(Errc::kNotPermitted, "chunks of an append-only file are placed when the one before is sealed");
    }
  }
  return {};
}

Result<std::vector<std::uint64_t>> missing_places(View& view, InodeId inode, const v1::PlaceRequest& request) {
  std::vector<std::uint64_t> wanted(request.indexes().begin(), request.indexes().end());
  if (request.tail() && !TRY(view.last_chunk(inode))) wanted.push_back(0);
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  std::vector<std::uint64_t> missing;
  for (const std::uint64_t position : wanted) {
    if (!TRY(view.chunk(inode, position))) missing.push_back(position);
  }
  return missing;
}

}  // namespace

Result<v1::PlaceResponse> make_places(Change& change, const Call& call, const v1::PlaceRequest& request) {
  View& view = change.view();
  TRY(check_place(call, request));
  const Node* node = TRY(view.node(InodeId{request.inode()}));
  TRY(check_placeable(view, *node, request));
  const auto missing = TRY(missing_places(view, node->inode, request));
  std::vector<std::vector<ServerId>> members;
  for (std::size_t i = 0; i < missing.size(); ++i) members.push_back(TRY(change.choose_members()));
  for (std::size_t i = 0; i < missing.size(); ++i) {
    TRY(place_chunk(change, std::move(members[i]), {node->inode, missing[i], missing[i] * kChunkBytes, ""}));
  }
  return find_places(view, call, request);
}

Result<v1::CommitResponse> commit_size(Change& change, const Call& call, const v1::CommitRequest& request) {
  const InodeId inode{request.inode()};
  TRY(require_lease(call, request.token(), inode, {LeaseMode::kWrite, LeaseMode::kShared}));
  if (request.size_bytes() > kMaxFileBytes) return Error(Errc::kFileTooBig);
  const Node* before = TRY(change.view().node(inode));
  if (!before->is_regular()) return Error(Errc::kInvalid, "only regular files have bytes");
  v1::CommitResponse out;
  // A client cuts with SetAttr, once file servers have cut. So either D has lost that cut with its power, and what was behind
  // the end is here again, or this call is an old one that was given up.
  if (!before->is_log() && before->size_bytes > request.size_bytes()) {
    out.set_longer(true);
    return out;
  }
  TRY(born_of(change, *call.keys, inode, request.born(), *out.mutable_born()));
  Node& node = *TRY(change.edit(inode));
  node.size_bytes = std::max(node.size_bytes, request.size_bytes());   // appenders commit in any order
  node.allocated_bytes = std::min(request.allocated_bytes(), kMaxFileBytes);
  node.mtime_ns = request.mtime_ns();
  if (request.atime_ns() != 0) node.atime_ns = request.atime_ns();
  // The bytes were changed at mtime, and ctime with them; it never goes back.
  node.ctime_ns = std::max(node.ctime_ns, request.mtime_ns());
  ++node.change;
  const bool by_others = request.kill_privileges() || !call.subject.kernel_checked;
  TRY(by_others ? kill_privileges(change, node) : drop_capabilities(change, node));
  *out.mutable_attr() = attr_of(node);
  return out;
}

Result<v1::PunchResponse> punch(Change& change, const Call& call, const v1::PunchRequest& request) {
  const InodeId inode{request.inode()};
  TRY(require_lease(call, request.token(), inode, {LeaseMode::kWrite}));
  if (request.first() > request.last() || request.first() > kLastPosition) return Error(Errc::kInvalid);
  const Node* node = TRY(change.view().node(inode));
  if (node->is_log()) return Error(Errc::kNotPermitted, "an append-only file keeps its bytes");
  const std::size_t all = std::numeric_limits<std::size_t>::max();
  TRY(change.drop_chunks(inode, request.first(), std::min(request.last(), kLastPosition), all));
  return v1::PunchResponse();
}

namespace {

// How many chunks it freed; below `limit` the orphan is gone.
Result<std::size_t> reap_one(Change& change, InodeId orphan, std::size_t limit) {
  auto node = change.view().node(orphan);
  if (!node && node.error().code == Errc::kStale) return std::size_t{0};
  if (!node) return std::move(node).error();
  if ((*node)->nlink != 0) return Error(Errc::kCorrupt, "an orphan with a name");
  const std::size_t freed = TRY(change.drop_chunks(orphan, 0, kLastPosition, limit));
  if (freed == limit) return freed;
  TRY(change.erase_node(orphan));
  TRY(change.drop_orphan(orphan));
  return freed;
}

}  // namespace

Status reap(Change& change, const std::vector<InodeId>& orphans, std::size_t& next, std::size_t limit) {
  while (next < orphans.size() && limit != 0) {
    const std::size_t freed = TRY(reap_one(change, orphans[next], limit));
    if (freed < limit) ++next;
    limit -= std::min(limit, std::max<std::size_t>(freed, 1));
  }
  return {};
}

}  // namespace conclave::dir
