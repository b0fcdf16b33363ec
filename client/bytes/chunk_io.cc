#include "client/bytes/chunk_io.h"

#include <algorithm>
#include <cstring>

namespace conclave::client {
namespace {

constexpr std::uint64_t kPlacesAhead = 16;  // a sequential reader asks D once a GiB

// The file is there, its places change faster than they can be followed: later, perhaps.
Error still_moving(const Error& stale) { return {Errc::kUnavailable, stale.message}; }

}  // namespace

void ChunkIo::forget_layout(Inode& inode, std::uint64_t index) {
  const std::lock_guard lock(inode.mutex);
  inode.bytes.layouts.erase(index);
}

void ChunkIo::forget_layouts_from(Inode& inode, std::uint64_t index) {
  const std::lock_guard lock(inode.mutex);
  inode.bytes.layouts.erase(inode.bytes.layouts.lower_bound(index), inode.bytes.layouts.end());
}

void ChunkIo::learn_layout(Inode& inode, const dir::v1::Layout& layout, std::uint64_t since) {
  const std::lock_guard lock(inode.mutex);
  if (inode.bytes.layouts_since != since) inode.bytes.layouts.clear();
  inode.bytes.layouts_since = since;
  inode.bytes.layouts[layout.index()] = layout;
}

Status ChunkIo::learn_servers() {
  servers_.file()->set_servers(TRY(servers_.dir()->servers()));
  return {};
}

Result<file::ChunkPlace> ChunkIo::place_of(const dir::v1::Layout& layout) {
  file::ChunkPlace place = file::ChunkPlace::of(layout);
  if (!servers_.file()->knows(place)) TRY(learn_servers());
  return place;
}

Result<dir::v1::Layout> ChunkIo::layout(Inode& inode, const Held& held, std::uint64_t index, bool create) {
  dir::v1::PlaceRequest request;
  {
    const std::lock_guard lock(inode.mutex);
    if (inode.bytes.layouts_since != held.since) inode.bytes.layouts.clear();
    inode.bytes.layouts_since = held.since;
    const auto known = inode.bytes.layouts.find(index);
    if (known != inode.bytes.layouts.end() && (!create || !known->second.permit().empty())) return known->second;
    const std::uint64_t last = create ? index : chunk_of(std::max<std::uint64_t>(inode.attributes.now.size_bytes(), 1) - 1);
    request.add_indexes(index);
    for (std::uint64_t i = index + 1; i <= last && i < index + kPlacesAhead; ++i) request.add_indexes(i);
  }
  request.set_create(create);
  const auto found = TRY(ask_layout(inode, held, std::move(request), index));
  if (create && found.permit().empty()) return Error(Errc::kIo, "the directory server gave no place for a chunk");
  return found;
}

Result<dir::v1::Layout> ChunkIo::ask_layout(Inode& inode, const Held& held, dir::v1::PlaceRequest request,
                                            std::uint64_t index) {
  request.set_inode(raw(inode.id));
  const auto answer = TRY(under_newest(inode, held, [&](const std::string& token) {
    request.set_token(token);
    return servers_.dir()->place(request);
  }));
  const std::lock_guard lock(inode.mutex);
  dir::v1::Layout found;
  found.set_index(index);
  for (const dir::v1::Layout& one : answer.layouts()) {
    if (one.index() == index) found = one;
    if (inode.bytes.layouts_since == held.since) inode.bytes.layouts[one.index()] = one;
  }
  return found;
}

// As D has it now, which may have taken `silent` out of it.
Result<dir::v1::Layout> ChunkIo::layout_without(Inode& inode, const Held& held, std::uint64_t index, ServerId silent) {
  dir::v1::PlaceRequest request;
  request.add_indexes(index);
  request.add_silent(raw(silent));
  return ask_layout(inode, held, std::move(request), index);
}

// `where`, and how to go on if a file server of it gives no answer. Good while `inode` and `held` are.
Result<file::ChunkPlace> ChunkIo::followed(Inode& inode, const Held& held, const dir::v1::Layout& where) {
  file::ChunkPlace place = TRY(place_of(where));
  place.again = [this, &inode, &held, index = where.index(), chunk = place.chunk](ServerId silent) -> Result<file::ChunkPlace> {
    const auto now = TRY(layout_without(inode, held, index, silent));
    if (ChunkId{now.chunk()} != chunk) return Error(Errc::kStale, "the chunk was freed meanwhile");
    return followed(inode, held, now);
  };
  return place;
}

// A newer lease than `held` may be in use here without a gap between (another program wanted to write), and F, once it
// has seen the newer, takes the older for one that was recalled.
std::string ChunkIo::newest_token(Inode& inode, const Held& held) {
  const std::lock_guard lock(inode.mutex);
  return inode.bytes.token_since == held.since && held.since != 0 ? inode.bytes.token : held.token;
}

// Runs act(place, token); a place that is not current is asked anew. A hole is a place without members.
template <class Do>
auto ChunkIo::with_place(Inode& inode, const Held& held, std::uint64_t index, bool create, Do act)
    -> decltype(act(file::ChunkPlace(), held.token)) {
  for (int attempt = 1;; ++attempt) {
    const auto where = TRY(layout(inode, held, index, create));
    if (where.permit().empty()) return act(file::ChunkPlace(), held.token);
    const file::ChunkPlace place = TRY(followed(inode, held, where));
    auto done = under_newest(inode, held, [&](const std::string& token) { return act(place, token); });
    if (done || done.error().code != Errc::kStale) return done;
    if (attempt == kPlaceAttempts) return still_moving(done.error());
    forget_layout(inode, index);
  }
}

Result<std::string> ChunkIo::read_piece(Inode& inode, const Held& held, const ChunkPiece& piece) {
  return with_place(inode, held, piece.index, false, [&](const auto& place, const auto& token) -> Result<std::string> {
    if (place.members.empty()) return std::string();
    return servers_.file()->read(place, token, piece.offset_in_chunk, piece.length);
  });
}

Status ChunkIo::read(Inode& inode, const Held& held, std::uint64_t offset, ByteSpan out) {
  Status status;
  for_each_piece({offset, offset + out.size()}, kMaxIoBytes, [&](const ChunkPiece& piece) {
    const auto bytes = read_piece(inode, held, piece);
    if (!bytes) {
      status = bytes.error();
      return false;
    }
    const std::size_t got = std::min<std::size_t>(bytes->size(), piece.length);
    std::memcpy(out.data(), bytes->data(), got);
    std::memset(out.data() + got, 0, piece.length - got);
    out = out.subspan(piece.length);
    return true;
  });
  return status;
}

Result<Landing> ChunkIo::write(Inode& inode, const Held& held, std::uint64_t offset, ByteView bytes) {
  const std::uint64_t index = chunk_of(offset);
  return with_place(inode, held, index, true, [&](const auto& place, const auto& token) -> Result<Landing> {
    const auto written = TRY(servers_.file()->write(place, token, offset % kChunkBytes, string_of(bytes)));
    if (written.moved) forget_layout(inode, index);
    return Landing{place.chunk, written.starts};
  });
}

// Freed chunks need nothing. `silent` gave no answer. `unborn`: those of which D does not know yet that they are born.
Result<std::vector<file::FileClient::Dirty>> ChunkIo::dirty_of(Inode& inode, const Held& held,
                                                               const WriteBuffer::Landings& landings, ServerId silent,
                                                               Births& unborn) {
  std::vector<file::FileClient::Dirty> out;
  unborn.clear();
  for (const auto& [index, landing] : landings) {
    auto where = TRY(layout(inode, held, index, false));
    if (!where.members().empty() && ServerId{where.members(0)} == silent) {
      where = TRY(layout_without(inode, held, index, silent));
    }
    if (where.permit().empty() || ChunkId{where.chunk()} != landing.chunk) continue;
    out.push_back({TRY(place_of(where)), landing.starts});
    if (!where.born()) unborn.push_back(where);
  }
  return out;
}

Status ChunkIo::commit_once(Inode& inode, const Held& held, const WriteBuffer::Landings& landings, Births* births) {
  for (int attempt = 1;; ++attempt) {
    Births unborn;
    const auto places = [&](ServerId silent) { return dirty_of(inode, held, landings, silent, unborn); };
    const Status done = under_newest(inode, held, [&](const std::string& token) {
      return servers_.file()->commit(token, places, births != nullptr);
    });
    if (done && births == nullptr) {   // their permits say so from now on
      for (const dir::v1::Layout& one : unborn) forget_layout(inode, one.index());
    }
    if (done && births != nullptr) *births = std::move(unborn);
    // Who was restarted may be the master no more: another member has what it lost.
    const bool moved = !done && (done.error().code == Errc::kStale || (done.error().code == Errc::kRestarted && attempt == 1));
    if (!moved) return done;
    if (attempt == kPlaceAttempts) return still_moving(done.error());
    for (const auto& [index, landing] : landings) forget_layout(inode, index);
  }
}

// One server was restarted: each chunk is asked for, because nothing of the others was lost.
Status ChunkIo::commit(Inode& inode, const Held& held, const WriteBuffer::Landings& landings,
                       WriteBuffer::Landings& restarted, Births* births) {
  Status done = commit_once(inode, held, landings, births);
  if (done || done.error().code != Errc::kRestarted) return done;
  for (const auto& landing : landings) {
    const Status one = commit_once(inode, held, {landing}, nullptr);
    if (!one && one.error().code == Errc::kRestarted) restarted.insert(landing);
  }
  return done;
}

Status ChunkIo::changed(Inode& inode, std::uint64_t index, Landing landing) {
  const std::lock_guard lock(inode.mutex);
  if (!inode.bytes.buffer.changed(index, landing)) return Error(Errc::kIo, "a file server restarted and lost bytes");
  return {};
}

Status ChunkIo::cut(Inode& inode, const Held& held, std::uint64_t size) {
  const std::uint64_t inside = size % kChunkBytes;
  if (inside == 0) return {};
  const std::uint64_t index = chunk_of(size);
  return with_place(inode, held, index, false, [&](const auto& place, const auto& token) -> Status {
    if (place.members.empty()) return {};
    return changed(inode, index, {place.chunk, TRY(servers_.file()->truncate(place, token, inside))});
  });
}

Status ChunkIo::zero(Inode& inode, const Held& held, ByteRange range) {
  const WholeChunks whole = whole_chunks(range);
  if (whole.any) {
    dir::v1::PunchRequest request;
    request.set_inode(raw(inode.id));
    request.set_first(whole.first);
    request.set_last(whole.last);
    TRY(under_newest(inode, held, [&](const std::string& token) {
      request.set_token(token);
      return servers_.dir()->punch(request);
    }));
    const std::lock_guard lock(inode.mutex);
    inode.bytes.layouts.erase(inode.bytes.layouts.lower_bound(whole.first), inode.bytes.layouts.upper_bound(whole.last));
  }
  Status status;
  const auto zero_piece = [&](const ChunkPiece& piece) {
    status = with_place(inode, held, piece.index, false, [&](const auto& place, const auto& token) -> Status {
      if (place.members.empty()) return {};
      const auto starts = TRY(servers_.file()->zero(place, token, piece.offset_in_chunk, piece.length));
      return changed(inode, piece.index, {place.chunk, starts});
    });
    return status.has_value();
  };
  if (!whole.any) {
    for_each_piece(range, kChunkBytes, zero_piece);
    return status;
  }
  for_each_piece({range.begin, chunk_start(whole.first)}, kChunkBytes, zero_piece);
  if (status) for_each_piece({chunk_start(whole.last + 1), range.end}, kChunkBytes, zero_piece);
  return status;
}

// Data of one chunk, at or after `offset` of the file, as ranges of the file; nothing for a hole.
Result<ChunkIo::Extents> ChunkIo::extents(Inode& inode, const Held& held, std::uint64_t offset) {
  Extents out;
  const std::uint64_t start = chunk_start(chunk_of(offset));
  const Status asked = with_place(inode, held, chunk_of(offset), false, [&](const auto& place, const auto& token) -> Status {
    out = {!place.members.empty(), {}};
    if (!out.exists) return {};
    const auto found = TRY(servers_.file()->extents(place, token, offset - start));
    for (const auto& one : found.extents()) {
      const std::uint64_t begin = start + one.offset_bytes();
      out.data.push_back({begin, begin + one.length_bytes()});
    }
    return {};
  });
  TRY(asked);
  return out;
}

// The start of the first chunk at or after `index`; kMaxFileBytes if there is none. D knows: a sparse file has
// room for 2^37 chunks.
Result<std::uint64_t> ChunkIo::next_chunk(Inode& inode, const Held& held, std::uint64_t index) {
  dir::v1::PlaceRequest request;
  request.set_inode(raw(inode.id));
  request.set_at_or_after(index);
  const auto next = TRY(under_newest(inode, held, [&](const std::string& token) {
    request.set_token(token);
    return servers_.dir()->place(request);
  }));
  if (next.layouts_size() == 0 || next.layouts(0).permit().empty()) return kMaxFileBytes;
  return chunk_start(next.layouts(0).index());
}

Result<std::uint64_t> ChunkIo::seek(Inode& inode, const Held& held, std::uint64_t offset, std::uint64_t size,
                                    bool hole) {
  while (offset < size) {
    const auto found = TRY(extents(inode, held, offset));
    if (!found.exists && hole) return offset;
    if (!found.exists) {
      offset = std::max(offset + 1, TRY(next_chunk(inode, held, chunk_of(offset) + 1)));
      continue;
    }
    const std::uint64_t end = chunk_start(chunk_of(offset) + 1);
    for (const ByteRange& data : found.data) {
      if (data.end <= offset) continue;
      if (!hole) return std::min(size, std::max(offset, data.begin));
      if (data.begin > offset) return offset;
      offset = data.end;
    }
    if (hole && offset < end) return std::min(size, offset);
    offset = end;
  }
  return size;
}

Result<std::uint64_t> ChunkIo::copy(Inode& from, const Held& from_held, std::uint64_t from_offset, Inode& to,
                                    const Held& to_held, std::uint64_t to_offset, std::uint64_t length) {
  const ChunkPiece in = first_piece({from_offset, from_offset + length});
  const ChunkPiece out = first_piece({to_offset, to_offset + in.length});
  const auto source = TRY(layout(from, from_held, in.index, false));
  if (source.permit().empty()) return Errc::kNotSupported;
  const auto target = TRY(layout(to, to_held, out.index, true));
  const file::ChunkPlace source_place = TRY(place_of(source));
  const file::ChunkPlace target_place = TRY(place_of(target));
  const auto copied = TRY(servers_.file()->copy(source_place, from_held.token, in.offset_in_chunk, target_place, to_held.token,
                                     out.offset_in_chunk, out.length));
  return copied.copied_bytes();
}

}  // namespace conclave::client
