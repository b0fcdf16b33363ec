#include "fileserver/scrubber.h"

#include <algorithm>
#include <charconv>

namespace conclave::file {
namespace {
constexpr unsigned kFolders = 256;
constexpr std::uint32_t kBlocksAtATime = 16;
}  // namespace

Scrubber::Scrubber(ChunkStore& store, BlockRepair& repair, Files& files, std::string folder, Clock& clock, Log& log,
                   Options options)
    : store_(store),
      repair_(repair),
      files_(files),
      path_(std::move(folder) + "/scrub"),
      log_(log),
      options_(options),
      next_(clock.now() + options.every) {
  load();
}

void Scrubber::load() {
  const auto text = files_.read_all(path_, 16);
  if (text) std::from_chars(text->data(), text->data() + text->size(), folder_);
  folder_ %= kFolders;
  auto found = store_.chunks_in_folder(folder_);
  if (found) chunks_.assign(found->rbegin(), found->rend());
}

// By folder: after a restart at most 1/256 of all is read twice.
void Scrubber::save() {
  const Status saved = files_.write_all(path_, std::to_string(folder_));
  if (!saved) log_.warning("the scrubber's place could not be noted", {{"why", saved.error()}});
}

void Scrubber::tick(MonoTime now) {
  next_ = now + options_.every;
  if (store_.failed()) return;
  const auto seconds = std::chrono::duration<double>(options_.every).count();
  auto budget = static_cast<std::int64_t>(static_cast<double>(options_.bytes_per_second) * seconds);
  for (unsigned folders = 0; budget > 0 && folders < kFolders;) {
    if (chunks_.empty()) {
      if (!next_chunk()) ++folders;   // all may be empty: then this tick ends
      continue;
    }
    budget -= static_cast<std::int64_t>(scrub(static_cast<std::uint64_t>(budget)));
  }
}

// On to the next folder; false if it has no chunks.
bool Scrubber::next_chunk() {
  const bool had_some = block_ != 0 || !chunks_.empty();
  folder_ = (folder_ + 1) % kFolders;
  block_ = 0;
  if (folder_ == 0) ++rounds_;
  auto found = store_.chunks_in_folder(folder_);
  if (found) chunks_.assign(found->rbegin(), found->rend());
  if (had_some || !chunks_.empty()) save();
  return !chunks_.empty();
}

// Some of the current chunk; how many bytes were read.
std::uint64_t Scrubber::scrub(std::uint64_t most_bytes) {
  const ChunkId chunk = chunks_.back();
  const auto extents = store_.extents(chunk);
  const auto head = store_.head(chunk);
  std::uint64_t read = kSectorBytes;   // opening it is work too
  if (extents && head) {
    for (const auto& [offset, length] : extents->ranges) {
      const auto end = static_cast<std::uint32_t>((offset + length) / kBlockBytes);
      block_ = std::max(block_, static_cast<std::uint32_t>(offset / kBlockBytes));
      for (; block_ < end; block_ += std::min(kBlocksAtATime, end - block_)) {
        if (read >= most_bytes) return read;
        const std::uint32_t count = std::min(kBlocksAtATime, end - block_);
        const auto bytes = store_.read_blocks(chunk, block_, count);
        if (!bytes) whole_ = false;
        if (!bytes && bytes.error().code == Errc::kCorrupt) repair_.repair(chunk, head->members, block_, count);
        read += std::uint64_t{count} * kBlockBytes;
      }
    }
    if (whole_) repair_.found_whole(chunk);
  } else {
    repair_.found_unreadable(chunk, extents ? head.error() : extents.error());
  }
  chunks_.pop_back();
  block_ = 0;
  whole_ = true;
  return read;
}

}  // namespace conclave::file
