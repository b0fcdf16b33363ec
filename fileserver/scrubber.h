// Reads all chunks again and again, slowly, so that damage is found while there is another copy to repair it from.
// Where it is survives a restart.
#pragma once

#include <string>
#include <vector>

#include "base/daemon.h"
#include "fileserver/block_repair.h"

namespace conclave::file {

class Scrubber final : public Duty {
 public:
  struct Options {
    std::uint64_t bytes_per_second = 8u << 20;
    Duration every = std::chrono::seconds(1);
  };
  // Goes on where "FOLDER/scrub" says; from the beginning if it says nothing.
  Scrubber(ChunkStore& store, BlockRepair& repair, Files& files, std::string folder, Clock& clock, Log& log,
           Options options);

  MonoTime next_tick() override { return next_; }
  void tick(MonoTime now) override;   // blocks for as long as its share takes to read

  [[nodiscard]] std::uint64_t rounds() const { return rounds_; }

 private:
  void load();
  void save();
  bool next_chunk();
  std::uint64_t scrub(std::uint64_t most_bytes);

  ChunkStore& store_;
  BlockRepair& repair_;
  Files& files_;
  const std::string path_;
  Log& log_;
  const Options options_;
  MonoTime next_{};
  unsigned folder_ = 0;                  // of 256
  std::vector<ChunkId> chunks_;          // left of this folder, the next one last
  std::uint32_t block_ = 0;              // of the next one
  bool whole_ = true;                    // what was read of it so far is good
  std::atomic<std::uint64_t> rounds_ = 0;
};

}  // namespace conclave::file
