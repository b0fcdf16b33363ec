#include "client/tree/file_locks.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace conclave::client {
namespace {

constexpr std::uint64_t kToTheEnd = LockDebts::kToTheEnd;

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

LockRequest unlock_of(const LockDebts::Unlock& which) {
  LockRequest out;
  out.inode = which.inode;
  out.owner = which.owner;
  out.flock = which.flock;
  out.start = which.start;
  out.end = which.end;
  return out;
}

}  // namespace

Result<std::shared_ptr<OpenedSession>> FileLocks::opened_session() const {
  auto session = parts_.session.current();
  if (!session) return Error(Errc::kUnavailable, "the session at the lock server was lost and is not back yet");
  return session;
}

Result<LockRequest> FileLocks::conflicting(const LockRequest& request) {
  TRY(check_lockable(request.inode));
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
Result<bool> FileLocks::send_lock(const LockRequest& request, Call& call, const std::string& ticket) {
  const std::uint64_t wait = call.wait.number;
  const auto opened = TRY(opened_session());
  lock::v1::SetLockRequest wire;
  wire.set_session(raw(opened->id()));
  describe(request, wire);
  wire.set_pid(request.pid);
  wire.set_wait(wait);
  wire.set_ticket(ticket);
  const HeldLocks::Request asked = asked_of(request, wait);
  if (call.unanswered && call.unanswered->over(*opened)) {
    call.unanswered = nullptr;
    parts_.held_locks.refused(call.number, true);
  }
  if (!call.unanswered) {
    call.unanswered = UnansweredCall::begin(opened);
    if (!call.unanswered) return Error(Errc::kUnavailable, "too many locks whose answer is not known");
    call.number = parts_.held_locks.sending(asked);
  }
  const auto answer = parts_.locks.set_lock(wire, call.unanswered->slot.id());
  if (!answer && answer.error().code == Errc::kUnknown) return answer.error();
  call.unanswered = nullptr;
  return take_lock_answer(asked, call.number, answer);
}

Result<bool> FileLocks::take_lock_answer(const HeldLocks::Request& asked, std::uint64_t number,
                                  const Result<lock::v1::SetLockResponse>& answer) {
  if (!answer) {
    parts_.held_locks.refused(number, false);
    return answer.error();
  }
  const bool counts = answer->pending() ? parts_.held_locks.queued(number, asked, answer->place(), answer->proof())
                                        : parts_.held_locks.granted(number, answer->proof());
  if (!counts) return Error(Errc::kUnavailable, "the lock server was restarted since it answered");
  return !answer->pending();
}

// L knows the session no more, is not there or not ready yet, or answers nothing: no program should see that. What the
// operation does when it is run again is what the unanswered call did.
Error FileLocks::not_now(const Error& from_lock_server) {
  switch (from_lock_server.code) {
    case Errc::kStale: return {Errc::kFenced, from_lock_server.message};
    case Errc::kUnavailable: return parts_.leases.wait_for_session();
    case Errc::kUnknown: return parts_.leases.doubt();   // the next renewal tells whether L is there
    default: return from_lock_server;
  }
}

// Asks with a ticket that is good now: the rights may have changed since, or the epoch.
Result<bool> FileLocks::ask_lock(const LockRequest& request, Call& call) {
  InodePtr inode;
  std::string ticket;   // to unlock needs none
  if (request.type != LockRequest::Type::kUnlock) {
    inode = TRY(parts_.inodes.known(request.inode));
    ticket = TRY(parts_.inodes.ticket_of(*inode));
  }
  auto granted = send_lock(request, call, ticket);
  const bool renumbered = !granted && granted.error().code == Errc::kStale && !inode;   // L was restarted meanwhile
  if (renumbered) granted = send_lock(request, call, ticket);
  const bool old_ticket = !granted && (granted.error().code == Errc::kAccess || granted.error().code == Errc::kStale);
  if (old_ticket && inode) {
    ticket = TRY(parts_.inodes.new_ticket_of(*inode));
    granted = send_lock(request, call, ticket);
  }
  if (!granted) return not_now(granted.error());
  return granted;
}

Status FileLocks::check_lock(const LockRequest& request) {
  TRY(check_lockable(request.inode));
  if (request.type == LockRequest::Type::kUnlock) return {};
  const OpenFilePtr file = parts_.opens.find(request.handle);
  if (file) TRY(file->check_locks());
  return own_lock(request);
}

Status FileLocks::set(const LockRequest& request, Call& call) {
  const auto forget = [&] {
    if (call.unanswered) parts_.held_locks.refused(call.number, true);
    parts_.lock_waits.forget(call.wait.number);
    call = {};
  };
  if (call.unanswered && call.unanswered->session != parts_.session.current()) forget();
  // The event may have been quicker than the answer, which is asked for all the same: it has the proof of the lock.
  if (!call.queued) {
    const Status may = check_lock(request);
    if (!may) forget();
    TRY(may);
    // An unlock that is still to be sent would take this lock too.
    if (parts_.debts.owes(request.inode, request.owner, request.flock)) return parts_.leases.wait_for_session();
    if (request.wait && call.wait.number == 0) call.wait = parts_.lock_waits.begin();
    const auto granted = ask_lock(request, call);
    const bool again = !granted && call.unanswered && granted.error().code == Errc::kPending;   // under the same numbers
    if (!again && (!granted || *granted)) forget();
    if (!granted) return granted.error();
    const bool doubtful = request.type != LockRequest::Type::kUnlock && !parts_.leases.usable();
    if (*granted) return doubtful ? Status(parts_.leases.wait_for_session()) : Status();
    call.queued = true;
  }
  // What was granted may be lost again: the session's end has come near, or passed, while the answer was on its way.
  if (!parts_.leases.usable()) return parts_.leases.wait_for_session();
  auto answer = parts_.lock_waits.take(call.wait.number);
  if (!answer) return Error(Errc::kPending, "waits for a lock", call.wait.key);
  call = {};  // of a session that is over: queued anew
  return *std::move(answer);
}

// Remembered before it is asked for: who closes without unlocking must find it.
Status FileLocks::own_lock(const LockRequest& request) {
  const InodePtr inode = TRY(parts_.inodes.known(request.inode));
  const OpenFilePtr file = parts_.opens.find(request.handle);
  if (file && !request.flock) {
    const std::lock_guard lock(file->mutex);
    file->posix_owners.insert(request.owner);
  }
  const std::lock_guard lock(inode->mutex);
  (request.flock ? inode->flock_owners : inode->posix_owners).insert(request.owner);
  return {};
}

// What L does not say now it is told later: the request must not wait on there, and what it granted must be freed.
bool FileLocks::cancel(const LockRequest& request, const Call& call) {
  const std::uint64_t wait = call.wait.number;
  if (wait == 0 && !call.unanswered) return true;
  const auto opened = parts_.session.current();
  if (!opened) return true;  // the session's end answers every wait
  bool ended = false;
  if (!call.unanswered) {
    const auto cancelled = cancel_wait(*opened, wait);
    if (cancelled && !*cancelled) return false;
    ended = cancelled.has_value();
  }
  if (!ended) {
    const HeldLocks::Request asked = asked_of(request, wait);
    parts_.opens.lose_locks(parts_.held_locks.abandoned(asked));
    parts_.debts.note_unlock({request.inode, request.owner, request.flock, asked.range.start, asked.range.end, wait}, call.unanswered);
  }
  if (call.unanswered) parts_.held_locks.refused(call.number, true);
  parts_.held_locks.cancelled(wait);
  parts_.lock_waits.forget(wait);
  return true;
}

Result<bool> FileLocks::cancel_wait(OpenedSession& session, std::uint64_t wait) {
  lock::v1::CancelLockRequest request;
  request.set_session(raw(session.id()));
  request.set_wait(wait);
  return TRY(parts_.locks.cancel_lock(request)).cancelled();
}

// What L did not answer is ended before: it must not be carried out after this. Null, or this unlock unanswered.
Result<std::shared_ptr<UnansweredCall>> FileLocks::unlock(const LockDebts::Unlock& which) {
  const auto opened = TRY(opened_session());
  if (which.wait != 0) TRY(cancel_wait(*opened, which.wait));
  if (parts_.session.current() != opened) return Error(Errc::kFenced, "the session was lost meanwhile");
  Call call;
  const auto done = ask_lock(unlock_of(which), call);
  if (!done && !call.unanswered) return done.error();
  return done ? nullptr : std::move(call.unanswered);
}

// An unlock under the call's own number: either the call was carried out by then, or it never will be.
Status FileLocks::end_unanswered(const LockDebts::Unlock& which, const UnansweredCall& unanswered) {
  const auto opened = TRY(opened_session());
  if (unanswered.over(*opened)) return {};
  lock::v1::SetLockRequest wire;
  wire.set_session(raw(opened->id()));
  describe(unlock_of(which), wire);
  const auto answer = parts_.locks.set_lock(wire, unanswered.slot.id());
  const Errc code = answer ? Errc::kWouldBlock : answer.error().code;
  if (code == Errc::kUnknown || code == Errc::kUnavailable || code == Errc::kOverloaded) return answer.error();
  return {};
}

Status FileLocks::check_lockable(InodeId number) {
  return FileClasses::is_ours(number) ? Status(Errc::kNoLocks) : Status();
}

void FileLocks::flushed(OpenFile& file, std::uint64_t owner) {
  bool locked = false;
  {
    const std::lock_guard lock(file.mutex);
    const std::lock_guard inner(file.inode->mutex);
    file.posix_owners.erase(owner);  // a fork's close of the same descriptor must not take what is locked later
    locked = file.inode->posix_owners.contains(owner);
  }
  if (locked) unlock_all(*file.inode, owner, false);
}

// OFD locks have the open file as owner, and no flush drops them: what was locked through it goes with it.
void FileLocks::released(OpenFile& file, std::optional<std::uint64_t> flock_owner) {
  Inode& inode = *file.inode;
  std::vector<std::uint64_t> owners;
  bool flocked = false;
  {
    const std::lock_guard lock(file.mutex);
    const std::lock_guard inner(inode.mutex);
    std::set_intersection(file.posix_owners.begin(), file.posix_owners.end(), inode.posix_owners.begin(),
                          inode.posix_owners.end(), std::back_inserter(owners));
    flocked = flock_owner && inode.flock_owners.contains(*flock_owner);
  }
  for (const std::uint64_t owner : owners) unlock_all(inode, owner, false);
  if (flocked) unlock_all(inode, *flock_owner, true);
}

// All that `owner` has on the inode; what L does not hear now it hears later.
void FileLocks::unlock_all(Inode& inode, std::uint64_t owner, bool flock) {
  const LockDebts::Unlock all{.inode = inode.id, .owner = owner, .flock = flock};
  const auto unanswered = unlock(all);
  if (!unanswered) parts_.debts.note_unlock(all, nullptr);
  if (unanswered && *unanswered) parts_.debts.note_unlock(all, *unanswered);
  const std::lock_guard lock(inode.mutex);
  (flock ? inode.flock_owners : inode.posix_owners).erase(owner);
}

}  // namespace conclave::client
