// What this mount owes to L: a word that an inode is open here no more, an unlock that L did not answer, a lease on an
// inode that is open since an earlier session (without one L takes it for closed, and D may free it). Fs notes it here,
// and pays when the duty comes by. Thread-safe; never blocks.
#pragma once

#include <compare>
#include <functional>
#include <mutex>
#include <set>
#include <vector>

#include "base/daemon.h"
#include "base/guarded.h"
#include "base/ids.h"

namespace conclave::fuse_fs {

class LockDebts {
 public:
  // All that the owner has on the inode.
  struct Unlock {
    InodeId inode{};
    std::uint64_t owner = 0;
    bool flock = false;
    friend auto operator<=>(const Unlock&, const Unlock&) = default;
  };

  void note_closed(InodeId inode);
  // At most `most`, which are no debts any more: whoever fails to pay notes them again.
  std::vector<InodeId> take_closed(std::size_t most);

  void note_unlock(const Unlock& unlock);
  void unlocked(const Unlock& unlock);
  [[nodiscard]] bool owes(const Unlock& unlock) const;
  [[nodiscard]] std::vector<Unlock> unlocks() const;

  void note_unheld(InodeId inode);
  void held(InodeId inode);
  [[nodiscard]] std::vector<InodeId> unheld() const;

  // Another session owes no unlocks and no word.
  void session_ended();

 private:
  mutable std::mutex mutex_;
  std::set<InodeId> closed_ GUARDED_BY(mutex_);
  std::set<Unlock> unlocks_ GUARDED_BY(mutex_);
  std::set<InodeId> unheld_ GUARDED_BY(mutex_);
};

// Duty: Fs::pay_debts.
class DebtDuty final : public Duty {
 public:
  explicit DebtDuty(std::function<void()> pay) : pay_(std::move(pay)) {}
  MonoTime next_tick() override { return next_; }
  void tick(MonoTime now) override {
    next_ = now + std::chrono::milliseconds(500);
    pay_();
  }

 private:
  const std::function<void()> pay_;
  MonoTime next_{};
};

}  // namespace conclave::fuse_fs
