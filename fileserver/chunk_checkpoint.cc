// Checkpoints of the chunk store: what is only in the journal goes into the chunks' files, so that the journal's
// oldest segments are free again. In this order: journal synced; sectors and the head with its table written; files
// synced; folders of new files synced; the journal's kCheckpoint record. A crash before the last one replays the
// journal from the checkpoint before: its records write the same again, onto whatever of it is there.
#include <algorithm>

#include "fileserver/chunk_store.h"

namespace conclave::file {
namespace {
constexpr std::uint64_t kCheckpointTurn = 0;
constexpr std::size_t kBatch = 256;         // files written before they are synced, and open for it
constexpr std::size_t kSyncedAlone = 8;

std::shared_ptr<ChunkFile> file_of(const Chunk& chunk) {
  const std::shared_lock lock(chunk.mutex);
  return chunk.file;
}

}  // namespace

bool ChunkStore::checkpoint_due() {
  const std::lock_guard lock(mutex_);
  if (changed_.empty() || failed_) return false;
  return pending_bytes_ > options_.checkpoint_bytes || journal_->wants_checkpoint() ||
         changed_.size() > options_.checkpoint_bytes / sizeof(Sector) ||
         clock_.now() >= last_checkpoint_ + options_.checkpoint_after;
}

Status ChunkStore::prepare() {
  const auto turn = turns_.take(kCheckpointTurn);
  return journal_->prepare();
}

Status ChunkStore::checkpoint() {
  const auto turn = turns_.take(kCheckpointTurn);
  return checkpoint_now();
}

// With the checkpoint's turn. A chunk that cannot be written (kNoSpace) does not keep others from it; but the journal
// keeps everything: the checkpoint is not complete.
Status ChunkStore::checkpoint_now() {
  const Lsn end = journal_->end();
  std::vector<ChunkPtr> chunks;
  {
    const std::lock_guard lock(mutex_);
    last_checkpoint_ = clock_.now();
    for (const ChunkId id : changed_) chunks.push_back(chunks_.at(id).chunk);
  }
  TRY(out(journal_->sync(end)));
  Status result;
  std::set<std::string> folders;
  for (std::size_t first = 0; first < chunks.size(); first += kBatch) {
    const std::size_t count = std::min(kBatch, chunks.size() - first);
    const Status status = checkpoint_some(end, std::span(chunks).subspan(first, count), folders);
    if (failed_) return status;
    if (!status) result = status;
    for (std::size_t i = first; i < first + count; ++i) chunks[i] = nullptr;
    const std::lock_guard lock(mutex_);
    evict();
  }
  for (const auto& folder : folders) TRY(out(files_.sync_folder(folder)));
  TRY(std::move(result));
  const Status noted = journal_->checkpointed(end);
  if (noted) complete_ = end;
  ++counts.checkpoints;
  return !noted && noted.error().code == Errc::kOverloaded ? noted : out(noted);
}

Status ChunkStore::checkpoint_some(Lsn end, std::span<const ChunkPtr> chunks, std::set<std::string>& folders) {
  Status result;
  std::vector<ChunkPtr> written;
  for (const ChunkPtr& chunk : chunks) {
    bool named = true;
    const Status status = write_back(end, *chunk, named);
    if (!status) {
      result = status;
      continue;
    }
    written.push_back(chunk);
    if (!named) folders.insert(chunk_folder(folder_, chunk->id));
  }
  // A few files one by one; of many each sync would wait for a commit of the file system's journal.
  const bool together = written.size() > kSyncedAlone;
  std::vector<std::uint64_t> direct;
  for (const ChunkPtr& chunk : written) {
    const std::shared_lock lock(chunk->mutex);
    direct.push_back(chunk->direct_writes);
  }
  if (together) {
    TRY(out(files_.sync_all(folder_)));
    folders.clear();
  }
  for (std::size_t i = 0; i < written.size(); ++i) {
    Chunk& chunk = *written[i];
    const std::shared_ptr<ChunkFile> file = file_of(chunk);
    if (!together && file != nullptr) {   // null: removed meanwhile
      TRY(out(file->sync()));
    }
    const std::lock_guard lock(chunk.mutex);
    chunk.direct_synced = std::max(chunk.direct_synced, direct[i]);
  }
  return result;
}

// After success the file's sync must follow, before anything else is written to its slots.
Status ChunkStore::write_back(Lsn end, Chunk& chunk, bool& named) {
  const auto turn = turns_.take(raw(chunk.id));
  if (chunk.removed || chunk.first_lsn == 0) return {};
  TRY(open_file(chunk));
  TRY(out(journal_->sync(chunk.last_lsn + 1)));
  const std::lock_guard lock(chunk.mutex);
  const std::size_t before = chunk.pending.size();
  TRY(chunk.checkpoint(end, complete_));
  named = chunk.name_durable;
  const std::lock_guard store_lock(mutex_);
  pending_bytes_ -= before * sizeof(Sector);
  chunk.first_lsn = 0;
  changed_.erase(chunk.id);
  cached_bytes_ -= std::min(cached_bytes_, chunk.cached_bytes);
  chunk.cached_bytes = chunk.table.memory_bytes();
  cached_bytes_ += chunk.cached_bytes;
  return {};
}

}  // namespace conclave::file
