// Seam Clock whose time moves only when somebody sleeps or says advance(). By itself, for tests with one thread,
// sleeping is jumping; a SimScheduler makes sleeping tasks wait for each other. Thread-safe.
#pragma once

#include <atomic>
#include <functional>

#include "base/clock.h"

namespace conclave::sim {

class SimClock final : public Clock {
 public:
  MonoTime now() override { return MonoTime(Duration(now_ns_.load())); }
  WallTime wall() override { return {now_ns_.load() + kWallOffsetNs}; }
  void sleep_until(MonoTime when) override;

  void advance(Duration by) { advance_to(now() + by); }
  void advance_to(MonoTime when);  // nothing if it has passed

 private:
  friend class SimScheduler;
  // Mono begins at 1000 s: a zero time is visibly nobody's. Wall begins at 2030-01-01T00:00:00Z.
  static constexpr std::int64_t kStartNs = 1'000'000'000'000;
  static constexpr std::int64_t kWallOffsetNs = 1'893'456'000'000'000'000 - kStartNs;

  std::atomic<std::int64_t> now_ns_ = kStartNs;
  std::function<void(MonoTime)> sleeper_;  // set once by the scheduler
};

}  // namespace conclave::sim
