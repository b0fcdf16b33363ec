// What a chunk store does with bytes that are not wanted any more, or not what they were: removal, repair, replacement.
#include "base/canonical.h"
#include "fileserver/chunk_store.h"

namespace conclave::file {
namespace {
constexpr std::size_t kSyncedAlone = 4;   // folders
}  // namespace

Status ChunkStore::remove(std::span<const ChunkId> chunks) {
  std::set<std::string> folders;
  for (const ChunkId id : chunks) TRY(remove_one(id, folders));
  if (folders.size() > kSyncedAlone) {
    TRY(out(files_.sync_all(folder_)));
  } else {
    for (const auto& folder : folders) {
      if (!TRY(files_.exists(folder))) continue;
      TRY(out(files_.sync_folder(folder)));
    }
  }
  return out(journal_->sync(journal_->end()));
}

// The record keeps a replay of earlier ones from making the chunk again.
Status ChunkStore::remove_one(ChunkId id, std::set<std::string>& folders) {
  if (id == ChunkId{0}) return {};
  static_cast<void>(make_room());   // on a full disk it fails, and removing is what helps
  const auto turn = turns_.take(raw(id));
  const ChunkPtr chunk = cached(id);
  const auto logged = journal_->append(ChunkJournal::Type::kRemove, CanonicalWriter().u64(raw(id)).bytes());
  if (!logged) return logged.error().code == Errc::kOverloaded ? Status(logged.error()) : out(logged.error());
  {
    const std::lock_guard lock(chunk->mutex);
    chunk->loaded = chunk->removed = true;
    pending_bytes_ -= chunk->pending.size() * sizeof(Sector);
    chunk->pending.clear();
    chunk->table = {};
    chunk->head = {};
    chunk->file = nullptr;
  }
  const Status gone = files_.remove(chunk_path(folder_, id));
  if (!gone && gone.error().code != Errc::kNotFound) return gone;
  if (gone) --counts.chunks;
  folders.insert(chunk_folder(folder_, id));   // also of one that was gone: perhaps not durably
  const std::lock_guard lock(mutex_);
  chunk->first_lsn = 0;
  changed_.erase(id);
  const auto found = chunks_.find(id);
  cached_bytes_ -= std::min(cached_bytes_, chunk->cached_bytes);
  used_.erase(found->second.used);
  chunks_.erase(found);
  return {};
}

Result<std::vector<std::uint32_t>> ChunkStore::bad_blocks(ChunkId id, std::uint32_t first, std::uint32_t count) {
  std::vector<std::uint32_t> bad;
  for (std::uint32_t block = first; block < first + count; ++block) {
    const auto bytes = read_blocks(id, block, 1);
    if (!bytes && bytes.error().code != Errc::kCorrupt) return bytes.error();
    if (!bytes) bad.push_back(block);
  }
  return bad;
}

// Written in place: until all of it is there the checksum says so, as it did before.
Result<bool> ChunkStore::repair(ChunkId id, std::uint32_t block, ByteView bytes) {
  CHECK(bytes.size() == kBlockBytes);
  const auto turn = turns_.take(raw(id));
  const ChunkPtr chunk = TRY(find(id));
  const std::lock_guard lock(chunk->mutex);
  bool whole = true;
  for (std::uint32_t i = 0; i < kSectorsPerBlock; ++i) {
    const std::uint32_t sector = block * kSectorsPerBlock + i;
    if (!chunk->table.has(sector) || chunk->pending.contains(sector)) continue;
    Sector content;
    TRY(chunk->file->read(sector, content));
    if (crc32c(content) == chunk->table.sum(sector)) continue;
    const ByteView good = bytes.subspan(std::size_t{i} * kSectorBytes, kSectorBytes);
    if (crc32c(good) == chunk->table.sum(sector)) {
      TRY(chunk->file->write(sector, good));
      ++chunk->direct_writes;
    } else {
      whole = false;
    }
  }
  if (whole) ++counts.repaired_blocks;
  return whole;
}

// A copy begins: what cannot be opened is of no use to anybody.
Status ChunkStore::discard_damaged(ChunkId id) {
  const auto found = find(id);
  if (found || found.error().code != Errc::kCorrupt) return {};
  log_.warning("a chunk that cannot be opened makes room for a copy", {{"chunk", raw(id)}, {"why", found.error()}});
  return remove(std::span(&id, 1));
}

}  // namespace conclave::file
