// Inside lock_ops.cc and lock_reclaim.cc: words of messages as the rules' own, and bounds.
#pragma once

#include <algorithm>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "conclave/lock/v1/lock.pb.h"
#include "lockserver/lock_queue.h"

namespace conclave::lock {

inline std::uint32_t to_ms(Duration duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(ms, 0, UINT32_MAX));
}

inline LockRange range_of(const v1::Range& range) { return {range.start(), std::min(range.end(), kWholeFile.end)}; }

inline LockKind kind_of(v1::LockKind kind) { return kind == v1::POSIX ? LockKind::kPosix : LockKind::kFlock; }

inline Result<LockType> type_of(v1::LockType type) {
  if (type == v1::UNLOCK) return LockType::kUnlock;
  if (type == v1::SHARED_LOCK) return LockType::kShared;
  if (type == v1::EXCLUSIVE_LOCK) return LockType::kExclusive;
  return Error(Errc::kInvalid, "no such type of lock");
}

inline Status at_most(int count, std::size_t most, std::string_view what) {
  if (static_cast<std::size_t>(count) <= most) return {};
  return Error(Errc::kInvalid, "more than " + std::to_string(most) + " " + std::string(what) + " in one call");
}

}  // namespace conclave::lock
