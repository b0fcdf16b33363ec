// flock and fcntl locks live at L. A request that must wait is queued there under a number and parked here; the answer
// comes on the event stream, and the operation, run again, takes it.
#include <algorithm>
#include <utility>

#include "fuse/fs.h"

namespace conclave::fuse_fs {
namespace {

constexpr std::uint64_t kToTheEnd = 0x7fffffffffffffff;

lock::v1::LockType type_of(LockRequest::Type type) {
  switch (type) {
    case LockRequest::Type::kShared: return lock::v1::SHARED_LOCK;
    case LockRequest::Type::kExclusive: return lock::v1::EXCLUSIVE_LOCK;
    case LockRequest::Type::kUnlock: break;
  }
  return lock::v1::UNLOCK;
}

LockRequest::Type type_of(lock::v1::LockType type) {
  switch (type) {
    case lock::v1::SHARED_LOCK: return LockRequest::Type::kShared;
    case lock::v1::EXCLUSIVE_LOCK: return LockRequest::Type::kExclusive;
    default: return LockRequest::Type::kUnlock;
  }
}

template <class Message>
void describe(const LockRequest& request, Message& out) {
  out.set_inode(raw(request.inode));
  out.set_kind(request.flock ? lock::v1::FLOCK : lock::v1::POSIX);
  out.set_owner(request.owner);
  out.set_type(type_of(request.type));
  out.mutable_range()->set_start(request.start);
  out.mutable_range()->set_end(request.end);
}

HeldLocks::Request asked_of(const LockRequest& request, std::uint64_t wait) {
  HeldLocks::Request out;
  out.inode = request.inode;
  out.flock = request.flock;
  out.owner = request.owner;
  out.handle = request.handle;
  out.type = static_cast<lock::LockType>(type_of(request.type));
  out.range = {request.flock ? 0 : request.start, request.flock ? kToTheEnd : std::min(request.end, kToTheEnd)};
  out.pid = request.pid;
  out.wait = wait;
  return out;
}

}  // namespace

Result<std::shared_ptr<OpenedSession>> Fs::opened_session() const {
  auto session = parts_.session();
  if (!session) return Error(Errc::kUnavailable, "the session at the lock server was lost and is not back yet");
  return session;
}

Result<LockRequest> Fs::conflicting_lock(const LockRequest& request) {
  if (StatusFiles::owns(request.inode)) return Errc::kNoLocks;
  const auto opened = opened_session();
  if (!opened) return not_now(opened.error());
  lock::v1::GetLockRequest wire;
  wire.set_session(raw((*opened)->id()));
  describe(request, wire);
  const auto answer = parts_.locks.get_lock(wire);
  if (!answer) return not_now(answer.error());
  LockRequest out = request;
  out.type = type_of(answer->type());
  out.start = answer->range().start();
  out.end = answer->range().end();
  out.pid = answer->pid();
  return out;
}

// One call; false: it is queued under `wait`.
Result<bool> Fs::send_lock(const LockRequest& request, std::uint64_t wait, const std::string& ticket) {
  const auto opened = TRY(opened_session());
  lock::v1::SetLockRequest wire;
  wire.set_session(raw(opened->id()));
  describe(request, wire);
  wire.set_pid(request.pid);
  wire.set_wait(wait);
  wire.set_ticket(ticket);
  const HeldLocks::Request asked = asked_of(request, wait);
  const std::uint64_t number = parts_.held_locks.sending(asked);
  const auto slot = opened->lock_slots().acquire();
  return take_lock_answer(asked, number, parts_.locks.set_lock(wire, slot.id()));
}

Result<bool> Fs::take_lock_answer(const HeldLocks::Request& asked, std::uint64_t number,
                                  const Result<lock::v1::SetLockResponse>& answer) {
  if (!answer) {
    parts_.held_locks.refused(number, answer.error().code == Errc::kUnknown);
    return answer.error();
  }
  const bool counts = answer->pending() ? parts_.held_locks.queued(number, asked, answer->place(), answer->proof())
                                        : parts_.held_locks.granted(number, answer->proof());
  if (!counts) return Error(Errc::kUnavailable, "the lock server was restarted since it answered");
  return !answer->pending();
}

// L knows the session no more, or is not there or not ready yet: no program should see that.
Error Fs::not_now(const Error& from_lock_server) {
  if (from_lock_server.code == Errc::kStale) return {Errc::kFenced, from_lock_server.message};
  return from_lock_server.code == Errc::kUnavailable ? parts_.leases.wait_for_session() : from_lock_server;
}

// Asks with a ticket that is good now: the rights may have changed since, or the epoch.
Result<bool> Fs::ask_lock(const LockRequest& request, std::uint64_t wait) {
  InodePtr inode;
  std::string ticket;   // to unlock needs none
  if (request.type != LockRequest::Type::kUnlock) {
    inode = TRY(known(request.inode));
    ticket = TRY(ticket_of(*inode));
  }
  auto granted = send_lock(request, wait, ticket);
  const bool renumbered = !granted && granted.error().code == Errc::kStale && !inode;   // L was restarted meanwhile
  if (renumbered) granted = send_lock(request, wait, ticket);
  const bool old_ticket = !granted && (granted.error().code == Errc::kAccess || granted.error().code == Errc::kStale);
  if (old_ticket && inode) {
    TRY(refresh(*inode, 0));
    ticket = TRY(ticket_of(*inode));
    granted = send_lock(request, wait, ticket);
  }
  if (!granted) return not_now(granted.error());
  return granted;
}

Status Fs::set_lock(const LockRequest& request, LockWaits::Wait& waiting) {
  if (StatusFiles::owns(request.inode)) return Errc::kNoLocks;
  if (waiting.number == 0) {
    if (request.type != LockRequest::Type::kUnlock) {
      const OpenFilePtr file = parts_.opens.find(request.handle);
      if (file) TRY(check_locks(*file));
      TRY(own_lock(request));
    }
    // An unlock that is still to be sent would take this lock too.
    if (debts_.owes({request.inode, request.owner, request.flock})) return parts_.leases.wait_for_session();
    if (request.wait) waiting = parts_.lock_waits.begin();
    const auto granted = ask_lock(request, waiting.number);
    if (!granted || *granted) parts_.lock_waits.forget(std::exchange(waiting, {}).number);
    if (!granted) return granted.error();
    if (*granted) return {};
  }
  if (auto answer = parts_.lock_waits.take(waiting.number)) {
    waiting = {};  // of a session that is over: queued anew
    return std::move(*answer);
  }
  return Error(Errc::kPending, "waits for a lock", waiting.key);
}

// Remembered before it is asked for: who closes without unlocking must find it.
Status Fs::own_lock(const LockRequest& request) {
  const InodePtr inode = TRY(known(request.inode));
  const OpenFilePtr file = parts_.opens.find(request.handle);
  if (file && !request.flock) {
    const std::lock_guard lock(file->mutex);
    file->posix_owners.insert(request.owner);
  }
  const std::lock_guard lock(inode->mutex);
  (request.flock ? inode->flock_owners : inode->posix_owners).insert(request.owner);
  return {};
}

bool Fs::cancel_lock(LockWaits::Wait waiting) {
  if (waiting.number == 0) return true;
  const auto opened = parts_.session();
  if (!opened) return true;  // the session's end answers every wait
  lock::v1::CancelLockRequest request;
  request.set_session(raw(opened->id()));
  request.set_wait(waiting.number);
  const auto answer = parts_.locks.cancel_lock(request);
  if (answer && !answer->cancelled()) return false;
  parts_.held_locks.cancelled(waiting.number);
  parts_.lock_waits.forget(waiting.number);
  return true;
}

Status Fs::unlock(const LockDebts::Unlock& which) {
  LockRequest request;
  request.inode = which.inode;
  request.owner = which.owner;
  request.flock = which.flock;
  request.end = kToTheEnd;
  TRY(ask_lock(request, 0));
  return {};
}

// All that `owner` has on the inode; what L does not hear now it hears later.
void Fs::unlock_all(Inode& inode, std::uint64_t owner, bool flock) {
  const LockDebts::Unlock all{inode.id, owner, flock};
  if (!unlock(all)) debts_.note_unlock(all);
  const std::lock_guard lock(inode.mutex);
  (flock ? inode.flock_owners : inode.posix_owners).erase(owner);
}

}  // namespace conclave::fuse_fs
