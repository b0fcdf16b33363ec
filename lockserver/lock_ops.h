// The lock server's operations: the table of rpcs over the rules (sessions, leases, locks), and what is pushed to the
// sessions' event streams. One mutex guards all rules; no rule blocks. Thread-safe.
//
// What must outlive a crash (which sessions there are, and their fences) is on the disk before anybody hears of it:
// calls that change it, or tell it, save first. After a restart there is grace (lock_reclaim.cc): until every session of
// before has said what it holds, or is fenced and D has acknowledged that, nothing is granted.
//
// A session that falls silent is fenced at its end: D is told (Sync), and only when D has acknowledged are its leases
// and locks given to others. Until then nothing of it is granted away, however long D is gone.
#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "base/daemon.h"
#include "base/event_hub.h"
#include "base/guarded.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "base/router.h"
#include "base/slot_table.h"
#include "base/token.h"
#include "conclave/lock/v1/lock.pb.h"
#include "base/turns.h"
#include "lockserver/lease_table.h"
#include "lockserver/lock_memory.h"
#include "lockserver/lock_queue.h"
#include "lockserver/session_table.h"

namespace conclave::lock {

class LockOps final : public Duty {
 public:
  // `memory` lives as long as this, and nobody else saves there.
  LockOps(const ClusterId& cluster, SessionTerm term, LockMemory& memory, Clock& clock, Waiter& waiter, Random& random,
          Log& log);

  void add_routes(Router& router);

  // Duty: sessions that end, recalls that are not answered.
  MonoTime next_tick() override;
  void tick(MonoTime now) override;

 private:
  template <class Request, class Response>
  using Method = Result<Response> (LockOps::*)(const CallContext&, const Request&);
  enum class Saves : std::uint8_t { kNo, kYes };
  template <class Request, class Response>
  void add(Router& router, const char* name, Roles roles, Method<Request, Response> method, Saves saves = Saves::kNo);
  Status save_up_to(std::uint64_t change);

  Result<v1::OpenSessionResponse> open_session(const CallContext& call, const v1::OpenSessionRequest& request) REQUIRES(mutex_);
  Result<v1::RenewResponse> renew(const CallContext& call, const v1::RenewRequest& request) REQUIRES(mutex_);
  Result<v1::CloseSessionResponse> close_session(const CallContext& call, const v1::CloseSessionRequest& request)
      REQUIRES(mutex_);
  Result<v1::ReclaimResponse> reclaim(const CallContext& call, const v1::ReclaimRequest& request) REQUIRES(mutex_);
  Status events(const CallContext& call, std::string_view request_proto, EventHub::Sink sink) REQUIRES(mutex_);
  Result<v1::AcquireResponse> acquire(const CallContext& call, const v1::AcquireRequest& request) REQUIRES(mutex_);
  Result<v1::ReturnResponse> give_back(const CallContext& call, const v1::ReturnRequest& request) REQUIRES(mutex_);
  Result<v1::ClosedResponse> closed(const CallContext& call, const v1::ClosedRequest& request) REQUIRES(mutex_);
  Result<v1::SetLockResponse> set_lock(const CallContext& call, const v1::SetLockRequest& request) REQUIRES(mutex_);
  Result<v1::GetLockResponse> get_lock(const CallContext& call, const v1::GetLockRequest& request) REQUIRES(mutex_);
  Result<v1::CancelLockResponse> cancel_lock(const CallContext& call, const v1::CancelLockRequest& request) REQUIRES(mutex_);
  Result<v1::SyncResponse> sync(const CallContext& call, const v1::SyncRequest& request) REQUIRES(mutex_);
  Result<v1::OpensResponse> opens(const CallContext& call, const v1::OpensRequest& request) REQUIRES(mutex_);
  Result<v1::HealthResponse> health(const CallContext& call, const v1::HealthRequest& request) REQUIRES(mutex_);

  Result<const SessionTable::Session*> session_of(const CallContext& call, std::uint64_t id) const REQUIRES(mutex_);
  Result<std::uint8_t> rights_of(const std::string& ticket, SessionId session, InodeId inode) const;  // one at least
  Status take_grants() const REQUIRES(mutex_);   // kUnavailable in grace
  v1::Grant acquire_one(const SessionTable::Session& session, const v1::Want& want, MonoTime now) REQUIRES(mutex_);
  v1::Grant message_of(const GrantedLease& granted) const REQUIRES(mutex_);
  std::string proof_of(SessionId session, InodeId inode) const;
  Result<v1::SetLockResponse> set_one_lock(const SessionTable::Session& session, const v1::SetLockRequest& request) REQUIRES(mutex_);
  template <class Response, class Run>
  Result<Response> once(const CallContext& call, SessionId session, Run run) REQUIRES(mutex_);

  void push(SessionId session, const v1::Event& event) REQUIRES(mutex_);
  void send(const LeaseEffects& effects) REQUIRES(mutex_);
  void send(const std::vector<LockAnswered>& answers) REQUIRES(mutex_);
  void excuse_pause(MonoTime now) REQUIRES(mutex_);
  void silence(SessionId session) REQUIRES(mutex_);   // it is fenced now
  void free_all(SessionId session) REQUIRES(mutex_);  // it is gone
  void fence(SessionId session) REQUIRES(mutex_);

  [[nodiscard]] Status check_epoch(std::uint32_t epoch) const;

  // lock_reclaim.cc
  void restore(const LockMemory& memory);
  template <class Open>
  auto of_earlier_epoch(Open open) const -> decltype(open(std::declval<const EpochKeys&>()));
  v1::Grant reclaim_lease(const SessionTable::Session& session, const v1::LeaseClaim& claim) REQUIRES(mutex_);
  v1::ReclaimResponse::Lock reclaim_lock(const SessionTable::Session& session, const v1::LockClaim& claim) REQUIRES(mutex_);
  Result<Ticket> open_ticket(const std::string& sealed) const;
  Status check_lock_claim(SessionId session, const v1::LockClaim& claim) const;
  void end_grace_if_over(MonoTime now) REQUIRES(mutex_);
  [[nodiscard]] bool shows_previous_key(MonoTime now) const REQUIRES(mutex_);

  const std::uint32_t epoch_;
  Clock& clock_;
  Random& random_;
  Log& log_;
  EventHub hub_;
  LockMemory& memory_;
  const EpochKeys keys_;                     // with the last epoch's, if a session is from before
  std::vector<EpochKeys> earlier_keys_;      // one each; since the start
  Turns saving_;
  mutable std::mutex mutex_;
  std::uint64_t saved_ GUARDED_BY(mutex_) = 0;             // of the sessions' changes
  bool grace_ GUARDED_BY(mutex_) = false;
  MonoTime grace_ended_ GUARDED_BY(mutex_){};
  MonoTime opens_known_ GUARDED_BY(mutex_){};              // mounts that lost their session have said what is open by then
  SessionTable sessions_ GUARDED_BY(mutex_);
  LeaseTable leases_ GUARDED_BY(mutex_);
  LockQueue locks_ GUARDED_BY(mutex_);
  SlotTable slots_ GUARDED_BY(mutex_);
  std::vector<SessionId> overflowed_ GUARDED_BY(mutex_);  // to be fenced by the next tick
  MonoTime next_tick_ GUARDED_BY(mutex_){};
  MonoTime last_sync_ GUARDED_BY(mutex_){};
  std::uint64_t grants_ GUARDED_BY(mutex_) = 0;
  std::uint64_t recalls_ GUARDED_BY(mutex_) = 0;
};

}  // namespace conclave::lock
