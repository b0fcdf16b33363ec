// Paying what L is owed (fuse/lock_debts.h). Each kind goes on until the first failure: then L is not there, or not ready.
#include "base/limits.h"
#include "client/tree/fs.h"

namespace conclave::client {
namespace {

// Under which L knows that the inode is used here, and others may use it too.
LeaseMode open_mode(Inode& inode) {
  const std::lock_guard lock(inode.mutex);
  if (inode.is_dir()) return LeaseMode::kDirRead;
  const bool is_log = inode.attr.class_() == dir::v1::APPEND || inode.attr.class_() == dir::v1::CHAT;
  return is_log && inode.is_regular() ? LeaseMode::kSharedRead : LeaseMode::kRead;
}

}  // namespace

bool Fs::is_open(InodeId number) const {
  const InodePtr inode = parts_.inodes.find(number);
  if (!inode) return false;
  const std::lock_guard lock(inode->mutex);
  return inode->opens != 0;
}

// From the lease cache: L has it that the inode is open here. Its last close may have been before L's answer.
void Fs::told_open(InodeId number) {
  const InodePtr inode = parts_.inodes.find(number);
  if (inode) {
    const std::lock_guard lock(inode->mutex);
    inode->told_open = inode->opens != 0;
    if (inode->told_open) return;
  }
  debts_.note_closed(number);
}

void Fs::pay_debts() {
  if (!parts_.session() || !parts_.leases.usable()) return;
  pay_unlocks();
  pay_closed();
  pay_unheld();
}

void Fs::pay_unlocks() {
  const auto opened = parts_.session();
  for (const LockDebts::Unlock& owed : debts_.unlocks()) {
    for (const auto& call : debts_.unanswered(owed)) {
      if (!end_unanswered(owed, *call)) return;
      debts_.ended(owed, call);
    }
    if (parts_.session() != opened) return;   // that session's debts are none of the next one's
    const auto unanswered = unlock(owed);
    if (!unanswered) return;
    if (*unanswered) return debts_.still_owed(owed, *unanswered);
    debts_.unlocked(owed);
  }
}

void Fs::pay_closed() {
  const auto opened = parts_.session();
  const std::vector<InodeId> closed = debts_.take_closed(kMaxLeasesPerCall);
  lock::v1::ClosedRequest request;
  for (const InodeId inode : closed) {
    if (is_open(inode)) {
      told_open(inode);  // again
    } else {
      request.add_inodes(raw(inode));
    }
  }
  if (!opened || request.inodes_size() == 0) return;
  request.set_session(raw(opened->id()));
  const auto slot = opened->lock_slots().acquire();
  const auto answer = parts_.locks.closed(request, slot.id());
  for (const std::uint64_t inode : request.inodes()) {
    if (!answer) debts_.note_closed(InodeId{inode});
    // Opened while this was on its way: L may have heard "open" first and "closed" then.
    if (is_open(InodeId{inode})) debts_.note_unheld(InodeId{inode});
  }
}

void Fs::pay_unheld() {
  const auto nobody_answers = [&](const Error& why) {
    if (why.code == Errc::kPending) return why.key == parts_.leases.wait_for_session().key;
    return why.code != Errc::kStale && why.code != Errc::kAccess;
  };
  for (const InodeId number : debts_.unheld()) {
    const InodePtr inode = is_open(number) ? parts_.inodes.find(number) : nullptr;
    if (inode) {
      const auto use = lease(inode, open_mode(*inode));
      if (!use && nobody_answers(use.error())) return;
      if (!use) continue;  // another mount writes it and gives it back first, or it is gone: again, until it is closed
    }
    debts_.held(number);
  }
}

}  // namespace conclave::client
