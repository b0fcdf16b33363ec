// The flock and fcntl locks that programs here hold, as this mount knows for sure, and the requests for some that are on
// their way: what the lock server must be told after its restart, and whose descriptors fail when locks are lost.
// Thread-safe; never blocks.
//
// What is claimed holds whatever became of a request whose answer did not come: an unlock counts when it is sent, a
// lock when it is answered, and an exclusive lock that is to become a shared one is a shared one meanwhile. So two
// mounts that tell the truth never claim what excludes each other.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/ids.h"
#include "conclave/lock/v1/lock.pb.h"
#include "lockserver/range_locks.h"

namespace conclave::client {

class HeldLocks {
 public:
  struct Request {
    InodeId inode{};
    bool flock = false;
    std::uint64_t owner = 0;
    std::uint64_t handle = 0;          // the descriptor it came through
    lock::LockType type = lock::LockType::kUnlock;
    lock::LockRange range;
    std::uint32_t pid = 0;
    std::uint64_t wait = 0;            // LockWaits' number; 0: it does not wait
  };

  // Before it is sent. A number for the calls below.
  std::uint64_t sending(const Request& request);
  // L's answers. False: L was restarted, or the session lost, since it was sent: it counts for nothing, ask again.
  bool granted(std::uint64_t number, const std::string& proof);
  bool queued(std::uint64_t number, const Request& request, std::uint64_t place, const std::string& proof);
  void refused(std::uint64_t number, bool may_have_happened);
  // The wait's event, of the event stream that was opened in `era`. False: as above.
  bool answered(std::uint64_t wait, bool granted, std::uint64_t era);
  void cancelled(std::uint64_t wait);
  // Whoever asked is gone, what L did is not known, and L will be told to free the range: what the owner held there goes
  // with it. Descriptors that lose a lock so.
  std::vector<std::uint64_t> abandoned(const Request& request);

  // Rises when L was restarted, and when the session was lost.
  [[nodiscard]] std::uint64_t era() const;

  // To reclaim, a new era.
  struct Claim {
    lock::v1::LockClaim wire;
    InodeId inode{};
    bool flock = false;
  };
  std::vector<Claim> claims();
  // L's answer to a claim; descriptors whose lock is lost.
  std::vector<std::uint64_t> reclaimed(const Claim& claim, const lock::v1::ReclaimResponse::Lock& answer);
  // The session is lost, a new era. Descriptors whose locks are lost.
  std::vector<std::uint64_t> lose_all();

 private:
  struct Owner {
    InodeId inode{};
    bool flock = false;
    std::uint64_t id = 0;
    friend auto operator<=>(const Owner&, const Owner&) = default;
  };
  struct Held {
    lock::RangeLocks ranges;
    std::set<std::uint64_t> handles;
    std::string proof;
  };
  struct Asked {
    Request request;
    std::uint64_t era = 0;
    bool queued = false;
    std::uint64_t place = 0;
    std::string proof;
  };
  using AskedAt = std::map<std::uint64_t, Asked>::iterator;

  static Owner owner_of(const Request& request) { return {request.inode, request.flock, request.owner}; }
  void give_up(const Request& request) REQUIRES(mutex_);
  void hold(const Request& request, const std::string& proof) REQUIRES(mutex_);
  void downgrade(lock::RangeLocks& ranges, const Request& request) const REQUIRES(mutex_);
  AskedAt waiting(std::uint64_t wait) REQUIRES(mutex_);

  mutable std::mutex mutex_;
  std::map<Owner, Held> held_ GUARDED_BY(mutex_);
  std::map<std::uint64_t, Asked> asked_ GUARDED_BY(mutex_);
  std::uint64_t next_ GUARDED_BY(mutex_) = 1;
  std::uint64_t era_ GUARDED_BY(mutex_) = 1;
};

}  // namespace conclave::client
