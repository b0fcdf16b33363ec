#include "base/clock.h"

#include <ctime>

namespace conclave {
namespace {

std::int64_t read_ns(clockid_t id) {
  timespec ts{};
  clock_gettime(id, &ts);
  return ts.tv_sec * std::int64_t{1'000'000'000} + ts.tv_nsec;
}

}  // namespace

MonoTime SystemClock::now() { return MonoTime(Duration(read_ns(CLOCK_BOOTTIME))); }

WallTime SystemClock::wall() { return {read_ns(CLOCK_REALTIME)}; }

void SystemClock::sleep_until(MonoTime when) {
  const std::int64_t ns = when.time_since_epoch().count();
  const timespec ts{static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
  while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &ts, nullptr) != 0) {
  }
}

}  // namespace conclave
