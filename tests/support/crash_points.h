// Crash a store at every sync point until none is left: the power goes off at the workload's first sync, in the
// next run at its second, and so on, each with several choices of what is lost.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "tests/support/sim_files.h"

namespace conclave::sim {

// `workload(files)` works on an empty disk until it is done or a call fails, and returns what must be true after
// a power loss then (acknowledged as durable, begun, …). `check(files, that)` looks at the disk after the loss, with
// EXPECT and ASSERT. Ends after the first run that needed no more syncs, or the first failed check.
template <class Workload, class Check>
void crash_at_every_sync(Workload workload, Check check, std::uint64_t losses_each = 10) {
  bool reached_the_end = false;
  for (std::uint64_t nth = 1; !reached_the_end; ++nth) {
    for (std::uint64_t seed = 0; seed < losses_each; ++seed) {
      const testing::ScopedTrace trace(__FILE__, __LINE__,
                                       "power lost at sync " + std::to_string(nth) + ", seed " + std::to_string(seed));
      SimFiles files(seed * 1'000'003 + nth);
      files.cut_power_at_sync(nth);
      const auto promised = workload(files);
      reached_the_end = files.has_power();
      files.crash();
      check(files, promised);
      if (testing::Test::HasFailure()) return;
    }
  }
}

}  // namespace conclave::sim
