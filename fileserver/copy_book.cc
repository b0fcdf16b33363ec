#include "fileserver/copy_book.h"

namespace conclave::file {

bool CopyBook::lacks(const Named& chunk) {
  const std::lock_guard lock(mutex_);
  const auto [at, news] = copies_.try_emplace(chunk.chunk, Copy{chunk, false});
  if (raw(at->second.named.inode) == 0) at->second.named = chunk;
  return news;
}

bool CopyBook::is_lacking(ChunkId chunk) const {
  const std::lock_guard lock(mutex_);
  return copies_.contains(chunk);
}

std::vector<CopyBook::Named> CopyBook::untold(std::size_t most) const {
  const std::lock_guard lock(mutex_);
  std::vector<Named> out;
  for (const auto& [id, copy] : copies_) {
    if (out.size() == most) break;
    if (!copy.left) out.push_back(copy.named);
  }
  return out;
}

void CopyBook::left(ChunkId chunk) {
  const std::lock_guard lock(mutex_);
  const auto found = copies_.find(chunk);
  if (found != copies_.end()) found->second.left = true;
}

void CopyBook::verified(ChunkId chunk, std::uint32_t chainver) {
  const std::lock_guard lock(mutex_);
  if (verified_.size() >= kMostVerified) verified_.clear();
  verified_[chunk] = chainver;
}

bool CopyBook::is_verified(ChunkId chunk, std::uint32_t chainver) const {
  const std::lock_guard lock(mutex_);
  const auto found = verified_.find(chunk);
  return found != verified_.end() && found->second == chainver;
}

void CopyBook::forget(ChunkId chunk) {
  const std::lock_guard lock(mutex_);
  copies_.erase(chunk);
}

}  // namespace conclave::file
