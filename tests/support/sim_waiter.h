// Seam Waiter over a SimScheduler.
#pragma once

#include <mutex>
#include <unordered_map>

#include "base/guarded.h"
#include "base/waiter.h"
#include "tests/support/sim_scheduler.h"

namespace conclave::sim {

class SimWaiter final : public Waiter {
 public:
  explicit SimWaiter(SimScheduler& scheduler) : scheduler_(scheduler) {}
  Seen observe(const void* key) override;
  void wait(const void* key, Seen seen, MonoTime deadline) override;
  void wake(const void* key) override;

 private:
  SimScheduler& scheduler_;
  std::mutex mutex_;
  std::unordered_map<const void*, Seen> wakes_ GUARDED_BY(mutex_);
};

}  // namespace conclave::sim
