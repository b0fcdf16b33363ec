// Pays what L is owed (session/lock_debts.h), twice a second. Each kind goes on until the first failure: then L is not
// there, or not ready.
#pragma once

#include "base/daemon.h"
#include "client/tree/file_locks.h"

namespace conclave::client {

class DebtDuty final : public Duty {
 public:
  struct Parts {
    lock::LockClient& locks;
    const ClientSession& session;
    LeaseCache& leases;
    LockDebts& debts;
    InodeTable& table;
    LeasedInodes& inodes;
    FileLocks& file_locks;
  };
  explicit DebtDuty(Parts parts) : parts_(parts) {}

  MonoTime next_tick() override { return next_tick_; }
  void tick(MonoTime now) override;

 private:
  void pay_unlocks();
  void pay_closed();
  void pay_unheld();
  LeaseMode mode_of(Inode& inode) const;

  const Parts parts_;
  MonoTime next_tick_{};
};

}  // namespace conclave::client
