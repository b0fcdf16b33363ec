// The write-ahead log of a chunk store: segments of 64 MiB, written with zeros before they are used, so that a sync
// of records writes them and nothing else. "FOLDER/journal-N" is
//
//   0     magic "CfsJourn" (8 bytes), version 1 (4), lsn of its first record (8), crc32c of these (4)
//   4096  records, one after the other, until bytes that are no record
//
// A record: magic "CfsR" (4), length of all of it (4), lsn (8), run (8), type (1), length of meta (4), meta, bytes,
// crc32c of all before it (4). Big-endian. lsn rises by one from record to record, over segments. run is random for
// each opening, and changes only at a kOpen record: what an earlier life left behind the end is never taken for a
// record.
//
// Thread-safe. Records are in the kernel when append returned, and survive power loss when sync(lsn + 1) did. Callers
// of sync form groups: one of them syncs for all that wait.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/guarded.h"
#include "base/random.h"
#include "base/waiter.h"

namespace conclave::file {

using Lsn = std::uint64_t;   // from 1

class ChunkJournal {
 public:
  enum class Type : std::uint8_t { kOpen = 1, kOp = 2, kDirty = 3, kRemove = 4, kCheckpoint = 5, kNamed = 6 };
  struct Record {
    Type type = Type::kOpen;
    Lsn lsn = 0;
    ByteView meta;
    ByteView bytes;
  };
  struct Options {
    std::uint64_t segment_bytes = 64u << 20;   // at least 1 MiB but in tests
    std::size_t max_segments = 2;      // at least 2, made when needed
  };

  // Finds the segments, or makes the first. kNoSpace, kReadOnly, kIo.
  static Result<std::unique_ptr<ChunkJournal>> open(Files& files, Waiter& waiter, Random& random, std::string folder,
                                                    Options options);

  // Gives every record since the last checkpoint to `take`, in order; then, after `reached` was told where the records
  // end and before anything is appended, the journal can be appended to. Once, and before anybody else has the journal.
  Status replay(const std::function<Status(const Record&)>& take,
                const std::function<Status(Lsn end)>& reached = [](Lsn) { return Status(); }) NO_ANALYSIS;

  // Where replay began: everything before is durable elsewhere.
  [[nodiscard]] Lsn replayed_from() const { return replayed_from_; }

  // kOverloaded: no segment is free; nothing was written. kIo: the disk is out, all later calls fail.
  Result<Lsn> append(Type type, ByteView meta, std::span<const ByteView> bytes = {});
  // All records before `end` survive power loss. After a failure: kIo for ever.
  Status sync(Lsn end);
  [[nodiscard]] Lsn end() const;       // of the next record
  [[nodiscard]] Lsn synced() const;

  // A checkpoint is due: half of the last segment that can be had is used.
  [[nodiscard]] bool wants_checkpoint() const;
  // Half of what then was left is used too: writers wait for the checkpoint.
  [[nodiscard]] bool nearly_full() const;
  // Makes one more segment if none is free and there may be more. Blocks for as long as zeros take.
  Status prepare();
  // What records before `end` did is durable elsewhere: they are not replayed any more.
  Status checkpointed(Lsn end);
  [[nodiscard]] std::uint64_t used_bytes() const;

 private:
  struct Segment {
    std::uint64_t number = 0;
    std::shared_ptr<File> file;
    Lsn first = 0;                     // 0: free
    std::uint64_t used = 0;
  };
  ChunkJournal(Files& files, Waiter& waiter, Random& random, std::string folder, Options options);
  Status find_segments() NO_ANALYSIS;                   // while nobody else has the journal, as the next, but for
                                                        // make_segment
  Result<Segment> make_segment(std::uint64_t number);
  Result<Lsn> last_checkpoint() NO_ANALYSIS;
  Status replay_segment(Segment& segment, Lsn from, std::optional<std::uint64_t>& run,
                        const std::function<Status(const Record&)>& take) NO_ANALYSIS;
  void free_first() REQUIRES(mutex_);
  Status begin_segment(Segment& segment, Lsn first);
  [[nodiscard]] std::uint64_t room_bytes() const REQUIRES(mutex_);

  Files& files_;
  Waiter& waiter_;
  const std::string folder_;
  const Options options_;
  const std::uint64_t run_;
  Lsn replayed_from_ = 1;              // set by replay()

  mutable std::mutex mutex_;
  std::deque<Segment> live_ GUARDED_BY(mutex_);                     // the last one is written to
  std::deque<Segment> free_ GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<File>> unsynced_ GUARDED_BY(mutex_);  // full segments, not synced since
  Bytes record_ GUARDED_BY(mutex_);
  Lsn next_ GUARDED_BY(mutex_) = 1;
  Lsn synced_ GUARDED_BY(mutex_) = 1;
  bool syncing_ GUARDED_BY(mutex_) = false;
  bool failed_ GUARDED_BY(mutex_) = false;
  bool replayed_ GUARDED_BY(mutex_) = false;
};

}  // namespace conclave::file
