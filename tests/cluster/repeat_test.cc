// A failure that a seed found must come again with that seed, or nobody can look into it.
#include <gtest/gtest.h>

#include "tests/cluster/fs_programs.h"

namespace conclave::sim {
namespace {

// What a scenario ends with: the time, and what chance would say next. Whatever was done in another order, or drawn from
// elsewhere, shows in one of them.
std::pair<MonoTime, std::uint64_t> end_of(std::uint64_t seed) {
  FsWorld world(seed, {.mounts = 2, .file_servers = 3});
  FsPrograms programs(world, {.steps = 60, .may_fail = true});
  programs.make_files();
  for (const int mount : {0, 0, 1, 1}) programs.start(mount);
  FsWorld::crash(world.dir, 300ms);
  programs.finish();
  return {world.sim.clock.now(), world.sim.random.u64()};
}

TEST(Simulation, ASeedRepeatsEverything) {
  for_seeds(3, [](std::uint64_t seed) { EXPECT_EQ(end_of(seed), end_of(seed)); });
}

}  // namespace
}  // namespace conclave::sim
