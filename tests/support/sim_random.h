// Seam Random that repeats from its seed (SplitMix64, https://prng.di.unimi.it/splitmix64.c). Thread-safe.
#pragma once

#include <mutex>

#include "base/guarded.h"
#include "base/random.h"

namespace conclave::sim {

class SimRandom final : public Random {
 public:
  explicit SimRandom(std::uint64_t seed) : state_(seed) {}
  void fill(ByteSpan out) override;
  std::uint64_t below(std::uint64_t bound);  // 0 to bound - 1; bound is not 0
  bool chance(double probability);

 private:
  std::uint64_t next();
  std::mutex mutex_;
  std::uint64_t state_ GUARDED_BY(mutex_);
};

}  // namespace conclave::sim
