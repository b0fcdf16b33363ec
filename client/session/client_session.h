// This mount's session at the lock server: opened, renewed every third of its term, opened anew when L does not
// know it any more. Brings L's events to the leases and to the waits for locks.
//
//   ACTIVE    usable(); renewed in time
//   SUSPECT   the term is about to end and no renewal was answered: operations that need a lease, held or not, wait
//             (LeaseCache parks them), dirty data stays, the kernel's caches go; back to ACTIVE with the next renewal
//   RECLAIMING  L was restarted and knows the session: it is told every lease, lock and open file (session_reclaim.cc).
//             What is held is used meanwhile, until the session's end; nothing is asked for.
//   lost      L has fenced the session, or does not know it: every lease and lock is gone, on_fenced decides the fate of
//             dirty data, and a new session is opened, which takes over no lease.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/connect_client.h"
#include "base/daemon.h"
#include "base/guarded.h"
#include "base/log.h"
#include "base/random.h"
#include "client/session/held_locks.h"
#include "client/session/lease_cache.h"
#include "client/session/lock_waits.h"

namespace conclave::lock::v1 {
class ReclaimRequest;
class RenewResponse;
}  // namespace conclave::lock::v1

namespace conclave::client {

// One session as L opened it. What is sent with its pass must be numbered by its slots.
class OpenedSession {
 public:
  OpenedSession(SessionId id, std::uint32_t generation, std::uint32_t epoch, std::string pass, Waiter& waiter)
      : id_(id), generation_(generation), waiter_(waiter), epoch_(epoch), pass_(std::move(pass)) {}
  [[nodiscard]] SessionId id() const { return id_; }
  [[nodiscard]] std::uint32_t generation() const { return generation_; }
  [[nodiscard]] std::uint32_t epoch() const;
  [[nodiscard]] std::string pass() const;   // sealed SessionPass
  // L was restarted and took it over.
  void take_over(std::uint32_t epoch, std::string pass);
  // For calls to L that are numbered: anew in each of its epochs, for it remembers no call of another. Lives as long as
  // this. Thread-safe.
  SlotPool& lock_slots();

  // Calls whose answer is not known keep their numbers, some of them until L is back: fewer than there are slots, so that
  // whoever takes one for a call that ends finds one.
  static constexpr std::uint32_t kMostUnanswered = kSlotsPerSession * 3 / 4;

 private:
  friend struct UnansweredCall;
  const SessionId id_;
  const std::uint32_t generation_;
  Waiter& waiter_;
  mutable std::mutex mutex_;
  std::uint32_t epoch_ GUARDED_BY(mutex_);
  std::string pass_ GUARDED_BY(mutex_);
  std::map<std::uint32_t, std::unique_ptr<SlotPool>> pools_ GUARDED_BY(mutex_);   // by epoch
  std::atomic<std::uint32_t> unanswered_{0};
};

// One numbered call to L whose answer did not come. It is sent again under the same number, or nothing is: what comes
// late has no effect then, and what was done is not done twice.
struct UnansweredCall {
  const std::shared_ptr<OpenedSession> session;
  const SlotPool::Lease slot;

  // Null: kMostUnanswered have no answer yet.
  static std::shared_ptr<UnansweredCall> begin(std::shared_ptr<OpenedSession> session);
  explicit UnansweredCall(std::shared_ptr<OpenedSession> counted);   // by begin
  UnansweredCall(const UnansweredCall&) = delete;
  UnansweredCall& operator=(const UnansweredCall&) = delete;
  ~UnansweredCall() { --session->unanswered_; }
  // L was restarted, or the session lost: the call will never be carried out, and its number means nothing.
  [[nodiscard]] bool over(const OpenedSession& opened) const {
    return session.get() != &opened || slot.id().generation != opened.epoch();
  }
};

class ClientSession final : public Duty {
 public:
  struct Hooks {
    // The session is lost: nothing dirty can reach a server under it. Open descriptors get a sticky error. Called
    // with the leases already gone and before the new session opens; may block on the disk, not on L.
    std::function<void(const Error& why)> on_fenced = [](const Error&) {};
    // A new session was opened (also the first): clients that carry its pass take it over.
    std::function<void(OpenedSession&)> on_opened = [](OpenedSession&) {};
    // The same session has another pass: L was restarted.
    std::function<void(OpenedSession&)> on_reclaimed = [](OpenedSession&) {};
    // Locks that were taken through these descriptors are lost. Before anything is granted to the session that follows.
    std::function<void(const std::vector<std::uint64_t>& handles)> on_locks_lost = [](const auto&) {};
    // What programs here have open, and that L has heard so.
    std::function<std::vector<InodeId>()> open_inodes = [] { return std::vector<InodeId>(); };
    std::function<void(InodeId)> told_open = [](InodeId) {};
  };

  ClientSession(lock::LockClient& client, Clock& clock, Waiter& waiter, Random& random, LeaseCache& leases,
                LockWaits& lock_waits, HeldLocks& locks, Log& log, std::string label, Hooks hooks);

  // Opens the first session; blocks until L answers or kCallDeadline. kAccess, kUnavailable, kUnknown, kOverloaded.
  Status open();
  // The session to send with a call; null before open() and while a lost one is being replaced (kUnavailable: run the
  // operation again later). Keep the pointer for the whole of the call.
  [[nodiscard]] std::shared_ptr<OpenedSession> current() const;
  // ACTIVE: leases may be asked for and trusted.
  [[nodiscard]] bool usable() const;

  // Duty: renewals, at T/3, or every 500 ms while L does not answer.
  MonoTime next_tick() override;
  void tick(MonoTime now) override;

  // One thread of main, until stop(): reads the event stream and hands everything on.
  void run_events();
  void stop();
  // Gives the session up after LeaseCache::return_all() and stop(): L frees all it held at once.
  Status close();

 private:
  void renew(OpenedSession& session);
  void take_answer(OpenedSession& session, MonoTime sent, const lock::v1::RenewResponse& answer);
  void lost(SessionId session, const Error& why);
  void close_quietly(SessionId session);
  void replace();
  Status open_new();
  void take_renewal(OpenedSession& session, MonoTime sent, Duration term);
  Status read_stream(OpenedSession& session, std::uint64_t lock_era);
  void take_event(std::uint64_t number, std::string_view event, std::uint64_t lock_era);

  // session_reclaim.cc
  struct Reclaimed {
    std::uint32_t epoch = 0;
    std::uint32_t attempt = 0;
    std::vector<std::pair<LeaseCache::Claim, HeldLease>> leases;
    std::vector<InodeId> open;
  };
  void reclaim(OpenedSession& session, std::uint32_t epoch);
  Status claim_all(OpenedSession& session, Reclaimed& out);
  Status claim_leases(lock::v1::ReclaimRequest& request, std::vector<LeaseCache::Claim> claims, Reclaimed& out);
  Status claim_locks(lock::v1::ReclaimRequest& request);
  Status claim_opens(lock::v1::ReclaimRequest& request, Reclaimed& out);
  Status finish_reclaim(OpenedSession& session, const Reclaimed& reclaimed);

  lock::LockClient& client_;
  Clock& clock_;
  Waiter& waiter_;
  Random& random_;
  LeaseCache& leases_;
  LockWaits& lock_waits_;
  HeldLocks& locks_;
  Log& log_;
  const std::string label_;
  const Hooks hooks_;

  mutable std::mutex mutex_;
  std::shared_ptr<OpenedSession> current_ GUARDED_BY(mutex_);
  MonoTime ends_ GUARDED_BY(mutex_){};                         // of the session lease, as seen here
  MonoTime next_renewal_ GUARDED_BY(mutex_){};
  MonoTime next_tick_ GUARDED_BY(mutex_){};
  std::uint64_t events_seen_ GUARDED_BY(mutex_) = 0;
  std::uint64_t events_acknowledged_ GUARDED_BY(mutex_) = 0;
  std::uint64_t newest_event_ GUARDED_BY(mutex_) = 0;          // as the last renewal told
  bool reopen_stream_ GUARDED_BY(mutex_) = false;
  bool renewing_ GUARDED_BY(mutex_) = false;
  bool reclaiming_ GUARDED_BY(mutex_) = false;
  std::uint64_t reclaims_ GUARDED_BY(mutex_) = 0;              // that L has heard to the end
  std::uint32_t attempts_ GUARDED_BY(mutex_) = 0;              // to reclaim
  Reclaimed reclaimed_ GUARDED_BY(mutex_);                     // said, until L has said that it knows all
  bool replacing_ GUARDED_BY(mutex_) = false;                  // somebody is opening a new session
  bool suspect_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace conclave::client
