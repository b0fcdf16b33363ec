#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace conclave {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return Error(Errc::kInvalid, "odd");
  return n / 2;
}

Result<int> quarter(int n) {
  const int halved = TRY(half(n));
  return TRY(half(halved));
}

Status check_even(int n) {
  TRY(half(n));
  return {};
}

TEST(Result, TryGivesTheValueOrLeavesWithTheError) {
  EXPECT_EQ(*quarter(12), 3);
  EXPECT_EQ(quarter(6).error().code, Errc::kInvalid);
  EXPECT_EQ(quarter(6).error().message, "odd");
  EXPECT_TRUE(check_even(2));
  EXPECT_FALSE(check_even(3));
}

TEST(Result, HoldsWhatCanOnlyBeMoved) {
  Result<std::unique_ptr<int>> made = std::make_unique<int>(5);
  ASSERT_TRUE(made);
  const std::unique_ptr<int> taken = std::move(made).value();
  EXPECT_EQ(*taken, 5);
}

TEST(Result, ValueOrTakesTheOtherForAnError) {
  EXPECT_EQ(half(3).value_or(-1), -1);
  EXPECT_EQ(half(4).value_or(-1), 2);
}

TEST(Result, ContextStandsBeforeTheMessageAndKeepsCodeAndKey) {
  const Error error = in_context("open /a", Error(Errc::kPending, "later", 7));
  EXPECT_EQ(error.message, "open /a: later");
  EXPECT_EQ(error.code, Errc::kPending);
  EXPECT_EQ(error.key, 7u);
  EXPECT_EQ(in_context("open /a", Errc::kIo).message, "open /a");
}

TEST(ResultDeathTest, TakingTheValueOfAnErrorIsOurMistakeAndAborts) {
  EXPECT_DEATH(static_cast<void>(half(3).value()), "CHECK");
  EXPECT_DEATH(static_cast<void>(half(4).error()), "CHECK");
}

}  // namespace
}  // namespace conclave
