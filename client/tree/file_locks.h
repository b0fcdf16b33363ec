// flock(2) and fcntl(2): L's. A request that must wait is queued there under a number and parked here; the answer comes on
// the event stream, and the operation, run again, takes it. Thread-safe; blocks on L.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "client/session/held_locks.h"
#include "client/session/lock_waits.h"
#include "client/tree/leased_inodes.h"
#include "lockserver/lock_client.h"

namespace conclave::client {

class FileLocks {
 public:
  struct Parts {
    lock::LockClient& locks;
    const ClientSession& session;
    LeaseCache& leases;
    LockWaits& lock_waits;
    HeldLocks& held_locks;
    LockDebts& debts;
    LeasedInodes& inodes;
    OpenTable& opens;
  };
  explicit FileLocks(Parts parts) : parts_(parts) {}

  // An operation keeps its Call over reruns: the place in the queue, and what L did not answer.
  struct Call {
    LockWaits::Wait wait;                         // number 0: L has not been asked yet, or it is not to wait
    bool queued = false;                          // L said so
    std::shared_ptr<UnansweredCall> unanswered;
    std::uint64_t number = 0;                     // HeldLocks', of the unanswered call
  };
  // The lock that is in the way; type kUnlock: there is none.
  Result<LockRequest> conflicting(const LockRequest& request);
  Status set(const LockRequest& request, Call& call);
  // The waiting program was interrupted. True: it is over, answer EINTR; false: it was granted just now.
  bool cancel(const LockRequest& request, const Call& call);

  // close(2) of a descriptor by a process, and of the last one: what their owners have locked through it goes.
  void flushed(OpenFile& file, std::uint64_t owner);
  void released(OpenFile& file, std::optional<std::uint64_t> flock_owner);

  // An unlock that L is owed. What L did not answer is ended before: it must not be carried out after this. Null, or this
  // unlock unanswered.
  Result<std::shared_ptr<UnansweredCall>> unlock(const LockDebts::Unlock& which);
  Status end_unanswered(const LockDebts::Unlock& which, const UnansweredCall& unanswered);

 private:
  Result<std::shared_ptr<OpenedSession>> opened_session() const;
  static Status check_lockable(InodeId inode);
  Status check_lock(const LockRequest& request);
  Result<bool> ask_lock(const LockRequest& request, Call& call);
  Result<bool> send_lock(const LockRequest& request, Call& call, const std::string& ticket);
  Result<bool> take_lock_answer(const HeldLocks::Request& asked, std::uint64_t number,
                                const Result<lock::v1::SetLockResponse>& answer);
  Error not_now(const Error& from_lock_server);
  Status own_lock(const LockRequest& request);
  Result<bool> cancel_wait(OpenedSession& session, std::uint64_t wait);
  void unlock_all(Inode& inode, std::uint64_t owner, bool flock);

  const Parts parts_;
};

}  // namespace conclave::client
