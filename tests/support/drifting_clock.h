// Seam Clock of a machine whose clock runs faster or slower than the others' by a constant rate.
#pragma once

#include "base/clock.h"

namespace conclave::sim {

class DriftingClock final : public Clock {
 public:
  // `rate`: 1.1 runs a tenth faster than `world`.
  DriftingClock(Clock& world, double rate) : world_(world), start_(world.now()), wall_(world.wall()), rate_(rate) {}
  MonoTime now() override { return start_ + scaled(world_.now() - start_, rate_); }
  WallTime wall() override { return {wall_.ns + (now() - start_).count()}; }
  void sleep_until(MonoTime when) override { world_.sleep_until(start_ + scaled(when - start_, 1 / rate_)); }

 private:
  static Duration scaled(Duration time, double by) {
    return Duration(static_cast<std::int64_t>(static_cast<double>(time.count()) * by));
  }
  Clock& world_;
  const MonoTime start_;
  const WallTime wall_;
  const double rate_;
};

}  // namespace conclave::sim
