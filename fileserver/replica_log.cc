#include "fileserver/replica_log.h"

#include <algorithm>

namespace conclave::file {

ReplicaLog::Verdict ReplicaLog::judge(std::uint64_t sequence, std::uint32_t before, std::uint32_t after) const {
  if (sequence > sequence_ + 1) return Verdict::kGap;
  if (sequence == sequence_ + 1) return before == link() ? Verdict::kApply : Verdict::kDiverged;
  // What is too old to compare is not taken for the same: a copy is the safe answer.
  if (sequence == 0 || sequence < oldest_) return Verdict::kDiverged;
  return links_[sequence % kKept] == after ? Verdict::kDuplicate : Verdict::kDiverged;
}

void ReplicaLog::advance(std::uint32_t after) {
  ++sequence_;
  links_[sequence_ % kKept] = after;
  if (sequence_ >= kKept) oldest_ = std::max(oldest_, sequence_ - kKept + 1);
}

void ReplicaLog::start(std::uint64_t sequence, std::uint32_t link) {
  sequence_ = sequence;
  oldest_ = sequence;
  links_[sequence % kKept] = link;
}

}  // namespace conclave::file
