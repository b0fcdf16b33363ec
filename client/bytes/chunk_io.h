// Bytes of plain files at the file servers: finds the chunk's place at D (kept for as long as the lease it was asked
// under), sends, and asks anew when a server says that the place is not current.
//
// All calls block on D and F; thread-safe. Ranges lie below kMaxFileBytes. Errors are theirs, but two are answered here:
// an old place with a new one, up to kPlaceAttempts times and then kUnavailable (it changes faster than it can be
// followed; the file is there), and kOvertaken with a newer lease of this mount, if there is one. While a file server gives
// no answer D is asked who has the chunk now, and the call goes on there.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/bytes.h"
#include "client/session/lease_cache.h"
#include "client/session/servers.h"
#include "client/tree/inode.h"

namespace conclave::client {

// The lease an operation works under, as D and F are shown it.
struct Held {
  std::string token;        // sealed LeaseToken
  std::uint64_t since = 0;  // places asked for under another number are void
};

inline Held held_of(const LeaseCache::Use& use) { return {use.token(), use.since()}; }

class ChunkIo {
 public:
  static constexpr int kPlaceAttempts = 4;  // a failover changes the place once or twice

  explicit ChunkIo(const Servers& servers) : servers_(servers) {}

  // A piece's bytes; fewer than asked when the rest is zeros.
  Result<std::string> read_piece(Inode& inode, const Held& held, const ChunkPiece& piece);
  // Fills `out`; holes and what no server has are zeros.
  Status read(Inode& inode, const Held& held, std::uint64_t offset, ByteSpan out);
  // One piece (it crosses no unit of the write buffer); the chunk is placed if it is new.
  Result<Landing> write(Inode& inode, const Held& held, std::uint64_t offset, ByteView bytes);
  // Makes chunks durable; those that were freed since need nothing. kRestarted: the servers of `restarted` were started
  // anew since those bytes landed, send them again; of the others nothing is known yet. With `births` the caller tells D of
  // those that are put there: chunks that were not born yet. Else D knows of them when this returns.
  Status commit(Inode& inode, const Held& held, const WriteBuffer::Landings& landings, WriteBuffer::Landings& restarted,
                Births* births = nullptr);
  // Cuts the chunk that a file of `size` ends in, so that what is behind reads as zeros when the file grows again. The
  // inode's buffer hears of it, for fsync; kIo if that tells of a restart that lost bytes.
  Status cut(Inode& inode, const Held& held, std::uint64_t size);
  // Zeros: whole chunks are freed at D, the rest is zeroed at F, as for cut; holes stay.
  Status zero(Inode& inode, const Held& held, ByteRange range);
  // The first offset at or after `offset` that has data (or, with `hole`, that has none); `size` where there is none.
  Result<std::uint64_t> seek(Inode& inode, const Held& held, std::uint64_t offset, std::uint64_t size, bool hole);
  // Server-side copy within one pair of chunks; how much was copied. kNotSupported: read and write instead.
  Result<std::uint64_t> copy(Inode& from, const Held& from_held, std::uint64_t from_offset, Inode& to,
                             const Held& to_held, std::uint64_t to_offset, std::uint64_t length);

  // The place of a chunk; an empty permit is a hole. Asked with `create`, there is always one.
  Result<dir::v1::Layout> layout(Inode& inode, const Held& held, std::uint64_t index, bool create);
  // Forgets places: one, or those from `index` on (they were freed).
  static void forget_layout(Inode& inode, std::uint64_t index);
  static void forget_layouts_from(Inode& inode, std::uint64_t index);
  // Runs act(token) under the newest lease that is known here; once more for each that overtook the one before.
  template <class Do>
  static auto under_newest(Inode& inode, const Held& held, Do act) -> decltype(act(held.token)) {
    for (std::string token = newest_token(inode, held);;) {
      auto done = act(token);
      if (done || (done.error().code != Errc::kOvertaken && done.error().code != Errc::kFenced)) return done;
      std::string newer = newest_token(inode, held);
      if (newer == token) return done;
      token = std::move(newer);
    }
  }

  // Remembers what D sent along with another answer.
  static void learn_layout(Inode& inode, const dir::v1::Layout& layout, std::uint64_t since);

  // `layout` as the file client takes it, its servers known to that.
  Result<file::ChunkPlace> place_of(const dir::v1::Layout& layout);

 private:
  template <class Do>
  auto with_place(Inode& inode, const Held& held, std::uint64_t index, bool create, Do act)
      -> decltype(act(file::ChunkPlace(), held.token));
  Result<dir::v1::Layout> ask_layout(Inode& inode, const Held& held, dir::v1::PlaceRequest request, std::uint64_t index);
  Result<dir::v1::Layout> layout_without(Inode& inode, const Held& held, std::uint64_t index, ServerId silent);
  Result<file::ChunkPlace> followed(Inode& inode, const Held& held, const dir::v1::Layout& where);
  static std::string newest_token(Inode& inode, const Held& held);
  struct Extents {
    bool exists = false;          // the chunk
    std::vector<ByteRange> data;  // rising
  };
  Result<Extents> extents(Inode& inode, const Held& held, std::uint64_t offset);
  Result<std::uint64_t> next_chunk(Inode& inode, const Held& held, std::uint64_t index);
  Result<std::vector<file::FileClient::Dirty>> dirty_of(Inode& inode, const Held& held,
                                                        const WriteBuffer::Landings& landings, ServerId silent,
                                                        Births& unborn);
  Status commit_once(Inode& inode, const Held& held, const WriteBuffer::Landings& landings, Births* births);
  Status learn_servers();
  static Status changed(Inode& inode, std::uint64_t index, Landing landing);

  const Servers& servers_;
};

}  // namespace conclave::client
