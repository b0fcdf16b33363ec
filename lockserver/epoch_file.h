// The lock server's whole memory: which epoch this run is, and whether the run before it ended with no session left.
// File "epoch" in the data folder, one line: "epoch N" while running, "epoch N clean" after a clean end.
#pragma once

#include <cstdint>
#include <string>

#include "base/files.h"

namespace conclave::lock {

class EpochFile {
 public:
  // Begins the next epoch: when it returned, the number survives power loss and is never begun again. kIo, kNoSpace,
  // kReadOnly; kCorrupt with the file untouched.
  static Result<EpochFile> begin(Files& files, const std::string& folder);

  [[nodiscard]] std::uint32_t epoch() const { return epoch_; }
  // Nobody can still trust a lease of an earlier run.
  [[nodiscard]] bool clean() const { return clean_; }
  // This run ends with no session left.
  Status end_clean();

 private:
  EpochFile(Files& files, std::string path, std::uint32_t epoch, bool clean)
      : files_(files), path_(std::move(path)), epoch_(epoch), clean_(clean) {}
  Files& files_;
  std::string path_;
  std::uint32_t epoch_;
  bool clean_;
};

}  // namespace conclave::lock
