#include "lockserver/range_locks.h"

#include <algorithm>

namespace conclave::lock {
namespace {

bool conflicts(const HeldRange& held, const LockOwner& owner, LockRange range, LockType type) {
  return type != LockType::kUnlock && held.owner != owner && held.range.overlaps(range) &&
         (held.type == LockType::kExclusive || type == LockType::kExclusive);
}

}  // namespace

std::optional<HeldRange> RangeLocks::conflict(const LockOwner& owner, LockRange range, LockType type) const {
  for (const HeldRange& held : held_) {
    if (conflicts(held, owner, range, type)) return held;
  }
  return std::nullopt;
}

std::vector<LockOwner> RangeLocks::blockers(const LockOwner& owner, LockRange range, LockType type) const {
  std::vector<LockOwner> out;
  for (const HeldRange& held : held_) {
    if (conflicts(held, owner, range, type) && std::ranges::find(out, held.owner) == out.end()) {
      out.push_back(held.owner);
    }
  }
  return out;
}

void RangeLocks::set(const LockOwner& owner, LockRange range, LockType type, std::uint32_t pid) {
  std::vector<HeldRange> next;
  next.reserve(held_.size() + 2);
  for (const HeldRange& held : held_) {
    if (held.owner != owner) {
      next.push_back(held);
      continue;
    }
    if (held.type == type) {  // joins what it overlaps or touches
      const bool touches = held.range.overlaps(range) || (held.range.end != UINT64_MAX && held.range.end + 1 == range.start) ||
                           (range.end != UINT64_MAX && range.end + 1 == held.range.start);
      if (touches) {
        range.start = std::min(range.start, held.range.start);
        range.end = std::max(range.end, held.range.end);
      } else {
        next.push_back(held);
      }
      continue;
    }
    if (!held.range.overlaps(range)) {
      next.push_back(held);
      continue;
    }
    if (held.range.start < range.start) {
      next.push_back(held);
      next.back().range.end = range.start - 1;
    }
    if (held.range.end > range.end) {
      next.push_back(held);
      next.back().range.start = range.end + 1;
    }
  }
  if (type != LockType::kUnlock) next.push_back({owner, range, type, pid});
  std::ranges::stable_sort(next, {}, [](const HeldRange& held) { return held.range.start; });
  held_ = std::move(next);
}

void RangeLocks::drop(SessionId session) {
  std::erase_if(held_, [&](const HeldRange& held) { return held.owner.session == session; });
}

}  // namespace conclave::lock
