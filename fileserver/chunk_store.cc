#include "fileserver/chunk_store.h"

#include <algorithm>

#include "base/canonical.h"

namespace conclave::file {
namespace {

constexpr std::uint64_t kCheckpointTurn = 0;   // no chunk has this id
constexpr int kEvictLooks = 16;

// A body of a block or more whose whole sectors go straight to the file.
OpRecord record_of(ChunkOp op, ByteView body, const BodySums& sums) {
  OpRecord out;
  const bool bytes = op.kind == OpKind::kWrite;
  out.op = std::move(op);
  if (!bytes || body.size() < kBlockBytes || sums.sectors.empty()) return out;
  out.first_sector = sums.first_sector;
  out.head_bytes = sums.head_bytes;
  out.sums = sums.sectors;
  return out;
}

// What of the body the journal carries.
std::vector<ByteView> journal_parts(const OpRecord& record, ByteView body) {
  if (!record.direct()) return {body};
  return {body.first(record.head_bytes), body.subspan(record.head_bytes + record.sums.size() * kSectorBytes)};
}

Bytes together(const std::vector<ByteView>& parts) {
  Bytes out;
  for (const ByteView part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

Error being_copied() { return {Errc::kStale, "this copy of the chunk is not whole yet"}; }

}  // namespace

ChunkStore::ChunkStore(Seams seams, std::string folder, Options options)
    : files_(seams.files),
      clock_(seams.clock),
      random_(seams.random),
      log_(seams.log),
      folder_(std::move(folder)),
      options_(options),
      turns_(seams.waiter) {}

Result<std::unique_ptr<ChunkStore>> ChunkStore::open(Seams seams, std::string folder, Options options) {
  std::unique_ptr<ChunkStore> store(new ChunkStore(seams, std::move(folder), options));
  TRY(seams.files.make_folders(store->folder_ + "/chunks"));
  store->lock_ = TRY(seams.files.lock_exclusively(store->folder_ + "/lock"));
  store->journal_ = TRY(ChunkJournal::open(seams.files, seams.waiter, seams.random, store->folder_, options.journal));
  TRY(store->recover());
  TRY(store->find_boot());
  return store;
}

Status ChunkStore::out(Status status) {
  if (!status && !failed_.exchange(true)) {
    log_.error("this disk is out: what it promised may be lost, and nothing more is served from it",
               {{"error", status.error()}});
    static_cast<void>(files_.remove(folder_ + "/boot"));   // if it can: the kernel may have given up what it had not written
  }
  return status;
}

// --- Which chunks are in memory.

ChunkId ChunkStore::highest_chunk() {
  const std::lock_guard lock(mutex_);
  return highest_;
}

ChunkStore::ChunkPtr ChunkStore::cached(ChunkId id) {
  const std::lock_guard lock(mutex_);
  const auto found = chunks_.find(id);
  if (found != chunks_.end()) {
    used_.splice(used_.begin(), used_, found->second.used);
    return found->second.chunk;
  }
  highest_ = std::max(highest_, id);
  evict();
  used_.push_front(id);
  return chunks_.emplace(id, Cached{std::make_shared<Chunk>(id), used_.begin()}).first->second.chunk;
}

// Chunks with changes in the journal, or in somebody's hands, stay.
void ChunkStore::evict() {
  auto at = used_.end();
  for (int looks = 0; looks < kEvictLooks && at != used_.begin(); ++looks) {
    if (chunks_.size() - changed_.size() < options_.most_cached_chunks && cached_bytes_ < options_.most_cached_bytes) return;
    --at;
    const auto found = chunks_.find(*at);
    Chunk& chunk = *found->second.chunk;
    if (found->second.chunk.use_count() > 1 || chunk.first_lsn != 0) {
      // Not asked about again soon: else a thousand of these at the end would hide the others for ever.
      const auto busy = at++;
      used_.splice(used_.begin(), used_, busy);
      continue;
    }
    cached_bytes_ -= std::min(cached_bytes_, chunk.cached_bytes);
    chunks_.erase(found);
    at = used_.erase(at);
  }
}

Result<ChunkStore::ChunkPtr> ChunkStore::find(ChunkId id) {
  if (failed_) return Error(Errc::kIo, "this disk failed before");
  ChunkPtr chunk = cached(id);
  {
    const std::shared_lock lock(chunk->mutex);
    if (chunk->loaded) return chunk;
  }
  const std::lock_guard lock(chunk->mutex);
  if (chunk->loaded) return chunk;
  TRY(chunk->load(files_, chunk_path(folder_, id)));
  const std::lock_guard store_lock(mutex_);
  chunk->cached_bytes = chunk->table.memory_bytes();
  cached_bytes_ += chunk->cached_bytes;
  return chunk;
}

// --- Changes.

Result<ChunkStore::Applied> ChunkStore::apply(ChunkOp op, ByteView body, const BodySums& sums) {
  if (op.chunk == ChunkId{0}) return Error(Errc::kInvalid, "no chunk");
  TRY(make_room());
  if (op.kind == OpKind::kEmpty) TRY(discard_damaged(op.chunk));
  const auto turn = turns_.take(raw(op.chunk));
  const ChunkPtr chunk = TRY(find(op.chunk));
  op.length = op.kind == OpKind::kWrite ? body.size() : op.length;
  op.body_crc = sums.whole;
  if (auto answer = TRY(judge(*chunk, op, body))) return *std::move(answer);
  const bool moved = op.append && body.size() >= kBlockBytes;   // its sums were made for another offset
  OpRecord record = record_of(op, body, moved ? BodySums::of(op.offset, body) : sums);
  TRY(check_space(*chunk, record));
  TRY(change(*chunk, record, body));
  ++counts.writes;
  counts.written_bytes += body.size();
  return Applied{std::move(record.op), std::nullopt, false};
}

// An answer, or nothing: then `op` has its numbers and may be done.
Result<std::optional<ChunkStore::Applied>> ChunkStore::judge(const Chunk& chunk, ChunkOp& op, ByteView body) const {
  const ChunkHead& head = chunk.head;
  if (chunk.removed) return Error(Errc::kStale, "the chunk was removed");
  if (op.chainver < head.chainver) return Error(Errc::kStale, "the chunk's members have changed since");
  if (op.sequence == 0) {
    if (head.copying) return being_copied();
    if (op.kind == OpKind::kStart && (head.carried.start_bytes != 0 || op.index == 0)) {
      return std::optional(Applied{op, ChunkHead::Before{}, false});
    }
    if (op.append) {
      if (auto before = TRY(head.check_append(op, body.size()))) return std::optional(Applied{op, before, false});
      op.offset = head.length_bytes;
    }
    op.sequence = head.sequence + 1;
    op.link_before = head.link;
  } else if (op.kind == OpKind::kEmpty) {
    if (!head.copying && head.sequence > TRY(claim_of(body))) {
      return Error(Errc::kNotEmpty, "here is more of the chunk than its master had: it is not given up");
    }
  } else {
    switch (chunk.log.judge(op.sequence, op.link_before, op.link())) {
      case ReplicaLog::Verdict::kApply: break;
      case ReplicaLog::Verdict::kDuplicate: return std::optional(Applied{op, std::nullopt, true});
      case ReplicaLog::Verdict::kGap: return Error(Errc::kMisordered, "changes of this chunk are missing here");
      case ReplicaLog::Verdict::kDiverged: return Error(Errc::kMisordered, "here the chunk has other changes");
    }
    if (op.append && op.offset != head.length_bytes) return Error(Errc::kMisordered, "the chunk ends elsewhere here");
  }
  const bool parses = op.kind == OpKind::kStart    ? Carried::decode(body).has_value()
                      : op.kind == OpKind::kCopied ? ChunkHead::decode(body).has_value()
                                                   : true;
  if (!parses) return Error(Errc::kInvalid, "a change whose body cannot be read");
  if (op.offset + op.length > kChunkBytes) return Error(Errc::kInvalid, "beyond the chunk's end");
  return std::optional<Applied>();
}

Status ChunkStore::check_space(const Chunk& chunk, const OpRecord& record) {
  if (record.op.kind != OpKind::kWrite) return {};
  const auto first = static_cast<std::uint32_t>(record.op.offset / kSectorBytes);
  const auto end = static_cast<std::uint32_t>((record.op.offset + record.op.length + kSectorBytes - 1) / kSectorBytes);
  bool grows = false;
  for (std::uint32_t sector = first; sector < end && !grows; ++sector) grows = !chunk.has(sector);
  if (!grows) return {};
  const std::uint64_t wanted = record.op.length + pending_bytes_ + options_.reserve_bytes;
  if (TRY(files_.space(folder_)).free_bytes >= wanted) return {};
  return Error(Errc::kNoSpace, "the disk of this file server is full");
}

// The chunk will have changes in the journal from now on, if it has none: said before the first is appended, so that
// a checkpoint that begins in between does not pass over it.
void ChunkStore::expect_change(Chunk& chunk, Lsn from) {
  const std::lock_guard lock(mutex_);
  if (chunk.first_lsn != 0) return;
  chunk.first_lsn = from;
  changed_.insert(chunk.id);
}

Result<Lsn> ChunkStore::log_change(Chunk& chunk, ChunkJournal::Type type, ByteView meta,
                                   std::span<const ByteView> bytes) {
  const bool first = chunk.first_lsn == 0;
  expect_change(chunk, journal_->end());
  auto lsn = journal_->append(type, meta, bytes);
  if (lsn) {
    chunk.last_lsn = *lsn;
  } else if (lsn.error().code != Errc::kOverloaded) {
    return out(lsn.error()).error();
  } else if (first) {   // without a record recovery would not mend the slot that a checkpoint of it leaves torn
    const std::lock_guard lock(mutex_);
    chunk.first_lsn = 0;
    changed_.erase(chunk.id);
  }
  return lsn;
}

// With the chunk's turn.
Status ChunkStore::change(Chunk& chunk, OpRecord& record, ByteView body) {
  const auto parts = journal_parts(record, body);
  Staged staged = TRY(chunk.stage(record, record.direct() ? ByteView(together(parts)) : body, true));
  const Bytes meta = record.encode();
  if (record.direct()) {
    TRY(prepare_direct(chunk, record));
    const std::lock_guard lock(chunk.mutex);
    TRY(chunk.write_middle(record, body.subspan(record.head_bytes, record.sums.size() * kSectorBytes)));
    auto lsn = log_change(chunk, ChunkJournal::Type::kOp, meta, parts);
    if (!lsn) {   // the bytes are there without their record: as after a failed write
      SectorSet touched;
      touched.add(record.first_sector, record.end_sector());
      chunk.risky.add(touched);
      TRY(chunk.sum_again(touched));
      return std::move(lsn).error();
    }
    ++chunk.direct_writes;
    const std::size_t before = chunk.pending.size();
    chunk.absorb(std::move(staged), record, body);
    pending_bytes_ += (chunk.pending.size() - before) * sizeof(Sector);   // wraps around rightly
  } else {
    TRY(log_change(chunk, ChunkJournal::Type::kOp, meta, parts));
    const std::lock_guard lock(chunk.mutex);
    const std::size_t before = chunk.pending.size();
    chunk.absorb(std::move(staged), record, body);
    pending_bytes_ += (chunk.pending.size() - before) * sizeof(Sector);
  }
  if (record.op.kind == OpKind::kCopied || record.op.kind == OpKind::kEmpty) {
    chunk.log.start(chunk.head.sequence, chunk.head.link);
  } else {
    chunk.log.advance(chunk.head.link);
  }
  return {};
}

// What must be durable before the file is written where the journal could not write it again; see chunk.h.
Status ChunkStore::prepare_direct(Chunk& chunk, const OpRecord& record) {
  TRY(open_file(chunk));
  const std::uint32_t first = record.first_sector;
  const std::uint32_t end = record.end_sector();
  if (chunk.unsettled(first, end)) {
    TRY(out(journal_->sync(chunk.last_lsn + 1)));
    {
      const std::lock_guard lock(chunk.mutex);
      TRY(chunk.settle(first, end));
    }
    TRY(out(chunk.file->sync()));
  }
  if (chunk.dirty || !(chunk.checkpointed || chunk.risky.any(first, end))) return {};
  const Lsn lsn = TRY(log_change(chunk, ChunkJournal::Type::kDirty, CanonicalWriter().u64(raw(chunk.id)).bytes(), {}));
  TRY(out(journal_->sync(lsn + 1)));
  chunk.dirty = true;
  return {};
}

Status ChunkStore::open_file(Chunk& chunk) {
  if (chunk.file != nullptr) return {};
  bool made = false;
  auto created = ChunkFile::create(files_, chunk_path(folder_, chunk.id), made);
  if (!created && created.error().code == Errc::kNotFound) {   // the first one of its folder
    TRY(files_.make_folders(chunk_folder(folder_, chunk.id)));
    created = ChunkFile::create(files_, chunk_path(folder_, chunk.id), made);
  }
  auto file = TRY(std::move(created));
  if (made) ++counts.chunks;
  const std::lock_guard lock(chunk.mutex);
  chunk.file = std::move(file);
  chunk.name_durable = false;   // also of one that was there: nobody says since when
  if (made) chunk.risky.clear();
  return {};
}

Status ChunkStore::make_room() {
  while (pending_bytes_ > options_.most_pending_bytes || journal_->nearly_full()) {
    if (failed_) return Error(Errc::kIo, "this disk failed before");
    const auto turn = turns_.take(kCheckpointTurn);
    if (pending_bytes_ <= options_.most_pending_bytes && !journal_->nearly_full()) break;   // somebody else did it
    TRY(journal_->prepare());
    if (pending_bytes_ > options_.most_pending_bytes || journal_->nearly_full()) TRY(checkpoint_now());
  }
  return {};
}

// --- Reading.

// The sums of what was read.
Result<std::vector<std::uint32_t>> ChunkStore::read_verified(const Chunk& chunk, std::uint32_t first, ByteSpan out_bytes) {
  std::vector<Chunk::Expected> expected;
  {
    const std::shared_lock lock(chunk.mutex);
    TRY(chunk.read(first, out_bytes, &expected));
  }
  std::vector<std::uint32_t> sums;
  sums.reserve(expected.size());
  TRY(verify_sectors(chunk.id, first, out_bytes, expected, sums));
  return sums;
}

Result<ChunkStore::ReadBytes> ChunkStore::read(ChunkId id, std::uint64_t offset, std::uint64_t length) {
  const ChunkPtr chunk = TRY(find(id));
  {
    const std::shared_lock lock(chunk->mutex);
    if (chunk->head.copying) return being_copied();
    if (offset >= chunk->head.length_bytes) return ReadBytes{};
    length = std::min(length, chunk->head.length_bytes - offset);
  }
  const auto first = static_cast<std::uint32_t>(offset / kSectorBytes);
  const std::size_t skip = offset % kSectorBytes;
  const std::size_t sectors = (skip + length + kSectorBytes - 1) / kSectorBytes;
  ReadBytes out_bytes;
  Result<std::vector<std::uint32_t>> sums = Errc::kInternal;
  out_bytes.bytes.resize_and_overwrite(sectors * kSectorBytes, [&](char* at, std::size_t size) {
    sums = read_verified(*chunk, first, {reinterpret_cast<std::uint8_t*>(at), size});
    return size;
  });
  if (!sums) return std::move(sums).error();
  ++counts.reads;
  counts.read_bytes += length;
  if (skip != 0) out_bytes.bytes.erase(0, skip);
  const std::size_t whole = skip == 0 ? length / kSectorBytes : 0;
  out_bytes.bytes.resize(length);
  out_bytes.crc = crc32c(view_of(out_bytes.bytes).subspan(whole * kSectorBytes), joined(std::span(*sums).first(whole)));
  return out_bytes;
}

Result<std::string> ChunkStore::read_blocks(ChunkId id, std::uint32_t first, std::uint32_t count) {
  const ChunkPtr chunk = TRY(find(id));
  std::string out_bytes(std::size_t{count} * kBlockBytes, '\0');
  TRY(read_verified(*chunk, first * kSectorsPerBlock,
                    {reinterpret_cast<std::uint8_t*>(out_bytes.data()), out_bytes.size()}));
  return out_bytes;
}

Result<std::uint64_t> ChunkStore::sequence(ChunkId id) {
  const ChunkPtr chunk = TRY(find(id));
  const std::shared_lock lock(chunk->mutex);
  return chunk->head.sequence;
}

Result<ChunkHead> ChunkStore::head(ChunkId id) {
  const ChunkPtr chunk = TRY(find(id));
  const std::shared_lock lock(chunk->mutex);
  return chunk->head;
}

Result<ChunkStore::Extents> ChunkStore::extents(ChunkId id) {
  const ChunkPtr chunk = TRY(find(id));
  SectorSet present;
  {
    const std::shared_lock lock(chunk->mutex);
    present = chunk->present();
  }
  Extents found;
  found.allocated_bytes = std::uint64_t{present.count()} * kSectorBytes;
  for (std::uint32_t block = 0; block * kSectorsPerBlock < present.end(); ++block) {
    if (!present.any(block * kSectorsPerBlock, (block + 1) * kSectorsPerBlock)) continue;
    const std::uint64_t at = std::uint64_t{block} * kBlockBytes;
    if (!found.ranges.empty() && found.ranges.back().first + found.ranges.back().second == at) {
      found.ranges.back().second += kBlockBytes;
    } else {
      found.ranges.emplace_back(at, kBlockBytes);
    }
  }
  return found;
}

// --- Durability.

// Up to where the journal must be synced for it. That the file's name is durable is noted: a file that is not there after
// that was lost on this disk, and with it what was promised.
Result<Lsn> ChunkStore::sync_file(Chunk& chunk) {
  std::shared_ptr<ChunkFile> file;
  std::uint64_t writes = 0;
  bool named = false;
  {
    const std::shared_lock lock(chunk.mutex);
    file = chunk.file;
    writes = chunk.direct_writes;
    named = chunk.name_durable;
    if (file == nullptr || (writes == chunk.direct_synced && named)) return Lsn{0};
  }
  TRY(out(file->sync()));
  Lsn noted = 0;
  if (!named) {
    TRY(out(files_.sync_folder(chunk_folder(folder_, chunk.id))));
    const auto lsn = journal_->append(ChunkJournal::Type::kNamed, CanonicalWriter().u64(raw(chunk.id)).bytes());
    if (!lsn && lsn.error().code != Errc::kOverloaded) return out(lsn.error()).error();
    if (lsn) noted = *lsn + 1;
  }
  const std::lock_guard lock(chunk.mutex);
  chunk.direct_synced = std::max(chunk.direct_synced, writes);
  chunk.name_durable = true;
  return noted;
}

Status ChunkStore::sync(std::span<const ChunkId> chunks) {
  Lsn end = 0;
  for (const ChunkId id : chunks) {
    const ChunkPtr chunk = TRY(find(id));
    {
      const std::shared_lock lock(chunk->mutex);
      end = std::max(end, chunk->last_lsn + 1);
    }
    end = std::max(end, TRY(sync_file(*chunk)));
  }
  ++counts.syncs;
  if (end > 1) TRY(out(journal_->sync(end)));
  return {};
}

Result<std::vector<ChunkId>> ChunkStore::chunks_in_folder(unsigned folder) {
  std::vector<ChunkId> found;
  const auto names = files_.list(chunk_folder(folder_, ChunkId{folder}));
  if (!names && names.error().code == Errc::kNotFound) return found;
  for (const std::string& name : TRY(names)) {
    if (const auto id = chunk_of_name(name)) found.push_back(*id);
  }
  return found;
}

}  // namespace conclave::file
