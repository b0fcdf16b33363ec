// All chunks of one data folder: "FOLDER/chunks", "FOLDER/journal-N". Any crash leaves every block readable, with all
// that sync() covered; what was written since may be there in part, sector by sector (chunk.h says why).
//
// Small writes live in the journal and in memory until a checkpoint puts them into their chunk's file: a chunk that
// is made, synced and removed again in between costs no file. Writes of a block or more go straight to the file.
//
// Thread-safe. Changes of one chunk take turns. Calls may block in Files::sync and at the Waiter; reads do not block
// but for a change of the same chunk. Memory: bounded by Options. Nothing is kept of chunks that are not in use.
// Once a sync or a write of the journal has failed, every call is kIo: this disk is out (failed() says so).
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/log.h"
#include "base/turns.h"
#include "fileserver/chunk.h"

namespace conclave::file {

class ChunkStore {
 public:
  struct Options {
    ChunkJournal::Options journal;
    std::size_t checkpoint_bytes = 24u << 20;      // of sectors that are only in the journal: a checkpoint is due
    std::size_t most_pending_bytes = 64u << 20;    // writers wait for it
    std::size_t most_cached_chunks = 512;          // with their file open, beside those with changes in the journal
    std::size_t most_cached_bytes = 24u << 20;     // of their tables
    std::uint64_t reserve_bytes = 32u << 20;       // of the disk: what is pending must find room. kNoSpace below
    Duration checkpoint_after = std::chrono::seconds(10);
    // Which run of the machine this is (the kernel's boot id, at most 64 characters): while it is the same, what was
    // written is read again, synced or not, whichever processes died. Empty: nobody knows.
    std::string machine_run;
  };
  struct Seams {
    Files& files;
    Clock& clock;
    Waiter& waiter;
    Random& random;
    Log& log;
  };

  // Recovers what the journal has. kReadOnly, kNoSpace, kIo, kBusy (another process has the folder), kCorrupt.
  static Result<std::unique_ptr<ChunkStore>> open(Seams seams, std::string folder, Options options);

  struct Applied {
    ChunkOp op;                        // with the numbers and, of an append, the offset it got
    std::optional<ChunkHead::Before> before;  // an append that was there already, or a kStart of a started chunk
    bool duplicate = false;            // a member's: applied before
  };
  // op.sequence 0: as the master, which numbers it; else as a member, in order. `sums` are the body's
  // at op.offset; of an append, wherever.
  // kStale: chainver is older than the chunk's, or it is being copied; kMisordered: a member that misses changes or
  // has others (only a copy helps); kNotEmpty: a copy from a master that had less than is here; kNoSpace; kCorrupt: a
  // sector that is changed in part is damaged, or the chunk cannot be opened (a copy replaces it); those of
  // ChunkHead::check_append. Nothing changed after any of them. kIo: unknown.
  Result<Applied> apply(ChunkOp op, ByteView body, const BodySums& sums);

  struct ReadBytes {
    std::string bytes;
    std::uint32_t crc = 0;
  };
  // Up to the chunk's end; nothing of a chunk that is not here. Verified: kCorrupt. kStale while it is being copied.
  Result<ReadBytes> read(ChunkId chunk, std::uint64_t offset, std::uint64_t length);
  // Whole blocks, zeros behind the end, verified.
  Result<std::string> read_blocks(ChunkId chunk, std::uint32_t first, std::uint32_t count);
  // sequence 0 if it is not here. kCorrupt: it cannot be opened.
  Result<ChunkHead> head(ChunkId chunk);
  Result<std::uint64_t> sequence(ChunkId chunk);
  struct Extents {
    std::uint64_t allocated_bytes = 0;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;   // offset, length; by blocks
  };
  Result<Extents> extents(ChunkId chunk);

  // What was applied to these survives power loss.
  Status sync(std::span<const ChunkId> chunks);
  // Gone, also after power loss. One that is not here is fine.
  Status remove(std::span<const ChunkId> chunks);

  // Blocks of [first, first + count) that fail their checksum.
  Result<std::vector<std::uint32_t>> bad_blocks(ChunkId chunk, std::uint32_t first, std::uint32_t count);
  // Writes the sectors of a block that fail their checksum from `bytes` (64 KiB), where these fit it. False: some do not.
  Result<bool> repair(ChunkId chunk, std::uint32_t block, ByteView bytes);

  // Every chunk that lies here, rising within a folder; `folder` is 0 to 255.
  Result<std::vector<ChunkId>> chunks_in_folder(unsigned folder);

  [[nodiscard]] bool checkpoint_due();
  Status checkpoint();
  // Makes the journal's next segment before it is needed. For the duty that calls checkpoint().
  Status prepare();

  // The journal up to here was found at the start, and is durable now: D remembers the greatest synced_to() that it was
  // told, and a store that begins with less has lost something that was promised. Starts that D never heard of do not
  // raise it: "FOLDER/unheard" keeps it over them until heard(). From then on this start has lost nothing, whichever D asks.
  [[nodiscard]] Lsn recovered_to() const { return heard_ ? synced_to() : recovered_to_; }
  [[nodiscard]] Lsn synced_to() const { return journal_->synced(); }
  Status heard();
  // Of all that lie here or were asked for.
  [[nodiscard]] ChunkId highest_chunk();

  struct Counts {
    std::atomic<std::uint64_t> chunks = 0, reads = 0, writes = 0, read_bytes = 0, written_bytes = 0, syncs = 0,
                               bad_blocks = 0, repaired_blocks = 0, recovered_sectors = 0, checkpoints = 0;
  };
  Counts counts;
  [[nodiscard]] bool failed() const { return failed_; }
  // As long as it is the same, everything that was answered here is here, committed or not: a process that is killed
  // loses nothing, for what it answered is with the kernel. Drawn anew in each run of the machine, after the disk failed,
  // and by lose_boot(). "FOLDER/boot" keeps it.
  [[nodiscard]] std::uint64_t boot() const { return boot_; }
  // What is here is not what was here last: a folder that was restored, say.
  void lose_boot();
  Result<DiskSpace> space() { return files_.space(folder_); }
  [[nodiscard]] std::uint64_t journal_bytes() const { return journal_->used_bytes(); }
  [[nodiscard]] std::size_t pending_bytes() const { return pending_bytes_; }

 private:
  using ChunkPtr = std::shared_ptr<Chunk>;
  struct Cached {
    ChunkPtr chunk;
    std::list<ChunkId>::iterator used;
  };
  ChunkStore(Seams seams, std::string folder, Options options);

  Status find_boot();
  Result<ChunkPtr> find(ChunkId id);
  Status discard_damaged(ChunkId id);
  ChunkPtr cached(ChunkId id);
  void evict() REQUIRES(mutex_);
  Status make_room();
  Status check_space(const Chunk& chunk, const OpRecord& record);
  Result<std::optional<Applied>> judge(const Chunk& chunk, ChunkOp& op, ByteView body) const;
  Status change(Chunk& chunk, OpRecord& record, ByteView body);
  Status prepare_direct(Chunk& chunk, const OpRecord& record);
  Status open_file(Chunk& chunk);
  Result<Lsn> log_change(Chunk& chunk, ChunkJournal::Type type, ByteView meta, std::span<const ByteView> bytes);
  void expect_change(Chunk& chunk, Lsn from);
  Result<Lsn> sync_file(Chunk& chunk);
  Status remove_one(ChunkId chunk, std::set<std::string>& folders);
  Result<std::vector<std::uint32_t>> read_verified(const Chunk& chunk, std::uint32_t first, ByteSpan out);
  Status out(Status status);   // a failed sync or journal: this disk is out

  // chunk_checkpoint.cc
  Status checkpoint_now();
  Status checkpoint_some(Lsn end, std::span<const ChunkPtr> chunks, std::set<std::string>& folders);
  Status write_back(Lsn end, Chunk& chunk, bool& named);
  // chunk_recovery.cc
  Status recover();
  Status note_reached(Lsn end);
  Status replay(const ChunkJournal::Record& record);
  Result<ChunkPtr> replayed_chunk(ChunkId id, Lsn lsn, bool begins);
  Status replay_dirty(ChunkId id, Lsn lsn);
  Status replay_op(const ChunkJournal::Record& record);
  Status finish_replay(Chunk& chunk);
  void lose(Chunk& chunk);
  void forget_removed();
  Status count_chunks();

  Files& files_;
  Clock& clock_;
  Random& random_;
  Log& log_;
  const std::string folder_;
  const Options options_;
  std::unique_ptr<File> lock_;
  std::unique_ptr<ChunkJournal> journal_;
  Turns turns_;                                      // by chunk; 0: the checkpoint
  Lsn recovered_to_ = 0;
  std::atomic<bool> heard_ = false;   // D knows of this start
  Lsn complete_ = 0;                                 // the last complete checkpoint; with the checkpoint's turn
  std::atomic<bool> failed_ = false;
  std::atomic<std::uint64_t> boot_ = 0;
  std::atomic<std::size_t> pending_bytes_ = 0;
  std::set<ChunkId> dirty_;                          // during recovery: all of them is summed again
  std::set<ChunkId> named_;                          // during recovery: their files must be there
  std::unordered_map<ChunkId, SectorSet> direct_;    // during recovery: these are

  std::mutex mutex_;
  std::unordered_map<ChunkId, Cached> chunks_ GUARDED_BY(mutex_);
  std::list<ChunkId> used_ GUARDED_BY(mutex_);                     // the latest first
  std::set<ChunkId> changed_ GUARDED_BY(mutex_);                   // with first_lsn != 0
  std::size_t cached_bytes_ GUARDED_BY(mutex_) = 0;
  ChunkId highest_ GUARDED_BY(mutex_){};
  MonoTime last_checkpoint_ GUARDED_BY(mutex_){};
};

}  // namespace conclave::file
