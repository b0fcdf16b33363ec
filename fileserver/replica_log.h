// Rule: which change of a chunk a member may apply next. Changes are numbered from 1 by the master and chained by
// ChunkOp::link; a member applies them in order, each once. Pure: no thread, no clock; the chunk's owner locks.
#pragma once

#include <array>
#include <cstdint>

namespace conclave::file {

class ReplicaLog {
 public:
  enum class Verdict : std::uint8_t {
    kApply,       // the next one, and everything before it is the same
    kDuplicate,   // applied before: acknowledge
    kGap,         // changes before it are missing here
    kDiverged,    // here is another history: only a whole copy helps
  };

  ReplicaLog() = default;
  ReplicaLog(std::uint64_t sequence, std::uint32_t link) { start(sequence, link); }

  // `before` and `after`: the chain without and with the change.
  [[nodiscard]] Verdict judge(std::uint64_t sequence, std::uint32_t before, std::uint32_t after) const;
  // The change was applied; precondition: judged kApply.
  void advance(std::uint32_t after);
  // As a whole copy or the disk says.
  void start(std::uint64_t sequence, std::uint32_t link);

  [[nodiscard]] std::uint64_t sequence() const { return sequence_; }
  [[nodiscard]] std::uint32_t link() const { return links_[sequence_ % kKept]; }

 private:
  static constexpr std::uint64_t kKept = 16;   // a master has one change of a chunk on its way at a time
  std::uint64_t sequence_ = 0;
  std::uint64_t oldest_ = 0;                   // links_ are known from here
  std::array<std::uint32_t, kKept> links_{};   // by sequence % kKept
};

}  // namespace conclave::file
