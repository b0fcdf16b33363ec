// Seam: time. Leases and deadlines use CLOCK_BOOTTIME (it counts while the machine sleeps); wall time
// is for what people read and for the vault's expiries. The simulated one is in tests/support.
#pragma once

#include <chrono>
#include <cstdint>

namespace conclave {

using Duration = std::chrono::nanoseconds;

struct BootClock {  // the type that makes MonoTime distinct; read it through Clock only
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock, duration>;
  static constexpr bool is_steady = true;
};
using MonoTime = BootClock::time_point;
inline constexpr MonoTime kNever = MonoTime::max();

// Nanoseconds since 1970-01-01T00:00:00Z, as stored in attributes.
struct WallTime {
  std::int64_t ns = 0;
  friend auto operator<=>(const WallTime&, const WallTime&) = default;
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime now() = 0;
  virtual WallTime wall() = 0;
  // Blocks the calling thread until `when`; at once if it has passed. Not interruptible: loops that
  // must stop use a Waiter.
  virtual void sleep_until(MonoTime when) = 0;
};

class SystemClock final : public Clock {
 public:
  MonoTime now() override;
  WallTime wall() override;
  void sleep_until(MonoTime when) override;
};

}  // namespace conclave
