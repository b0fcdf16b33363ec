#include "tests/support/sim_random.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace conclave::sim {

std::uint64_t SimRandom::next() {
  const std::lock_guard lock(mutex_);
  state_ += 0x9e3779b97f4a7c15;
  std::uint64_t z = state_;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

void SimRandom::fill(ByteSpan out) {
  while (!out.empty()) {
    const std::uint64_t value = next();
    const std::size_t n = std::min(out.size(), sizeof value);
    std::memcpy(out.data(), &value, n);
    out = out.subspan(n);
  }
}

std::uint64_t SimRandom::below(std::uint64_t bound) {
  CHECK(bound != 0);
  return next() % bound;  // the bias is below 2^-32 for every bound a test uses
}

bool SimRandom::chance(double probability) {
  return static_cast<double>(next() >> 11) * 0x1p-53 < probability;
}

}  // namespace conclave::sim
