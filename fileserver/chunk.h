// A chunk in memory: its head and table, the sectors that are in the journal but not yet in its file, and what
// recovery would find of it. It knows how a change acts on bytes; ChunkStore says when.
//
// Sectors in `pending` hide those in the file. The file is only ever written where the journal, synced, could write it
// again (checkpoint), or by a direct write (write_middle), whose bytes are nowhere else. After a crash a direct write
// may be there in part, with or without its record. So recovery does not believe the table:
//   - the sectors of direct records since the last checkpoint are summed again;
//   - so is all of a chunk with a kDirty record since then. One is made durable before the first direct write to a
//     chunk after each checkpoint of it; a chunk that had none yet needs it only for overwriting (`risky`);
//   - what a lost direct write left in holes is punched, so that no later torn write lets it show through.
// And before a direct write onto sectors that are pending or cleared, the file is brought to what they are, and
// synced: else a torn write would show what was there before, which may be older than what was synced.
// What is summed again has been written since the last checkpoint and not been synced after it, or it is whole.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <shared_mutex>

#include "fileserver/chunk_file.h"
#include "fileserver/chunk_journal.h"
#include "fileserver/op_record.h"
#include "fileserver/replica_log.h"

namespace conclave::file {

using Sector = std::array<std::uint8_t, kSectorBytes>;
using Sectors = std::map<std::uint32_t, std::unique_ptr<Sector>>;

// What a change does to bytes, worked out before the journal has it.
struct Staged {
  Sectors sectors;                   // their new content
  std::uint32_t clear_first = 0;     // these become holes
  std::uint32_t clear_end = 0;
};

// One thread at a time changes a chunk: the one that has its turn (chunk_store.h). It reads without the mutex, and
// holds it alone while it changes what is below; others read with it shared.
struct Chunk {
  explicit Chunk(ChunkId chunk) : id(chunk) {}
  const ChunkId id;
  mutable std::shared_mutex mutex;

  bool loaded = false;
  bool removed = false;
  ChunkHead head;
  BlockTable table;                  // of the file, with holes for what is cleared
  Sectors pending;
  SectorSet risky;                   // the file may hold something there, whatever the table says
  bool checkpointed = false;         // the file has a slot
  bool dirty = false;                // the kDirty record is durable
  std::shared_ptr<ChunkFile> file;   // null: none yet
  bool name_durable = true;          // the file's name survives power loss
  ReplicaLog log;
  Lsn last_lsn = 0;                  // of the latest change
  std::uint64_t direct_writes = 0;   // ever
  std::uint64_t direct_synced = 0;   // of these, known to survive power loss
  std::atomic<Lsn> first_lsn = 0;    // changes from here on are only in the journal; 0: none. Written under the store's
                                     // mutex
  std::size_t cached_bytes = 0;      // as the store counts it, under its mutex

  // From its file, if it has one, as of the checkpoint `complete`.
  Status load(Files& files, const std::string& path, Lsn complete = kAllRecovered);

  [[nodiscard]] bool has(std::uint32_t sector) const { return pending.contains(sector) || table.has(sector); }
  [[nodiscard]] SectorSet present() const;
  [[nodiscard]] std::size_t memory_bytes() const { return table.memory_bytes() + pending.size() * sizeof(Sector); }

  // Whole sectors, holes as zeros, not verified. `expected` gets, for each, its checksum if it came from the file.
  struct Expected {
    bool from_file = false;
    std::uint32_t sum = 0;
  };
  Status read(std::uint32_t first, ByteSpan out, std::vector<Expected>* expected) const;

  // What a record's bytes (all of them, or those around the middle) and its kind do. kCorrupt when a sector that is
  // changed in part fails its checksum and `verify` is set: recovery does not verify, see above.
  Result<Staged> stage(const OpRecord& record, ByteView bytes, bool verify) const;
  // Takes it over, with the record's middle as written and its head.
  void absorb(Staged staged, const OpRecord& record, ByteView body);

  // The middle of a direct write into the file. On failure nothing else changed, but what was there is summed again.
  Status write_middle(const OpRecord& record, ByteView middle);
  // Sums sectors that the file has again where they do not fit; returns how many.
  Result<std::uint32_t> sum_again(const SectorSet& suspects);
  // The file does not hold what the chunk does in [first, end): some is pending, or cleared and not yet punched.
  [[nodiscard]] bool unsettled(std::uint32_t first, std::uint32_t end) const;
  // Makes it so. The journal must be synced up to last_lsn: it does the same again.
  Status settle(std::uint32_t first, std::uint32_t end);
  // Writes `pending` and the head into the file, for checkpoint `lsn`, after `complete`. The journal must be synced up
  // to last_lsn; the file's sync follows.
  Status checkpoint(Lsn lsn, Lsn complete);
};

// Sums of whole sectors; kCorrupt names the first one that does not fit.
Status verify_sectors(ChunkId chunk, std::uint32_t first, ByteView bytes, const std::vector<Chunk::Expected>& expected,
                      std::vector<std::uint32_t>& sums);

}  // namespace conclave::file
