// Rule: one inode's bytes between write(2) and the disks of the file servers. Pure: no thread, no clock, no call;
// the owner locks, sends what take() gives and tells what became of it.
//
//   dirty   written here, no file server has it              take() → flying
//   flying  being sent                                       answered() → sent, failed() → dirty
//   aside   about to be cut off                              settle_aside() → gone, or dirty
//   sent    every member's kernel has it, no disk surely     committed() → gone, or a restart → dirty
//           (another member that answers as the chunk's new master is none, if it is the start that took the bytes)
//
// Sent bytes stay until committed, because a file server that restarted may have lost them. No two flying pieces
// overlap, so the order in which servers apply them does not matter. Which chunk took the bytes is told with each answer:
// where a file was cut and has grown again there is another chunk, on other servers, and that is no restart.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "client/bytes/block_range.h"
#include "client/bytes/held_bytes.h"
#include "fileserver/member_starts.h"

namespace conclave::client {

// Where bytes landed. A chunk is of one place in one file for ever.
struct Landing {
  ChunkId chunk{};
  file::MemberStarts starts;   // of its members that have them
  friend bool operator==(const Landing&, const Landing&) = default;
};

class WriteBuffer {
 public:
  // No piece is larger, or crosses a multiple of it: one request to one file server.
  static constexpr std::uint64_t kUnit = kMaxIoBytes;

  // A run of bytes; the string is not changed while it is shared.
  struct Piece {
    std::shared_ptr<std::string> bytes;
    std::size_t from = 0;
    std::size_t length = 0;
    [[nodiscard]] ByteView view() const { return view_of(*bytes).subspan(from, length); }
  };
  struct Flying {
    std::uint64_t id = 0;
    std::uint64_t offset = 0;  // in the file
    Piece piece;
  };
  using Landings = std::map<std::uint64_t, Landing>;  // by the chunk's number in the file
  // What one F.Commit must cover.
  struct Covered {
    std::uint64_t upto = 0;  // for committed() and restarted()
    Landings landings;
  };

  // `all`: the mount's account, which has what this holds at any time.
  explicit WriteBuffer(std::shared_ptr<HeldBytes> all = std::make_shared<HeldBytes>())
      : dirty_bytes_(all), sent_bytes_(all), aside_bytes_(std::move(all)) {}
  WriteBuffer(const WriteBuffer&) = delete;
  WriteBuffer& operator=(const WriteBuffer&) = delete;

  // Newer bytes replace older ones.
  void write(std::uint64_t offset, ByteView bytes);
  // Puts what is here over `out`, which holds the file server's bytes of [offset, offset + out.size()).
  void overlay(std::uint64_t offset, ByteSpan out) const;
  // The parts of `range` that are not here and must be read, in order.
  [[nodiscard]] std::vector<ByteRange> gaps(ByteRange range) const;
  // Forgets the bytes of the range. Precondition: !flying_in(range).
  void discard(ByteRange range);
  // Before a range is cut off or zeroed: its bytes are read here still, and sent no more. Precondition: !flying_in(range).
  void set_aside(ByteRange range);
  // Whether it was done: what is aside is forgotten, or dirty again where nothing newer lies.
  void settle_aside(bool done);

  // The lowest dirty piece that overlaps nothing flying; it is flying now. With `whole_units_only`, only pieces
  // that fill their unit: what a sequential writer has finished with.
  std::optional<Flying> take(bool whole_units_only = false);
  [[nodiscard]] bool has_whole_unit() const { return !whole_units_.empty(); }
  // The members have it. If whoever answered was started again since the chunk's earlier answers, what they covered is
  // dirty again.
  // False: some of that is not here any more (let_go) and may be lost.
  bool answered(std::uint64_t id, Landing landing);
  // The chunk's members cut it or zeroed a part: to be committed like bytes, but not to be repeated from here.
  // False as above.
  bool changed(std::uint64_t chunk_number, Landing landing);
  // Not sent: dirty again where nothing newer lies. False: it was cleared meanwhile, and what lies there now is newer.
  bool failed(std::uint64_t id);

  [[nodiscard]] Covered covered() const;
  void committed(const Covered& covered);
  // The commit was refused because a server had restarted: all that it covers is dirty again. False as above.
  bool restarted(const Covered& covered);
  // The lease goes back: forgets the bytes of what was sent, keeps where they landed for a later fsync.
  void let_go();
  // All is given up (the file is gone, or the session was fenced). What is flying is forgotten when it lands, and no commit
  // that is on its way covers what is written after.
  void clear();

  // The size that may be told to D: no unsent byte lies between `committed_size` and it.
  [[nodiscard]] std::uint64_t stable_size(std::uint64_t size, std::uint64_t committed_size) const;
  [[nodiscard]] bool flying_in(ByteRange range) const;
  [[nodiscard]] bool flying() const { return !flying_.empty(); }
  [[nodiscard]] bool dirty() const { return !dirty_.empty(); }
  // Something is here that a server or a disk does not have; what was let go is not.
  [[nodiscard]] bool holds() const { return held_bytes() != 0; }
  // Something of the inode is on no disk for sure, here or let go: fsync must commit.
  [[nodiscard]] bool uncommitted() const { return !unsynced_.empty(); }
  [[nodiscard]] std::size_t held_bytes() const {
    return dirty_bytes_.bytes() + sent_bytes_.bytes() + aside_bytes_.bytes();
  }
  [[nodiscard]] std::size_t dirty_bytes() const { return dirty_bytes_.bytes(); }

 private:
  struct Sent {
    Piece piece;
    std::uint64_t answer = 0;  // rises with each answer; 0: flying
    Landing landing;
  };
  struct Unsynced {
    Landing landing;
    std::uint64_t newest = 0;  // the last answer; 0: none yet
    bool bytes_gone = false;   // an answer that is not committed covers what is not here
  };
  using DirtyMap = std::map<std::uint64_t, Piece>;
  using SentMap = std::map<std::uint64_t, Sent>;

  void write_unit(std::uint64_t offset, ByteView bytes);
  bool grow_in_place(std::uint64_t offset, ByteView bytes);
  void add_dirty(std::uint64_t offset, Piece piece);
  DirtyMap::iterator remove_dirty(DirtyMap::iterator at);
  void cut_dirty(ByteRange range);
  void cut_sent(ByteRange range);
  bool landed(std::uint64_t chunk_number, Landing landing);
  void dirty_again(std::uint64_t offset, const Piece& piece);
  template <class Wanted>
  void send_again(Wanted wanted);

  DirtyMap dirty_;                                 // by file offset; no two overlap
  SentMap sent_;                                   // flying and sent, by file offset; no two overlap
  DirtyMap aside_;                                 // see set_aside
  std::map<std::uint64_t, std::uint64_t> flying_;  // id → offset in sent_
  std::set<std::uint64_t> whole_units_;            // offsets of dirty pieces of kUnit bytes
  std::map<std::uint64_t, Unsynced> unsynced_;     // by chunk number, while something of it is uncommitted
  std::uint64_t next_id_ = 1;
  std::uint64_t answers_ = 0;
  HeldShare dirty_bytes_;
  HeldShare sent_bytes_;
  HeldShare aside_bytes_;
};

}  // namespace conclave::client
