// What LeaseCache remembers of one inode; included by lease_cache.cc, lease_jobs.cc and lease_recall.cc only. All of it
// is guarded by its shard's mutex. An entry has one address while it lives, and lives while anything refers to it
// (idle()).
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/token.h"
#include "client/session/lease_cache.h"
#include "client/session/parking.h"

namespace conclave::client {

inline bool lease_covers(LeaseMode held, LeaseMode wanted) {
  return held == wanted || (held == LeaseMode::kWrite && wanted == LeaseMode::kRead) ||
         (held == LeaseMode::kShared && wanted == LeaseMode::kSharedRead) ||
         (held == LeaseMode::kDirWrite && wanted == LeaseMode::kDirRead);
}

inline constexpr unsigned kModes = static_cast<unsigned>(LeaseMode::kSharedRead);

struct LeaseEntry {
  const InodeId inode;
  explicit LeaseEntry(InodeId i, std::uint64_t seen_seq) : inode(i), last_seq(seen_seq) {}

  std::shared_ptr<const HeldLease> lease;   // null: none
  std::uint64_t last_seq;                   // the highest number seen, held or not: older grants are void
  MonoTime owed_until{};                    // a waiting operation is let in first, until then

  // Asking.
  std::uint8_t asked = 0;                   // modes wanted of L and neither granted nor refused yet, by bit
  unsigned calls = 0;                       // to L, whose answers may bring a grant
  ParkKey key = 0;                          // of who waits for a change here; 0: nobody

  // Uses, in two phases: those that began before the present recall, and the others.
  unsigned uses[2] = {0, 0};
  bool phase = false;
  std::uint64_t reads_answered = 0;

  // Going back.
  std::uint64_t recall_seq = 0;             // what is to go back; 0: nothing
  LeaseMode keep = LeaseMode::kNone;
  std::uint64_t early_seq = 0;              // a recall that overtook its grant
  LeaseMode early_keep = LeaseMode::kNone;
  bool wanted_here = false;                 // used since it was to be released
  bool demanded = false;                    // it was recalled since: it goes all the same
  bool touched = false;                     // used since make_room last came by
  bool queued = false;                      // a job will look at it, or does
  bool returning = false;                   // L may have heard so: down to `keep`
  bool closed = false;                      // what arrives is parked
  bool ended = false;                       // with its session; the kernel may still keep what was cached under it

  [[nodiscard]] bool admits(LeaseMode mode) const {
    return lease && !closed && !ended && lease_covers(lease->mode, mode);
  }
  [[nodiscard]] bool recalled() const { return lease && recall_seq == lease->seq; }
  [[nodiscard]] unsigned all_uses() const { return uses[0] + uses[1]; }
  [[nodiscard]] bool idle() const {
    return !lease && asked == 0 && calls == 0 && key == 0 && all_uses() == 0 && !queued && early_seq == 0 && !ended;
  }
  [[nodiscard]] bool releasable() const { return lease && !queued && calls == 0 && key == 0 && all_uses() == 0; }
  static std::uint8_t bit(LeaseMode mode) { return static_cast<std::uint8_t>(1u << static_cast<unsigned>(mode)); }
  [[nodiscard]] bool asked_at_least(LeaseMode mode) const {
    for (unsigned m = 1; m <= kModes; ++m) {
      if ((asked & 1u << m) != 0 && lease_covers(static_cast<LeaseMode>(m), mode)) return true;
    }
    return false;
  }
  void no_longer_asked(LeaseMode granted) {
    for (unsigned m = 1; m <= kModes; ++m) {
      if (lease_covers(granted, static_cast<LeaseMode>(m))) asked &= static_cast<std::uint8_t>(~(1u << m));
    }
  }
};

struct LeaseCache::Shard {
  mutable std::mutex mutex;
  std::unordered_map<InodeId, LeaseEntry> entries GUARDED_BY(mutex);
  std::uint64_t erased_seq GUARDED_BY(mutex) = 0;                     // the highest last_seq of what was erased
  std::size_t hand GUARDED_BY(mutex) = 0;                             // the bucket where make_room goes on

  LeaseEntry* find(InodeId inode) REQUIRES(mutex) {
    const auto found = entries.find(inode);
    return found == entries.end() ? nullptr : &found->second;
  }
  LeaseEntry& make(InodeId inode) REQUIRES(mutex) { return entries.try_emplace(inode, inode, erased_seq).first->second; }
};

}  // namespace conclave::client
