// Opening a chunk store: the journal's records since the last checkpoint are applied again to what the chunks' files
// hold, which may be older, newer or torn. That comes out right because the records are all of them since a moment
// whose state is durable, and each says what bytes become and not how they change: after the last record every byte
// is what its last writer made of it. Sectors whose last writer wrote past the journal are as they are, and are
// summed again where that may be needed (chunk.h).
#include <algorithm>

#include "base/canonical.h"
#include "fileserver/chunk_store.h"

namespace conclave::file {
namespace {

constexpr std::size_t kMostDigits = 24;
constexpr std::size_t kMostRunDigits = 64;

bool begins_a_chunk(const ChunkOp& op) { return op.sequence == 1 || op.kind == OpKind::kEmpty; }

}  // namespace

Status ChunkStore::recover() {
  TRY(count_chunks());
  TRY(journal_->replay([this](const ChunkJournal::Record& record) { return replay(record); },
                       [this](Lsn end) { return note_reached(end); }));
  complete_ = journal_->replayed_from();
  std::vector<ChunkPtr> chunks;
  {
    const std::lock_guard lock(mutex_);
    for (const ChunkId id : changed_) chunks.push_back(chunks_.at(id).chunk);
  }
  for (const ChunkPtr& chunk : chunks) {
    if (chunk->file == nullptr && named_.contains(chunk->id)) {
      lose(*chunk);
    } else {
      TRY(finish_replay(*chunk));
    }
  }
  forget_removed();
  direct_.clear();
  dirty_.clear();
  named_.clear();
  if (counts.recovered_sectors > 0) {
    log_.warning("writes that were on their way when this server stopped are there in part",
                 {{"sectors", counts.recovered_sectors.load()}});
  }
  const Status status = checkpoint();
  if (!status && status.error().code == Errc::kNoSpace) return {};   // the journal has it; writers will be told
  return status;
}

// Each start appends to the journal: what an unheard one reached is kept beside it, so that many of them do not hide that
// something is missing.
Status ChunkStore::note_reached(Lsn end) {
  const std::string path = folder_ + "/unheard";
  recovered_to_ = end;
  if (TRY(files_.exists(path))) {
    const std::string text = TRY(files_.read_all(path, kMostDigits));
    recovered_to_ = std::min<Lsn>(end, std::strtoull(text.c_str(), nullptr, 10));
  }
  const Status kept = files_.write_all(path, std::to_string(recovered_to_));
  if (!kept && kept.error().code == Errc::kNoSpace) return {};   // a full disk must start, to have something removed
  return kept;
}

Status ChunkStore::heard() {
  const std::string path = folder_ + "/unheard";
  const Status gone = files_.remove(path);
  if (!gone && gone.error().code != Errc::kNotFound) return gone;
  if (gone) TRY(out(files_.sync_folder(folder_)));   // before D hears of more than it says
  heard_ = true;
  return {};
}

// "RUN BOOT": the machine's run in which BOOT was drawn.
Status ChunkStore::find_boot() {
  const std::string path = folder_ + "/boot";
  const std::string run = options_.machine_run + ' ';
  if (!options_.machine_run.empty() && TRY(files_.exists(path))) {
    const std::string text = TRY(files_.read_all(path, kMostRunDigits + kMostDigits));
    if (text.starts_with(run)) boot_ = std::strtoull(text.c_str() + run.size(), nullptr, 10);
    if (boot_ != 0) return {};
  }
  boot_ = random_.u64() | 1;
  const Status kept = files_.write_all(path, run + std::to_string(boot_));
  if (!kept && kept.error().code == Errc::kNoSpace) return {};   // the next start draws another
  return kept;
}

void ChunkStore::lose_boot() {
  boot_ = random_.u64() | 1;
  static_cast<void>(files_.remove(folder_ + "/boot"));
}

// What recovery would not take is looked at again by whoever asks: gone, or damaged, which must not read as empty.
void ChunkStore::forget_removed() {
  const std::lock_guard lock(mutex_);
  for (auto at = chunks_.begin(); at != chunks_.end();) {
    if (!at->second.chunk->removed) {
      ++at;
      continue;
    }
    used_.erase(at->second.used);
    at = chunks_.erase(at);
  }
}

Status ChunkStore::count_chunks() {
  for (unsigned folder = 0; folder < 256; ++folder) {
    const auto found = TRY(chunks_in_folder(folder));
    counts.chunks += found.size();
    const std::lock_guard lock(mutex_);
    for (const ChunkId id : found) highest_ = std::max(highest_, id);
  }
  return {};
}

Status ChunkStore::replay(const ChunkJournal::Record& record) {
  switch (record.type) {
    case ChunkJournal::Type::kOpen:
    case ChunkJournal::Type::kCheckpoint: return {};
    case ChunkJournal::Type::kOp: return replay_op(record);
    case ChunkJournal::Type::kNamed: named_.insert(ChunkId{CanonicalReader(record.meta).u64()}); return {};
    case ChunkJournal::Type::kDirty: {
      const ChunkId id{CanonicalReader(record.meta).u64()};
      dirty_.insert(id);
      return replay_dirty(id, record.lsn);
    }
    case ChunkJournal::Type::kRemove: {
      const ChunkId id{CanonicalReader(record.meta).u64()};
      const Status gone = files_.remove(chunk_path(folder_, id));
      if (!gone && gone.error().code != Errc::kNotFound) return gone;
      if (gone) --counts.chunks;
      dirty_.erase(id);
      direct_.erase(id);
      named_.erase(id);
      const std::lock_guard lock(mutex_);
      const auto found = chunks_.find(id);
      if (found == chunks_.end()) return {};
      pending_bytes_ -= found->second.chunk->pending.size() * sizeof(Sector);
      cached_bytes_ -= std::min(cached_bytes_, found->second.chunk->cached_bytes);
      changed_.erase(id);
      used_.erase(found->second.used);
      chunks_.erase(found);
      return {};
    }
  }
  return {};
}

// `begins`: the record is the first there can be of the chunk.
Result<ChunkStore::ChunkPtr> ChunkStore::replayed_chunk(ChunkId id, Lsn lsn, bool begins) {
  const ChunkPtr chunk = cached(id);
  if (!chunk->loaded) {
    const Status loaded = chunk->load(files_, chunk_path(folder_, id), journal_->replayed_from());
    // Its first checkpoint may have been cut short; then all of it is in the journal.
    if (!loaded && !(loaded.error().code == Errc::kCorrupt && begins)) {
      log_.error("a chunk cannot be opened; its changes in the journal are lost", {{"error", loaded.error()}});
      chunk->removed = true;
    }
    // Changes of a chunk that is not here: it was removed, and only the record of that was lost.
    if (chunk->head.sequence == 0 && !begins) chunk->removed = true;
    chunk->loaded = true;
    chunk->name_durable = false;
    chunk->risky.add(0, kSectorsPerChunk);   // of direct writes without their record
  }
  if (!chunk->removed) expect_change(*chunk, lsn);
  chunk->last_lsn = lsn;
  return chunk;
}

// All of the chunk is to be summed again, also if none of its changes left a record. One that has no slot yet has its
// first record still to come.
Status ChunkStore::replay_dirty(ChunkId id, Lsn lsn) {
  if (!cached(id)->loaded) {
    Chunk found(id);
    if (!found.load(files_, chunk_path(folder_, id), journal_->replayed_from()) || found.head.sequence == 0) return {};
  }
  TRY(replayed_chunk(id, lsn, false));
  return {};
}

Status ChunkStore::replay_op(const ChunkJournal::Record& record) {
  const auto change = TRY(OpRecord::decode(record.meta));
  const ChunkPtr chunk = TRY(replayed_chunk(change.op.chunk, record.lsn, begins_a_chunk(change.op)));
  if (chunk->removed) return {};
  if (change.direct()) direct_[chunk->id].add(change.first_sector, change.end_sector());
  const std::size_t before = chunk->pending.size();
  chunk->absorb(TRY(chunk->stage(change, record.bytes, false)), change, record.bytes);
  pending_bytes_ += (chunk->pending.size() - before) * sizeof(Sector);
  return {};
}

// Its file was there durably, and is not: what the journal has of it is not the chunk.
void ChunkStore::lose(Chunk& chunk) {
  log_.error("a chunk's file is gone", {{"chunk", raw(chunk.id)}});
  pending_bytes_ -= chunk.pending.size() * sizeof(Sector);
  chunk.removed = true;
  const std::lock_guard lock(mutex_);
  chunk.first_lsn = 0;
  changed_.erase(chunk.id);
}

Status ChunkStore::finish_replay(Chunk& chunk) {
  SectorSet suspects = direct_[chunk.id];
  if (dirty_.contains(chunk.id)) suspects.add(0, kSectorsPerChunk);
  const std::uint32_t changed = TRY(chunk.sum_again(suspects));
  counts.recovered_sectors += changed;
  // The numbers say that all changes are here, the bytes are some of them: nobody has a chunk like this one, so that
  // members compare as different and one of them gets a copy.
  if (changed > 0) chunk.head.link = static_cast<std::uint32_t>(random_.u64());
  chunk.log.start(chunk.head.sequence, chunk.head.link);
  return {};
}

}  // namespace conclave::file
