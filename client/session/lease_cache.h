// The leases this mount holds, and the order in which they go back (docs/walks.md, "A recall").
// Knows no kernel: what a recall must invalidate and drain is asked of the file system through Hooks.
//
// An operation asks need(); with the lease it gets a Use, which pins the lease until destroyed: a recall waits
// for the uses that began before it and parks the operations that come after. Without the lease it gets
// kPending{key}, and is run again when the grant came.
//
// What the file system must do for this to be coherent:
//   - an answer that the kernel may cache (attributes, names, pages) keeps its Use until it was handed to the kernel;
//   - a READ (or READDIR with cached pages) calls note_read_answered after its answer and before its Use ends. It
//     should look at Use::revoked() just before: if true, run it again (park under again()) instead of answering,
//     or a reader that never pauses keeps the recall waiting;
//   - nobody waits for a lock, a vote or another lease while holding a Use: operations restart from their beginning.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/result.h"
#include "base/token.h"
#include "base/waiter.h"
#include "client/session/held_lease.h"
#include "client/session/parking.h"

namespace conclave::lock {
class LockClient;
namespace v1 {
class Grant;
}  // namespace v1
}  // namespace conclave::lock

namespace conclave::client {

struct LeaseEntry;

class LeaseCache {
 public:
  struct Hooks {
    // Kernel caches of the inode: pages and attributes, or a directory's names. May block on the kernel. Not asked
    // when a lease comes down to R or DR: what is cached then stays true.
    std::function<void(InodeId)> invalidate;
    // Dirty bytes to F, size and times to D; after it nothing of the inode is here that the mode `keep` does not allow. May
    // block on servers. An error: ask again soon; what can never succeed is remembered for the descriptors, and is none.
    std::function<Status(InodeId, LeaseMode keep)> drain;
    // Does a program here have it open?
    std::function<bool(InodeId)> is_open;
    // L has heard that one has.
    std::function<void(InodeId)> told_open = [](InodeId) {};
    // A lease has another number and token and is the same otherwise.
    std::function<void(InodeId, const HeldLease&)> renewed = [](InodeId, const HeldLease&) {};
  };

  // A pinned lease. Move-only; ends the use when destroyed.
  class Use {
   public:
    Use() = default;
    Use(Use&& other) noexcept;
    Use& operator=(Use&& other) noexcept;
    ~Use();
    [[nodiscard]] LeaseMode mode() const;
    [[nodiscard]] const std::string& token() const;  // sealed LeaseToken
    [[nodiscard]] std::uint64_t seq() const;
    // The number of the grant since which this mount held at least R (DR) without a gap. What was cached under
    // another number is void; under the same it is true still.
    [[nodiscard]] std::uint64_t since() const;
    // Operations of this inode are parked now, by a recall or because the session's end is near: a READ is run again
    // rather than answered.
    [[nodiscard]] bool revoked() const;

   private:
    friend class LeaseCache;
    LeaseCache* cache_ = nullptr;  // null: nothing to end
    LeaseEntry* entry_ = nullptr;
    std::shared_ptr<const HeldLease> lease_;
    bool phase_ = false;
  };

  LeaseCache(lock::LockClient& client, Clock& clock, Waiter& waiter, Parking& parking, Hooks hooks);
  ~LeaseCache();

  // At least `mode` on `inode` (W serves for R, DW for DR). `ticket` is D's and is used when L must be asked.
  // Asks L at most once for all who want the same; a grant that comes at once is used at once.
  // kPending, also while L cannot be asked (SUSPECT; the key is delivered when it can). kAccess: the ticket does not
  // allow it; kStale: the ticket is of another session or epoch, look the inode up again; kUnavailable after stop().
  Result<Use> need(InodeId inode, LeaseMode mode, const std::string& ticket);
  // The same if it is held already, without asking anybody.
  std::optional<Use> held(InodeId inode, LeaseMode mode);
  // For a READ that found its use revoked: kPending under which to park it. The Use must be gone by then.
  Error again(InodeId inode);
  // Asks for many R or DR leases in one call, after a listing. What is not free at once is not waited for.
  void prefetch(const std::vector<std::pair<InodeId, std::string>>& inodes_and_tickets, LeaseMode mode);
  // How long the kernel may keep what this lease covers: until the session lease ends, at most 30 s; 0 if not held
  // or being recalled. Ask it while holding the Use under which the answer was made.
  Duration cache_time(InodeId inode, LeaseMode mode) const;

  // From the session's event stream; do not block.
  void on_recall(InodeId inode, std::uint64_t seq, LeaseMode keep);
  void on_grant(InodeId inode, LeaseMode mode, std::uint64_t seq, std::string token, Errc refused_or_ok, bool refused);
  // A READ of the inode was answered: a recall that is invalidating it must do so again (rule 2).
  void note_read_answered(InodeId inode);
  // The kernel forgot the inode and nothing is dirty: give the lease back when convenient (batched). By itself, too, the
  // cache releases what was not used for long when it holds more than kMaxLeasesHeld.
  void release_soon(InodeId inode);

  // The session as ClientSession keeps it: opened, or renewed until `ends`. Wakes who waited for it.
  void on_session(SessionId session, MonoTime ends);
  // L waits for sessions of before its restart, and grants nothing: it is not asked. Over: wakes who waited.
  void on_grace(bool over);
  [[nodiscard]] bool granting() const { return granting_.load(); }
  // For who cannot go on without L: kPending until the session was renewed or replaced.
  Error wait_for_session();
  // A server says that the session is over: nothing is asked for until it was renewed or replaced. kPending until then.
  Error doubt();
  // What became of an operation that failed for `why`: kPending, run it again, if its session or its lease had ended.
  Error await_session(const Error& why);
  // Its end has come near and no renewal was answered: nothing is admitted until the next is, the kernel's caches go, the
  // leases stay.
  void on_suspect();

  // L was restarted in `epoch`. What is held, to be claimed there; nothing is granted until on_grace. What is held stays
  // usable; recalls that were under way are void.
  using Claim = LeaseClaim;
  std::vector<Claim> begin_reclaim(std::uint32_t epoch);
  // What L gave for the claims (HeldLease::since is ours). Nothing that is cached becomes void.
  void end_reclaim(const std::vector<std::pair<Claim, HeldLease>>& reclaimed);

  // Carries out recalls; for two or more threads until stop(): one recall may wait for a read that waits for another.
  void run_recalls();
  // A worker that empties the kernel's caches when the session's end is near or has come, and does nothing else: no
  // recall, no drain and no call to a server can keep it from that. Run by two or more threads of main until stop().
  void run_endings();
  void stop();
  // ACTIVE: the session's end has not come near.
  [[nodiscard]] bool usable() const { return clock_.now().time_since_epoch().count() < ends_ns_.load(); }
  // The session ended: no lease is held any more. Wakes everybody; run_endings empties the kernel's caches, and no lease
  // on an inode is used before it has done so there.
  void drop_all();
  [[nodiscard]] std::uint64_t losses() const { return losses_.load(); }   // of sessions
  // kFenced: another one since, and what it lost is gone from the buffers. An operation must not put more there then.
  [[nodiscard]] Status check_same_session(std::uint64_t losses) const;
  // What the kernel's page cache has of an inode is of the session that lasts as long as this is the same; 0 while it is
  // still being emptied of what an earlier session left.
  [[nodiscard]] std::uint64_t page_era(InodeId inode);
  // Drains and returns everything (unmount); before stop(). Nothing is granted afterwards. Each drain is tried once;
  // the first error.
  Status return_all();

  // Leases held; recalls carried out since the start.
  [[nodiscard]] std::size_t size() const { return held_.load(); }
  [[nodiscard]] std::uint64_t recalls() const { return recalls_.load(); }

 private:
  using JobKind = LeaseJob::Kind;
  using Job = LeaseJob;
  using Ending = LeaseEnding;
  using GiveBack = LeaseReturn;
  struct Shard;
  using Lock = std::unique_lock<std::mutex>;  // of an entry's shard, held by the caller
  static constexpr std::size_t kShards = 16;

  // lease_cache.cc
  [[nodiscard]] Shard& shard_of(InodeId inode) const;
  Use use_of(LeaseEntry& entry);
  void end_use(LeaseEntry& entry, bool phase);
  std::optional<Result<Use>> ask(InodeId inode, LeaseMode mode, const std::string& ticket);
  bool take_grant(LeaseEntry& entry, HeldLease lease);
  void make_room(Shard& shard);
  void take_answer(LeaseEntry& entry, const lock::v1::Grant& grant);
  void call_ended(LeaseEntry& entry);
  Error wait_for(LeaseEntry& entry);
  void deliver(LeaseEntry& entry);
  void erase_if_idle(Shard& shard, InodeId inode);
  void deliver_session();

  // lease_reclaim.cc
  bool take_reclaimed(const Claim& claim, HeldLease& lease);

  // lease_jobs.cc
  void add_job(const Job& job);
  void add_job_later(const Job& job, Duration delay);
  MonoTime take_due_jobs() REQUIRES(mutex_);
  bool& at_work_again(JobKind kind) REQUIRES(mutex_) { return kind == JobKind::kDrain ? draining_again_ : returning_again_; }
  std::vector<Job> next_jobs();
  std::optional<Ending> next_ending();
  void add_endings(const std::vector<InodeId>& inodes);
  void wait_for_workers(MonoTime deadline);
  void carry_out(const Job& job);
  void say_not_held(const Job& job);

  // lease_recall.cc
  void start_recall(LeaseEntry& entry, LeaseMode keep);
  void carry_out_recall(InodeId inode);
  bool close(LeaseEntry& entry, std::uint64_t seq, LeaseMode keep, Lock& lock);
  void drain_and_return(const Job& job);
  void return_drained(const Job& job);
  void finish_recall(LeaseEntry& entry, std::uint64_t seq, std::optional<HeldLease> kept);
  void start_release(LeaseEntry& entry);
  void release(const std::vector<InodeId>& inodes);
  Status give_back_for_good(const std::vector<GiveBack>& returns);
  void finish_return(const GiveBack& one);
  void return_later(const GiveBack& one);
  using Kept = std::vector<std::pair<InodeId, HeldLease>>;
  std::optional<Kept> give_back(const std::vector<GiveBack>& returns);
  template <class Done>
  void await(LeaseEntry& entry, Lock& lock, MonoTime deadline, Done done);
  void carry_out(const Ending& ending);
  bool begin_return(LeaseEntry& entry, Lock& lock);

  lock::LockClient& client_;
  Clock& clock_;
  Waiter& waiter_;
  Parking& parking_;
  const Hooks hooks_;
  std::unique_ptr<Shard[]> shards_;

  std::atomic<std::uint64_t> session_{0};
  std::atomic<std::int64_t> ends_ns_{0};     // of the session lease; 0: none
  std::atomic<std::uint64_t> era_{0};        // rises when a session is lost or reclaims: older answers are void
  std::atomic<std::uint64_t> losses_{0};     // of sessions
  std::atomic<std::uint64_t> least_seq_{0};  // grants below it are of before L's restart
  std::atomic<bool> granting_{true};         // L grants; else it is not asked
  std::atomic<bool> ending_{false};          // nothing is asked for any more
  std::atomic<bool> stopped_{false};         // the workers end
  std::atomic<bool> unanswered_{false};      // L did not answer the last return: one worker asks again, none beside it
  std::atomic<std::uint64_t> recalls_{0};
  std::atomic<std::size_t> held_{0};

  mutable std::mutex mutex_;
  std::deque<Job> jobs_ GUARDED_BY(mutex_);
  std::multimap<MonoTime, Job> later_ GUARDED_BY(mutex_);  // by when they are due
  std::deque<Job> releases_ GUARDED_BY(mutex_);
  bool draining_again_ GUARDED_BY(mutex_) = false;         // some worker does, or is about to
  bool returning_again_ GUARDED_BY(mutex_) = false;        // the same: L's turn
  std::multimap<MonoTime, Ending> endings_ GUARDED_BY(mutex_);   // by when they are due
  unsigned working_ GUARDED_BY(mutex_) = 0;      // workers that carry something out
  ParkKey session_key_ GUARDED_BY(mutex_) = 0;   // who waits for a usable session; 0: nobody
};

}  // namespace conclave::client
