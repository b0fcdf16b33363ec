#include "base/slot_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/limits.h"

namespace conclave {
namespace {

using Verdict = SlotTable::Verdict;

OpId op(std::uint64_t sequence, std::uint32_t slot = 0, std::uint32_t generation = 1, std::uint64_t session = 7) {
  return {SessionId{session}, generation, slot, sequence};
}

// What begin() said, as text: short to compare.
std::string said(const Result<SlotTable::Begun>& result) {
  if (!result) return std::string(name_of(result.error().code));
  switch (result->verdict) {
    case Verdict::kNew: return "new";
    case Verdict::kReplay: return "replay " + result->answer;
    case Verdict::kInProgress: return "in progress";
  }
  return "?";
}

TEST(SlotTable, ARetryGetsTheFirstAnswer) {
  SlotTable table;
  EXPECT_EQ(said(table.begin(op(1))), "new");
  table.end(op(1), "one");
  EXPECT_EQ(said(table.begin(op(1))), "replay one");
  EXPECT_EQ(said(table.begin(op(1))), "replay one");
  EXPECT_EQ(said(table.begin(op(2))), "new");
}

TEST(SlotTable, ARetryWhileTheFirstRunsIsPutOff) {
  SlotTable table;
  EXPECT_EQ(said(table.begin(op(1))), "new");
  EXPECT_EQ(said(table.begin(op(1))), "in progress");
  EXPECT_EQ(said(table.begin(op(2))), "in progress") << "the slot is busy with one that was given up";
}

TEST(SlotTable, AnOperationThatWasGivenUpAndOvertakenIsRefused) {
  SlotTable table;
  EXPECT_EQ(said(table.begin(op(3))), "new");
  table.end(op(3), "three");
  EXPECT_EQ(said(table.begin(op(2))), "Misordered");
  EXPECT_EQ(said(table.begin(op(3))), "replay three");
}

TEST(SlotTable, AnAbandonedNumberMayBeUsedAgain) {
  SlotTable table;
  EXPECT_EQ(said(table.begin(op(1))), "new");
  table.end(op(1), "one");
  EXPECT_EQ(said(table.begin(op(2))), "new");
  table.abandon(op(2));
  EXPECT_EQ(said(table.begin(op(1))), "replay one");
  EXPECT_EQ(said(table.begin(op(2))), "new");
}

TEST(SlotTable, ANewGenerationForgetsTheOldAndRefusesIt) {
  SlotTable table;
  EXPECT_EQ(said(table.begin(op(5))), "new");
  EXPECT_EQ(said(table.begin(op(1, 0, 2))), "new");
  table.end(op(5), "late");  // of the old generation: nobody asks for it
  EXPECT_EQ(said(table.begin(op(6))), "Stale");
  table.end(op(1, 0, 2), "two");
  EXPECT_EQ(said(table.begin(op(1, 0, 2))), "replay two");
}

TEST(SlotTable, IdsOutOfRangeAreRefused) {
  SlotTable table;
  EXPECT_EQ(said(table.begin(op(0))), "Invalid");
  EXPECT_EQ(said(table.begin(op(1, kSlotsPerSession))), "Invalid");
  EXPECT_EQ(said(table.begin(op(1, UINT32_MAX))), "Invalid");
}

TEST(SlotTable, ASessionTooManyTakesThePlaceOfTheLongestUnusedThatRunsNothing) {
  SlotTable table;
  EXPECT_EQ(said(table.begin(op(1, 0, 1, 1))), "new");  // runs on
  for (std::uint64_t session = 2; session <= kMaxSessions; ++session) {
    ASSERT_EQ(said(table.begin(op(1, 0, 1, session))), "new");
    table.end(op(1, 0, 1, session), "done");
  }
  EXPECT_EQ(said(table.begin(op(1, 0, 1, 2))), "replay done");
  EXPECT_EQ(said(table.begin(op(1, 0, 1, kMaxSessions + 1))), "new");
  EXPECT_EQ(said(table.begin(op(1, 0, 1, 1))), "in progress");
  EXPECT_EQ(said(table.begin(op(1, 0, 1, 2))), "replay done");
  EXPECT_EQ(said(table.begin(op(1, 0, 1, 3))), "new") << "the third was the longest unused";
}

// The rule in its plainest form: per slot the last number that ended, and the one that runs.
struct Model {
  struct Slot {
    std::uint64_t last = 0, running = 0;
  };
  std::map<std::pair<std::uint64_t, std::uint32_t>, Slot> slots;

  std::string begin(const OpId& id) {
    Slot& slot = slots[{raw(id.session), id.slot}];
    if (slot.running != 0) return id.sequence >= slot.running ? "in progress" : "Misordered";
    if (id.sequence < slot.last) return "Misordered";
    if (id.sequence == slot.last) return "replay " + std::to_string(slot.last);
    slot.running = id.sequence;
    return "new";
  }
};

TEST(SlotTable, RandomSequencesAgreeWithTheModel) {
  std::mt19937_64 random(1);
  const auto below = [&](std::uint64_t n) { return random() % n; };
  SlotTable table;
  Model model;
  for (int step = 0; step < 100'000; ++step) {
    const std::uint64_t session = below(3);
    const auto slot = static_cast<std::uint32_t>(below(4));
    auto& expected = model.slots[{session, slot}];
    if (expected.running != 0 && below(3) == 0) {
      const OpId running = op(expected.running, slot, 1, session);
      if (below(4) == 0) {
        table.abandon(running);
      } else {
        table.end(running, std::to_string(expected.running));
        expected.last = expected.running;
      }
      expected.running = 0;
      continue;
    }
    const std::uint64_t around = std::max(expected.last, expected.running) + below(4);
    const OpId id = op(std::max<std::uint64_t>(around, 2) - 1, slot, 1, session);
    ASSERT_EQ(said(table.begin(id)), model.begin(id)) << "step " << step;
  }
}

}  // namespace
}  // namespace conclave
