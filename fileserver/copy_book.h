// Which of this server's copies are no good: missing where the permit says that the chunk was born, behind what a member
// has, or not to be opened. They are served no more, not even under permits of before, until a whole copy has come. D
// hears of each with every heartbeat until it has taken this server out of the chunk's in-sync set. Of this process's
// life only: who asks again finds out again. Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/guarded.h"
#include "base/token.h"

namespace conclave::file {

class CopyBook {
 public:
  struct Named {
    InodeId inode{};            // kNoInode: the file is not known
    std::uint64_t index = 0;
    ChunkId chunk{};
    static Named of(const ChunkPermit& permit) { return {permit.inode, permit.index, permit.chunk}; }
  };
  // True if that is news.
  bool lacks(const Named& chunk);
  [[nodiscard]] bool is_lacking(ChunkId chunk) const;
  // At most `most`, for D.
  [[nodiscard]] std::vector<Named> untold(std::size_t most) const;
  // This server is no member of it (any more).
  void left(ChunkId chunk);
  // D said that this version names whom it means.
  void verified(ChunkId chunk, std::uint32_t chainver);
  [[nodiscard]] bool is_verified(ChunkId chunk, std::uint32_t chainver) const;
  // A whole copy has come, or the chunk is gone.
  void forget(ChunkId chunk);

 private:
  struct Copy {
    Named named;
    bool left = false;
  };
  mutable std::mutex mutex_;
  static constexpr std::size_t kMostVerified = 100000;   // 6 MiB; beyond, D is asked again
  std::map<ChunkId, Copy> copies_ GUARDED_BY(mutex_);
  std::unordered_map<ChunkId, std::uint32_t> verified_ GUARDED_BY(mutex_);
};

}  // namespace conclave::file
