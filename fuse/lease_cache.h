// The leases this mount holds, and the order in which they go back (coherence.md, "Recall, in this order").
// Knows no kernel: what a recall must invalidate and drain is asked of the file system through Hooks.
//
// An operation asks need(); with the lease it gets a Use, which pins the lease until destroyed: a recall waits
// for the uses that began before it and parks the operations that come after. Without the lease it gets
// kPending{key}, and is run again when the grant came.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/token.h"
#include "base/waiter.h"
#include "fuse/parking.h"

namespace conclave::lock {
class LockClient;
}

namespace conclave::fuse_fs {

class LeaseCache {
 public:
  struct Hooks {
    // Kernel caches of the inode: pages and attributes, or a directory's names. May block on the kernel.
    std::function<void(InodeId)> invalidate;
    // Dirty bytes to F, size and times to D; after it nothing of the inode is in this process that the mode
    // `keep` does not allow. May block on servers.
    std::function<Status(InodeId, LeaseMode keep)> drain;
    // Does a program here have it open?
    std::function<bool(InodeId)> is_open;
  };

  // A pinned lease. Move-only; ends the use when destroyed.
  class Use {
   public:
    Use() = default;
    Use(Use&& other) noexcept;
    Use& operator=(Use&& other) noexcept;
    ~Use();
    [[nodiscard]] LeaseMode mode() const { return mode_; }
    [[nodiscard]] const std::string& token() const { return token_; }  // sealed LeaseToken
    [[nodiscard]] std::uint64_t seq() const { return seq_; }
    // This is the first use since the lease was granted anew: attributes and names cached before it are void.
    [[nodiscard]] bool fresh() const { return fresh_; }

   private:
    friend class LeaseCache;
    LeaseCache* cache_ = nullptr;
    InodeId inode_{};
    LeaseMode mode_ = LeaseMode::kNone;
    std::string token_;
    std::uint64_t seq_ = 0;
    bool fresh_ = false;
  };

  LeaseCache(lock::LockClient& client, Clock& clock, Waiter& waiter, Parking& parking, Hooks hooks);

  // At least `mode` on `inode` (W serves for R, DW for DR). `ticket` is D's and is used when L must be asked.
  // Asks L at most once for all who want the same; a grant that comes at once is used at once.
  // kPending; kAccess (ticket), kFenced, kUnavailable (no session: SUSPECT).
  Result<Use> need(InodeId inode, LeaseMode mode, const std::string& ticket);
  // The same if it is held already, without asking anybody.
  std::optional<Use> held(InodeId inode, LeaseMode mode);
  // Asks for many R or DR leases in one call, after a listing. What is not granted at once is not waited for.
  void prefetch(const std::vector<std::pair<InodeId, std::string>>& inodes_and_tickets, LeaseMode mode);
  // How long the kernel may keep what this lease covers: until the session lease ends, at most 30 s; 0 if not held
  // or being recalled.
  Duration cache_time(InodeId inode, LeaseMode mode) const;

  // From the session's event stream; do not block.
  void on_recall(InodeId inode, std::uint64_t seq, LeaseMode keep);
  void on_grant(InodeId inode, LeaseMode mode, std::uint64_t seq, std::string token, Errc refused_or_ok, bool refused);
  // A READ of the inode was answered: a recall that is invalidating it must do so again (rule 2).
  void note_read_answered(InodeId inode);
  // The kernel forgot the inode and nothing is dirty: give the lease back when convenient (batched).
  void release_soon(InodeId inode);

  // A worker that carries out recalls; run by two or more threads of main until stop(): one recall may wait for a
  // read that waits for another.
  void run_recalls();
  void stop();
  // The session ended: no lease is held any more. Wakes everybody.
  void drop_all();
  // Drains and returns everything (unmount).
  Status return_all();

  [[nodiscard]] std::size_t size() const;

 private:
  struct Entry;
  // … written with the implementation
};

}  // namespace conclave::fuse_fs
