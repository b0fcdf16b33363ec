// The copies that masters are making now, as D told them to: which chunk, from whom, to whom. Lost with D, which then
// finds again what is to be done; the copies themselves are listed in the database (chunk_chain.h). Thread-safe.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "dirserver/dir_rows.h"

namespace conclave::dir {

class HealJobs {
 public:
  struct Job {
    ChunkPlace place;
    ChunkId chunk{};
    ServerId master{};
    ServerId newcomer{};       // 0: no copy; the members are brought to what the master has
    MonoTime since{};
  };
  // False: something is being done about the chunk, the master has `most` jobs, or this copy failed a moment ago.
  bool add(const Job& job, std::size_t most);
  [[nodiscard]] bool busy(ChunkId chunk) const;
  [[nodiscard]] std::vector<Job> of_master(ServerId master) const;
  // A copy is whole: `bytes` long, in sync at `now`.
  void done(ChunkId chunk, std::uint64_t bytes, MonoTime now);
  void failed(ChunkId chunk, MonoTime now);
  void drop(ChunkId chunk);
  // Those whose master or newcomer `ended` says yes to.
  template <class Ended>
  void drop_if(Ended ended) {
    const std::lock_guard lock(mutex_);
    std::erase_if(jobs_, [&](const auto& one) { return ended(one.second); });
  }
  // Whether a copy there failed a moment ago.
  [[nodiscard]] bool failed_lately(ChunkId chunk, ServerId newcomer, MonoTime now) const;

  struct Progress {
    std::size_t under_way = 0;
    std::uint64_t chunks_done = 0, bytes_done = 0;   // since D's start
    double chunks_per_second = 0;                    // lately; 0: nothing was done lately
    std::uint64_t bytes_per_chunk = 0;               // lately
  };
  [[nodiscard]] Progress progress(MonoTime now) const;

 private:
  struct Done {
    MonoTime when{};
    std::uint64_t bytes = 0;
  };
  mutable std::mutex mutex_;
  std::map<ChunkId, Job> jobs_ GUARDED_BY(mutex_);
  std::map<std::pair<ChunkId, ServerId>, MonoTime> failed_ GUARDED_BY(mutex_);
  std::deque<Done> lately_ GUARDED_BY(mutex_);
  std::uint64_t chunks_done_ GUARDED_BY(mutex_) = 0;
  std::uint64_t bytes_done_ GUARDED_BY(mutex_) = 0;
};

}  // namespace conclave::dir
