#include "lockserver/epoch_file.h"

#include <gtest/gtest.h>

#include "tests/support/sim_files.h"

namespace conclave::lock {
namespace {

struct EpochFileTest : testing::Test {
  sim::SimFiles files{1};
  EpochFileTest() { EXPECT_TRUE(files.make_folders("data")); }
};

TEST_F(EpochFileTest, RisesWithEveryRun) {
  auto first = EpochFile::begin(files, "data");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->epoch(), 1);
  EXPECT_TRUE(first->clean());
  auto second = EpochFile::begin(files, "data");
  EXPECT_EQ(second->epoch(), 2);
  EXPECT_FALSE(second->clean()) << "the first one did not end";
  ASSERT_TRUE(second->end_clean());
  auto third = EpochFile::begin(files, "data");
  EXPECT_EQ(third->epoch(), 3);
  EXPECT_TRUE(third->clean());
}

TEST_F(EpochFileTest, IsNeverBegunTwiceWhateverThePowerDoes) {
  std::uint32_t last = 0;
  for (std::uint64_t cut = 1; cut <= 40; ++cut) {
    files.cut_power_at_sync(1 + cut % 4);
    const auto begun = EpochFile::begin(files, "data");
    if (begun) {
      EXPECT_GT(begun->epoch(), last);
      last = begun->epoch();
    }
    files.crash();
  }
  EXPECT_GT(last, 5);
}

TEST_F(EpochFileTest, RefusesAFileItDoesNotUnderstand) {
  for (const char* text : {"", "epoch", "epoch \n", "epoch 0\n", "epoch 1", "epoch 1 dirty\n", "epoch 4294967295\n",
                           "epoch 99999999999\n", "epoch 1\n\n", "epoch -1\n"}) {
    ASSERT_TRUE(files.write_all("data/epoch", text));
    const auto begun = EpochFile::begin(files, "data");
    ASSERT_FALSE(begun) << text;
    EXPECT_EQ(begun.error().code, Errc::kCorrupt);
    EXPECT_EQ(*files.read_all("data/epoch", 100), text);
  }
}

}  // namespace
}  // namespace conclave::lock
