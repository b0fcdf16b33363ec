// The lock server's operations: the table of rpcs over the rules (sessions, leases, locks), and what is pushed to the
// sessions' event streams. One mutex guards all rules; nothing blocks. Thread-safe.
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
#include "lockserver/lease_table.h"
#include "lockserver/lock_queue.h"
#include "lockserver/session_table.h"

namespace conclave::lock {

class LockOps final : public Duty {
 public:
  struct Options {
    SessionTerm term;
    std::uint32_t epoch = 1;      // larger than in any earlier run
    // Sessions of an earlier run may still trust what they hold: nothing is granted before. Reclaims will be taken here.
    // Zero: there are none.
    MonoTime quiet_until{};
  };
  LockOps(const ClusterId& cluster, const Options& options, Clock& clock, Random& random, Log& log);

  void add_routes(Router& router);
  // No session is left: the next run need not be quiet.
  [[nodiscard]] bool nobody_here() const;

  // Duty: sessions that end, recalls that are not answered.
  MonoTime next_tick() override;
  void tick(MonoTime now) override;

 private:
  template <class Request, class Response>
  using Method = Result<Response> (LockOps::*)(const CallContext&, const Request&);
  template <class Request, class Response>
  void add(Router& router, const char* name, Roles roles, Method<Request, Response> method);

  Result<v1::OpenSessionResponse> open_session(const CallContext& call, const v1::OpenSessionRequest& request) REQUIRES(mutex_);
  Result<v1::RenewResponse> renew(const CallContext& call, const v1::RenewRequest& request) REQUIRES(mutex_);
  Result<v1::CloseSessionResponse> close_session(const CallContext& call, const v1::CloseSessionRequest& request)
      REQUIRES(mutex_);
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
  Status take_grants(MonoTime now) const;   // kUnavailable while quiet
  v1::Grant acquire_one(const SessionTable::Session& session, const v1::Want& want, MonoTime now) REQUIRES(mutex_);
  v1::Grant message_of(const GrantedLease& granted) const REQUIRES(mutex_);
  Result<bool> set_one_lock(const SessionTable::Session& session, const v1::SetLockRequest& request) REQUIRES(mutex_);
  template <class Response, class Run>
  Result<Response> once(const CallContext& call, SessionId session, Run run) REQUIRES(mutex_);

  void push(SessionId session, const v1::Event& event) REQUIRES(mutex_);
  void send(const LeaseEffects& effects) REQUIRES(mutex_);
  void send(const std::vector<LockAnswered>& answers) REQUIRES(mutex_);
  void silence(SessionId session) REQUIRES(mutex_);   // it is fenced now
  void free_all(SessionId session) REQUIRES(mutex_);  // it is gone

  const Options options_;
  Clock& clock_;
  Random& random_;
  Log& log_;
  EventHub hub_;
  const EpochKeys keys_;
  mutable std::mutex mutex_;
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
