#include "fileserver/chunk_journal.h"

#include <algorithm>
#include <optional>

#include "base/canonical.h"
#include "base/limits.h"

namespace conclave::file {
namespace {

constexpr std::uint64_t kSegmentMagic = 0x4366734a6f75726e;  // "CfsJourn"
constexpr std::uint32_t kRecordMagic = 0x43667352;           // "CfsR"
constexpr std::uint32_t kVersion = 1;
constexpr std::uint64_t kSegmentStart = 4096;
constexpr std::size_t kSegmentHeadBytes = 24;
constexpr std::size_t kRecordHeadBytes = 29;
constexpr std::size_t kSumBytes = 4;
constexpr std::size_t kMaxRecordBytes = 128u << 10;          // 64 KiB of bytes, their op, sums of a MiB
constexpr std::uint64_t kKeptForPressingBytes = 16u << 10;
constexpr std::size_t kWindowBytes = 1u << 20;
constexpr std::size_t kZerosBytes = 1u << 20;

std::string segment_path(const std::string& folder, std::uint64_t number) {
  return folder + "/journal-" + std::to_string(number);
}

Bytes encode_head(Lsn first) {
  Bytes out = CanonicalWriter().u64(kSegmentMagic).u32(kVersion).u64(first).bytes();
  const std::uint32_t sum = crc32c(out);
  const Bytes sum_bytes = CanonicalWriter().u32(sum).bytes();
  out.insert(out.end(), sum_bytes.begin(), sum_bytes.end());
  return out;
}

// The first lsn of a segment, 0 if it has never been begun.
Result<Lsn> read_head(File& file) {
  Bytes bytes(kSegmentHeadBytes);
  bytes.resize(TRY(file.read_at(0, bytes)));
  CanonicalReader in(bytes);
  const bool ours = in.u64() == kSegmentMagic && in.u32() == kVersion;
  const Lsn first = in.u64();
  const std::uint32_t sum = in.u32();
  if (!ours || !in.finish("segment") || crc32c(ByteView(bytes).first(kSegmentHeadBytes - kSumBytes)) != sum) return Lsn{0};
  return first;
}

Status fill_with_zeros(File& file, std::uint64_t size_bytes) {
  const Bytes zeros(kZerosBytes);
  for (std::uint64_t at = 0; at < size_bytes; at += zeros.size()) {
    TRY(file.write_at(at, ByteView(zeros).first(std::min<std::uint64_t>(zeros.size(), size_bytes - at))));
  }
  return file.sync();
}

// Reads a segment's records in order.
class SegmentReader {
 public:
  SegmentReader(File& file, std::uint64_t size_bytes) : file_(file), size_bytes_(size_bytes) {}

  struct Found {
    ChunkJournal::Record record;   // until the next call
    std::uint64_t run = 0;
  };
  // Nothing: here is no record with this lsn.
  Result<std::optional<Found>> next(Lsn lsn) {
    TRY(fill());
    const ByteView rest = ByteView(window_).subspan(read_);
    CanonicalReader in(rest);
    const bool ours = in.u32() == kRecordMagic;
    const std::uint32_t length = in.u32();
    Found found;
    found.record.lsn = in.u64();
    found.run = in.u64();
    const std::uint8_t type = in.u8();
    const std::uint32_t meta = in.u32();
    if (in.failed() || !ours || found.record.lsn != lsn || length > kMaxRecordBytes || length > rest.size() ||
        length < kRecordHeadBytes + kSumBytes || meta > length - kRecordHeadBytes - kSumBytes || type < 1 ||
        type > static_cast<std::uint8_t>(ChunkJournal::Type::kNamed)) {
      return std::optional<Found>();
    }
    const std::uint32_t sum = CanonicalReader(rest.subspan(length - kSumBytes)).u32();
    if (crc32c(rest.first(length - kSumBytes)) != sum) return std::optional<Found>();
    found.record.type = static_cast<ChunkJournal::Type>(type);
    found.record.meta = rest.subspan(kRecordHeadBytes, meta);
    found.record.bytes = rest.subspan(kRecordHeadBytes + meta, length - kRecordHeadBytes - kSumBytes - meta);
    read_ += length;
    return std::optional(found);
  }
  [[nodiscard]] std::uint64_t position() const { return window_at_ + read_; }

 private:
  Status fill() {
    if (window_.size() - read_ >= kMaxRecordBytes || window_at_ + window_.size() >= size_bytes_) return {};
    window_at_ += read_;
    read_ = 0;
    window_.resize(std::min<std::uint64_t>(kWindowBytes, size_bytes_ - window_at_));
    window_.resize(TRY(file_.read_at(window_at_, window_)));
    return {};
  }

  File& file_;
  const std::uint64_t size_bytes_;
  Bytes window_;
  std::uint64_t window_at_ = kSegmentStart;
  std::size_t read_ = 0;
};

}  // namespace

ChunkJournal::ChunkJournal(Files& files, Waiter& waiter, Random& random, std::string folder, Options options)
    : files_(files), waiter_(waiter), folder_(std::move(folder)), options_(options), run_(random.u64()) {}

Result<std::unique_ptr<ChunkJournal>> ChunkJournal::open(Files& files, Waiter& waiter, Random& random,
                                                         std::string folder, Options options) {
  std::unique_ptr<ChunkJournal> out(new ChunkJournal(files, waiter, random, std::move(folder), options));
  TRY(out->find_segments());
  return out;
}

Status ChunkJournal::find_segments() {
  const std::string prefix = "journal-";
  for (const std::string& name : TRY(files_.list(folder_))) {
    if (!name.starts_with(prefix)) continue;
    Segment segment;
    segment.number = std::strtoull(name.c_str() + prefix.size(), nullptr, 10);
    segment.file = TRY(files_.open(folder_ + "/" + name, OpenMode::kReadWrite));
    segment.first = TRY(read_head(*segment.file));
    if (segment.first == 0 && TRY(segment.file->size()) < options_.segment_bytes) {
      TRY(files_.remove(segment_path(folder_, segment.number)));   // a crash while it was made
      continue;
    }
    (segment.first == 0 ? free_ : live_).push_back(std::move(segment));
  }
  std::ranges::sort(live_, {}, &Segment::first);
  if (live_.empty() && free_.empty()) free_.push_back(TRY(make_segment(0)));
  return {};
}

// Zeros to its end, durable with its name.
Result<ChunkJournal::Segment> ChunkJournal::make_segment(std::uint64_t number) {
  Segment out;
  out.number = number;
  const std::string path = segment_path(folder_, number);
  out.file = TRY(files_.open(path, OpenMode::kCreate));
  const Status filled = fill_with_zeros(*out.file, options_.segment_bytes);
  if (!filled) {
    out.file = nullptr;
    static_cast<void>(files_.remove(path));   // what there is of it is of no use; the first error is the one to tell
    return in_context("making the journal's " + path, filled.error());
  }
  TRY(files_.sync_folder(folder_));
  return out;
}

Status ChunkJournal::begin_segment(Segment& segment, Lsn first) {
  TRY(segment.file->write_at(0, encode_head(first)));
  segment.first = first;
  segment.used = kSegmentStart;
  return {};
}

// Up to where everything is durable elsewhere, as any segment says. Each is read by itself, also one that was freed
// and perhaps written over: a checkpoint that was true once stays true, so the greatest counts.
Result<Lsn> ChunkJournal::last_checkpoint() {
  Lsn out = live_.front().first;
  bool found_one = false;
  for (const Segment& segment : live_) {
    SegmentReader reader(*segment.file, options_.segment_bytes);
    for (Lsn lsn = segment.first;; ++lsn) {
      const auto found = TRY(reader.next(lsn));
      if (!found) break;
      if (found->record.type != Type::kCheckpoint) continue;
      const Lsn end = CanonicalReader(found->record.meta).u64();
      out = found_one ? std::max(out, end) : end;
      found_one = true;
    }
  }
  return out;
}

// Reads on from segment.first == next_; `run` is that of the record before, or nothing.
Status ChunkJournal::replay_segment(Segment& segment, Lsn from, std::optional<std::uint64_t>& run,
                                    const std::function<Status(const Record&)>& take) {
  SegmentReader reader(*segment.file, options_.segment_bytes);
  segment.used = kSegmentStart;
  for (;;) {
    const auto found = TRY(reader.next(next_));
    if (!found || (run && found->run != *run && found->record.type != Type::kOpen)) return {};
    run = found->run;
    ++next_;
    segment.used = reader.position();
    if (found->record.lsn >= from) TRY(take(found->record));
  }
}

// What is read is synced before it is believed: a record that was seen once is there for ever.
Status ChunkJournal::replay(const std::function<Status(const Record&)>& take,
                            const std::function<Status(Lsn end)>& reached) {
  CHECK(!replayed_);
  for (const Segment& segment : live_) TRY(segment.file->sync());
  if (!live_.empty()) {
    const Lsn from = replayed_from_ = TRY(last_checkpoint());
    while (live_.size() > 1 && live_[1].first <= from) free_first();
    next_ = live_.front().first;
    std::optional<std::uint64_t> run;
    std::size_t used = 0;
    for (; used < live_.size() && live_[used].first == next_; ++used) {
      TRY(replay_segment(live_[used], from, run, take));
    }
    while (live_.size() > used) {   // behind a torn end: never promised
      free_.push_back(std::move(live_.back()));
      live_.pop_back();
    }
  }
  synced_ = next_;
  TRY(reached(next_));
  replayed_ = true;
  TRY(append(Type::kOpen, {}));
  return {};
}

void ChunkJournal::free_first() {
  free_.push_back(std::move(live_.front()));
  live_.pop_front();
}

Result<Lsn> ChunkJournal::append(Type type, ByteView meta, std::span<const ByteView> bytes) {
  const std::lock_guard lock(mutex_);
  if (failed_) return Error(Errc::kIo, "this disk failed before");
  CHECK(replayed_);
  std::size_t length = kRecordHeadBytes + meta.size() + kSumBytes;
  for (const ByteView part : bytes) length += part.size();
  CHECK(length <= kMaxRecordBytes);
  // Records that make room for others, and that of a start, always find some.
  const bool pressing = type == Type::kCheckpoint || type == Type::kOpen || type == Type::kRemove;
  const std::uint64_t kept = !pressing && free_.empty() ? kKeptForPressingBytes : 0;
  if (live_.empty() || live_.back().used + length + kept > options_.segment_bytes) {
    if (free_.empty()) return Error(Errc::kOverloaded, "the journal is full: its checkpoint is under way");
    if (!live_.empty()) unsynced_.push_back(live_.back().file);
    TRY(begin_segment(free_.front(), next_));
    live_.push_back(std::move(free_.front()));
    free_.pop_front();
  }
  CanonicalWriter head;
  head.u32(kRecordMagic).u32(static_cast<std::uint32_t>(length)).u64(next_).u64(run_);
  head.u8(static_cast<std::uint8_t>(type)).u32(static_cast<std::uint32_t>(meta.size()));
  record_ = head.bytes();
  record_.reserve(length);
  record_.insert(record_.end(), meta.begin(), meta.end());
  for (const ByteView part : bytes) record_.insert(record_.end(), part.begin(), part.end());
  const std::uint32_t sum = crc32c(record_);
  for (int shift = 24; shift >= 0; shift -= 8) record_.push_back(static_cast<std::uint8_t>(sum >> shift));
  const Status written = live_.back().file->write_at(live_.back().used, record_);
  if (!written) {
    failed_ = true;   // half a record may be there, and the next one would hide behind it
    return written.error();
  }
  live_.back().used += length;
  return next_++;
}

Status ChunkJournal::sync(Lsn end) {
  Lsn target = 0;
  std::vector<std::shared_ptr<File>> files;
  for (;;) {
    const auto seen = waiter_.observe(&synced_);
    {
      const std::lock_guard lock(mutex_);
      if (failed_) return Error(Errc::kIo, "this disk failed before");
      if (synced_ >= end) return {};
      if (!syncing_) {
        syncing_ = true;
        target = next_;
        files = std::exchange(unsynced_, {});
        files.push_back(live_.back().file);
        break;
      }
    }
    waiter_.wait(&synced_, seen, kNever);
  }
  Status status;
  for (const auto& file : files) {
    if (status) status = file->sync();
  }
  {
    const std::lock_guard lock(mutex_);
    syncing_ = false;
    if (status) synced_ = std::max(synced_, target);
    else failed_ = true;
  }
  waiter_.wake(&synced_);
  return status;
}

Lsn ChunkJournal::end() const {
  const std::lock_guard lock(mutex_);
  return next_;
}

Lsn ChunkJournal::synced() const {
  const std::lock_guard lock(mutex_);
  return synced_;
}

std::uint64_t ChunkJournal::room_bytes() const {
  const std::uint64_t in_last = live_.empty() ? 0 : options_.segment_bytes - live_.back().used;
  return in_last + free_.size() * (options_.segment_bytes - kSegmentStart);
}

bool ChunkJournal::wants_checkpoint() const {
  const std::lock_guard lock(mutex_);
  const std::size_t to_come = options_.max_segments - std::min(options_.max_segments, live_.size() + free_.size());
  return to_come == 0 && room_bytes() < options_.segment_bytes / 2;
}

bool ChunkJournal::nearly_full() const {
  const std::lock_guard lock(mutex_);
  return room_bytes() < options_.segment_bytes / 4;
}

Status ChunkJournal::prepare() {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    if (room_bytes() >= options_.segment_bytes / 2 || live_.size() + free_.size() >= options_.max_segments) return {};
    for (const auto* list : {&live_, &free_}) {
      for (const Segment& segment : *list) number = std::max(number, segment.number + 1);
    }
  }
  Segment segment = TRY(make_segment(number));
  const std::lock_guard lock(mutex_);
  free_.push_back(std::move(segment));
  return {};
}

Status ChunkJournal::checkpointed(Lsn end) {
  const Lsn lsn = TRY(append(Type::kCheckpoint, CanonicalWriter().u64(end).bytes()));
  TRY(sync(lsn + 1));
  const std::lock_guard lock(mutex_);
  while (live_.size() > 1 && live_[1].first <= end) {
    free_first();
  }
  return {};
}

std::uint64_t ChunkJournal::used_bytes() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t used = 0;
  for (const Segment& segment : live_) used += segment.used;
  return used;
}

}  // namespace conclave::file
