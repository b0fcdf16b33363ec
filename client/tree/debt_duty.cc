#include "client/tree/debt_duty.h"

#include "base/limits.h"

namespace conclave::client {
namespace {

constexpr auto kPause = std::chrono::milliseconds(500);

}  // namespace

void DebtDuty::tick(MonoTime now) {
  next_tick_ = now + kPause;
  if (!parts_.session.current() || !parts_.leases.usable()) return;
  pay_unlocks();
  pay_closed();
  pay_unheld();
}

void DebtDuty::pay_unlocks() {
  const auto opened = parts_.session.current();
  for (const LockDebts::Unlock& owed : parts_.debts.unlocks()) {
    for (const auto& call : parts_.debts.unanswered(owed)) {
      if (!parts_.file_locks.end_unanswered(owed, *call)) return;
      parts_.debts.ended(owed, call);
    }
    if (parts_.session.current() != opened) return;   // that session's debts are none of the next one's
    const auto unanswered = parts_.file_locks.unlock(owed);
    if (!unanswered) return;
    if (*unanswered) return parts_.debts.still_owed(owed, *unanswered);
    parts_.debts.unlocked(owed);
  }
}

void DebtDuty::pay_closed() {
  const auto opened = parts_.session.current();
  const std::vector<InodeId> closed = parts_.debts.take_closed(kMaxLeasesPerCall);
  lock::v1::ClosedRequest request;
  for (const InodeId inode : closed) {
    if (parts_.inodes.is_open(inode)) {
      parts_.inodes.told_open(inode);  // again
    } else {
      request.add_inodes(raw(inode));
    }
  }
  if (!opened || request.inodes_size() == 0) return;
  request.set_session(raw(opened->id()));
  const auto slot = opened->lock_slots().acquire();
  const auto answer = parts_.locks.closed(request, slot.id());
  for (const std::uint64_t inode : request.inodes()) {
    if (!answer) parts_.debts.note_closed(InodeId{inode});
    // Opened while this was on its way: L may have heard "open" first and "closed" then.
    if (parts_.inodes.is_open(InodeId{inode})) parts_.debts.note_unheld(InodeId{inode});
  }
}

// Under which L knows that the inode is used here, and others may use it too.
LeaseMode DebtDuty::mode_of(Inode& inode) const {
  const LeaseMode mode = LeasedInodes::cache_mode(inode);
  return mode == LeaseMode::kDirRead ? mode : parts_.inodes.row_of(inode).read_mode;
}

void DebtDuty::pay_unheld() {
  const auto nobody_answers = [&](const Error& why) {
    if (why.code == Errc::kPending) return why.key == parts_.leases.wait_for_session().key;
    return why.code != Errc::kStale && why.code != Errc::kAccess;
  };
  for (const InodeId number : parts_.debts.unheld()) {
    const InodePtr inode = parts_.inodes.is_open(number) ? parts_.table.find(number) : nullptr;
    if (inode) {
      const auto use = parts_.inodes.lease(inode, mode_of(*inode));
      if (!use && nobody_answers(use.error())) return;
      if (!use) continue;  // another mount writes it and gives it back first, or it is gone: again, until it is closed
    }
    parts_.debts.held(number);
  }
}

}  // namespace conclave::client
