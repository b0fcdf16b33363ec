// Each target over its seeds, every prefix of them, and bit flips that repeat: what fuzzing found stays found.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.h"
#include "tests/fuzz/fuzz_targets.h"
#include "tests/support/sim_random.h"

namespace conclave::fuzz {
namespace {

constexpr std::size_t kMaxPrefixes = 400;  // of a long seed: every nth
constexpr int kFlips = 300;

class Seeds : public testing::TestWithParam<Target> {};

TEST_P(Seeds, PrefixesAndBitFlipsAreAllSurvived) {
  SystemFiles files;
  sim::SimRandom random(1);
  const std::string folder = std::string(CONCLAVE_FUZZ_CORPUS) + "/" + std::string(GetParam().name);
  const auto names = files.list(folder);
  ASSERT_TRUE(names) << names.error().message;
  ASSERT_FALSE(names->empty());
  for (const std::string& name : *names) {
    const std::string seed = *files.read_all(folder + "/" + name, 1 << 20);
    for (std::size_t size = 0; size < seed.size(); size += seed.size() / kMaxPrefixes + 1) {
      GetParam().run(view_of(std::string(seed, 0, size)));
    }
    GetParam().run(view_of(seed));
    for (int i = 0; i < kFlips && !seed.empty(); ++i) {
      std::string flipped = seed;
      for (std::uint64_t bits = random.below(3) + 1; bits > 0; --bits) {
        char& byte = flipped[random.below(flipped.size())];
        byte = static_cast<char>(byte ^ 1 << random.below(8));
      }
      GetParam().run(view_of(flipped));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Seeds, testing::ValuesIn(kTargets),
                         [](const auto& param_info) { return std::string(param_info.param.name); });

}  // namespace
}  // namespace conclave::fuzz
