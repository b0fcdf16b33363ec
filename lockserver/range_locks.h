// Rule: the POSIX byte-range locks of one inode (fcntl(2), F_SETLK). An owner's ranges never overlap each other: a new
// one replaces, splits or joins what the owner had there. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"

namespace conclave::lock {

struct LockOwner {
  SessionId session{};
  std::uint64_t id = 0;  // within the session: a process (POSIX), an open file (OFD, flock)
  friend auto operator<=>(const LockOwner&, const LockOwner&) = default;
};

enum class LockType : std::uint8_t { kUnlock, kShared, kExclusive };

// [start, end], both included, up to 2^63 - 1: "to the end of the file".
struct LockRange {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  [[nodiscard]] bool overlaps(const LockRange& other) const { return start <= other.end && other.start <= end; }
  friend bool operator==(const LockRange&, const LockRange&) = default;
};

struct HeldRange {
  LockOwner owner;
  LockRange range;
  LockType type = LockType::kShared;
  std::uint32_t pid = 0;
  friend bool operator==(const HeldRange&, const HeldRange&) = default;
};

class RangeLocks {
 public:
  // The first in the file that keeps `owner` from having `type` on `range`; nothing for kUnlock.
  [[nodiscard]] std::optional<HeldRange> conflict(const LockOwner& owner, LockRange range, LockType type) const;
  // Every owner that does.
  [[nodiscard]] std::vector<LockOwner> blockers(const LockOwner& owner, LockRange range, LockType type) const;
  // Gives it, or takes it away. The caller has made sure that nothing conflicts.
  void set(const LockOwner& owner, LockRange range, LockType type, std::uint32_t pid);
  void drop(SessionId session);

  [[nodiscard]] const std::vector<HeldRange>& all() const { return held_; }  // by start
  [[nodiscard]] bool empty() const { return held_.empty(); }

 private:
  std::vector<HeldRange> held_;
};

}  // namespace conclave::lock
