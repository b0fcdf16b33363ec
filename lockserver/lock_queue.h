// Rule: flock(2) and fcntl(2) locks of all inodes, and who waits for them, with Linux's meaning on one machine
// (fs/locks.c), here for owners on many. Pure: the owner locks, and sends the answers that calls return.
//
// A request is granted when nothing held conflicts, whoever else waits: as on Linux, a reader may pass a waiting
// writer, or programs that are free of deadlock there would not be here. What is released goes to the waiters in the
// order they came. flock's conversion lets the old lock go first. EDEADLK: POSIX requests only, and only when
// the owners in the way, those in their way, and so on, lead back to the owner that asks.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/errc.h"
#include "base/result.h"
#include "lockserver/range_locks.h"

namespace conclave::lock {

enum class LockKind : std::uint8_t { kFlock, kPosix };
inline constexpr LockRange kWholeFile{0, 0x7fffffffffffffff};

struct LockWant {
  InodeId inode{};
  LockKind kind = LockKind::kFlock;
  LockOwner owner;
  LockType type = LockType::kShared;
  LockRange range = kWholeFile;   // kFlock: the whole file, whatever it says
  std::uint32_t pid = 0;
  std::uint64_t wait = 0;         // not 0: queue under this number of the session
  std::uint64_t place = 0;        // among all waits; given when it is queued
};

// A wait that ended.
struct LockAnswered {
  SessionId session{};
  std::uint64_t wait = 0;
  std::optional<Errc> failed;     // nothing: granted
  friend bool operator==(const LockAnswered&, const LockAnswered&) = default;
};

class LockQueue {
 public:
  // Locks held and waited for by one session: bounds what a client can store here.
  // Waits are numbered after `last_place`, in the order in which they come.
  explicit LockQueue(std::size_t most_per_session, std::uint64_t last_place = 0)
      : most_per_session_(most_per_session), last_place_(last_place) {}

  // After a restart, until all sessions of before have said what they have: nobody who waits is served.
  void hold_back() { held_back_ = true; }
  void serve_all(std::vector<LockAnswered>& answers);
  // What a session had, or waited for (`wait`, `place`). kWouldBlock: somebody has claimed what excludes it. kNoLocks.
  Status reclaim(const LockWant& want);

  // True: granted (or unlocked). False: queued, also if it was queued before under the same number. kWouldBlock: in
  // use and no wait number. kDeadlock. kNoLocks: too many. kInvalid: an empty range. `answers`: to others.
  Result<bool> set(const LockWant& want, std::vector<LockAnswered>& answers);
  // What would keep the request from being granted: the first lock in the file; nothing: it could be set.
  [[nodiscard]] std::optional<HeldRange> test(const LockWant& want) const;
  // Of a wait; 0: there is none.
  [[nodiscard]] std::uint64_t place_of(const LockWant& want) const;
  // True: it waited, and does not any more.
  bool cancel(SessionId session, std::uint64_t wait);
  // The session ended: all its locks and waits.
  void drop(SessionId session, std::vector<LockAnswered>& answers);
  // Its waits only; it is fenced.
  void stop_waiting(SessionId session);

  [[nodiscard]] std::size_t load_of(SessionId session) const;   // ranges held and waits
  [[nodiscard]] std::size_t waiting() const;
  // Aborts if incompatible locks are held or a waiter could be granted; for tests.
  void check() const;

 private:
  struct File {
    RangeLocks held;
    std::vector<LockWant> waiting;  // first come first
  };
  using Key = std::pair<InodeId, LockKind>;

  void serve(File& file, std::vector<LockAnswered>& answers);
  [[nodiscard]] bool would_deadlock(const LockWant& want) const;
  void change(File& file, const LockWant& want, LockType type);
  void erase_if_unused(const Key& key);

  const std::size_t most_per_session_;
  std::uint64_t last_place_;
  bool held_back_ = false;
  std::map<Key, File> files_;
  std::unordered_map<SessionId, std::size_t> load_;
};

}  // namespace conclave::lock
