// Seam: randomness. The real one is the kernel's getrandom(2), for keys and ids alike; the simulated
// one (tests/support) repeats from a seed.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace conclave {

class Random {
 public:
  virtual ~Random() = default;
  // Fills all of `out`. Cannot fail: a machine without randomness aborts. Thread-safe.
  virtual void fill(ByteSpan out) = 0;

  std::uint64_t u64() {
    std::uint64_t value = 0;
    fill({reinterpret_cast<std::uint8_t*>(&value), sizeof value});
    return value;
  }
};

class SystemRandom final : public Random {
 public:
  void fill(ByteSpan out) override;
};

}  // namespace conclave
