#include "fuse/page_invalidator.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/simulation.h"

namespace conclave::fuse_fs {
namespace {

using namespace std::chrono_literals;
constexpr InodeId kInode{5};
constexpr std::uint64_t kPage = PageInvalidator::kPage;
constexpr std::uint64_t kPages = 20;   // in the file

// A kernel's page cache of one inode: an invalidation goes from page to page and waits for those that are held.
struct Kernel {
  explicit Kernel(sim::Simulation& s) : sim(s) {}
  sim::Simulation& sim;
  std::set<std::uint64_t> cached, held;
  int calls = 0;

  void fill() {
    for (std::uint64_t page = 0; page < kPages; ++page) cached.insert(page);
  }
  void hold(std::uint64_t page) { held.insert(page); }
  void release(std::uint64_t page) {
    held.erase(page);
    sim.waiter.wake(this);
  }
  void invalidate(std::uint64_t offset, std::uint64_t length) {
    ++calls;
    const std::uint64_t end = length == 0 ? kPages : std::min(kPages, (offset + length) / kPage);
    for (std::uint64_t page = offset / kPage; page < end; ++page) {
      for (auto seen = sim.waiter.observe(this); held.contains(page); seen = sim.waiter.observe(this)) {
        sim.waiter.wait(this, seen, kNever);
      }
      sim.scheduler.sleep_for(1us);
      cached.erase(page);
    }
  }
};

struct PageInvalidatorTest : testing::Test {
  sim::Simulation sim{1};
  Kernel kernel{sim};
  PageInvalidator pages{[this](InodeId, std::uint64_t offset, std::uint64_t length) { kernel.invalidate(offset, length); },
                        sim.clock, sim.waiter};
  std::vector<sim::SimScheduler::TaskId> workers;

  PageInvalidatorTest() {
    kernel.fill();
    for (int i = 0; i < 8; ++i) workers.push_back(sim.scheduler.spawn("worker", [this] { pages.run(); }));
  }
  ~PageInvalidatorTest() override {
    for (std::uint64_t page = 0; page < kPages; ++page) kernel.release(page);
    pages.stop();
    for (const auto worker : workers) sim.scheduler.join(worker);
  }
  // Whether it has returned.
  std::shared_ptr<bool> invalidate() {
    auto done = std::make_shared<bool>(false);
    workers.push_back(sim.scheduler.spawn("recall", [this, done] {
      pages.invalidate(kInode);
      *done = true;
    }));
    return done;
  }
};

TEST_F(PageInvalidatorTest, EmptiesTheCacheInOneCall) {
  pages.invalidate(kInode);
  EXPECT_TRUE(kernel.cached.empty());
  EXPECT_EQ(kernel.calls, 1);
}

TEST_F(PageInvalidatorTest, WaitsForARequestThatIsUnderWay) {
  kernel.hold(3);
  const auto done = invalidate();
  sim.scheduler.sleep_for(10s);
  EXPECT_FALSE(*done);
  kernel.release(3);
  sim.scheduler.sleep_for(1ms);
  EXPECT_TRUE(*done);
  EXPECT_TRUE(kernel.cached.empty());
}

TEST_F(PageInvalidatorTest, DoesNotWaitForAPageThatAWaitingWriteHolds) {
  const auto waiting = pages.waits(kInode, 3 * kPage + 100, 50, false);
  kernel.hold(3);
  const auto done = invalidate();
  sim.scheduler.sleep_for(10ms);
  EXPECT_TRUE(*done);
  EXPECT_EQ(kernel.cached, std::set<std::uint64_t>{3});
  kernel.release(3);   // the WRITE was answered
  sim.scheduler.sleep_for(1ms);
  EXPECT_TRUE(kernel.cached.empty());
}

TEST_F(PageInvalidatorTest, WhatRunsApartMayWaitForAHeldPage) {
  const auto waiting = pages.waits(kInode, 3 * kPage + 100, 50, false);
  kernel.hold(3);
  bool stored = false;
  pages.apart([&] {
    kernel.invalidate(3 * kPage, kPage);
    stored = true;
  });
  const auto done = invalidate();
  sim.scheduler.sleep_for(10ms);
  EXPECT_TRUE(*done);
  EXPECT_FALSE(stored);
  kernel.release(3);
  sim.scheduler.sleep_for(1ms);
  EXPECT_TRUE(stored);
}

TEST_F(PageInvalidatorTest, InvalidatesAPageThatAWaitingWriteCoversButDoesNotHold) {
  const auto waiting = pages.waits(kInode, 3 * kPage + 100, 3 * kPage, false);
  pages.invalidate(kInode);
  EXPECT_TRUE(kernel.cached.empty());
}

TEST_F(PageInvalidatorTest, GoesOnWhenTheRequestItWaitsForBeginsToWait) {
  kernel.hold(3);
  kernel.hold(6);
  const auto done = invalidate();
  sim.scheduler.sleep_for(1s);
  EXPECT_FALSE(*done);
  const auto first = pages.waits(kInode, 3 * kPage + 100, 3 * kPage, false);   // 3 and 6
  sim.scheduler.sleep_for(10ms);
  EXPECT_TRUE(*done);
  EXPECT_EQ(kernel.cached, (std::set<std::uint64_t>{3, 6}));
}

TEST_F(PageInvalidatorTest, AWaitingReadHoldsAllItsPages) {
  const auto waiting = pages.waits(kInode, 2 * kPage, 4 * kPage, true);
  for (std::uint64_t page = 2; page < 6; ++page) kernel.hold(page);
  const auto done = invalidate();
  sim.scheduler.sleep_for(10ms);
  EXPECT_TRUE(*done);
  EXPECT_EQ(kernel.cached, (std::set<std::uint64_t>{2, 3, 4, 5}));
  EXPECT_EQ(kernel.calls, 3);
}

TEST_F(PageInvalidatorTest, DoesNotWaitForAReadThatIsAtAServer) {
  const auto read = pages.under_way(kInode, 2 * kPage, 4 * kPage);
  for (std::uint64_t page = 2; page < 6; ++page) kernel.hold(page);
  const auto done = invalidate();
  sim.scheduler.sleep_for(10ms);
  EXPECT_TRUE(*done);
  EXPECT_EQ(kernel.cached, (std::set<std::uint64_t>{2, 3, 4, 5}));
}

TEST_F(PageInvalidatorTest, GoesOnAlthoughAReadBeganMeanwhile) {
  kernel.hold(3);
  const auto done = invalidate();
  sim.scheduler.sleep_for(1ms);
  const auto read = pages.under_way(kInode, 3 * kPage, kPage);   // it held the page first, and is counted later
  sim.scheduler.sleep_for(1s);
  EXPECT_TRUE(*done);
  EXPECT_EQ(kernel.cached, std::set<std::uint64_t>{3});
}

TEST_F(PageInvalidatorTest, HoweverManyPagesAreHeldTheOthersGoAtOnce) {
  std::vector<PageInvalidator::Waiting> waiting;
  for (std::uint64_t page = 0; page < kPages; page += 2) {
    waiting.push_back(pages.waits(kInode, page * kPage, kPage, true));
    kernel.hold(page);
  }
  invalidate();
  sim.scheduler.sleep_for(100ms);
  for (std::uint64_t page = 1; page < kPages; page += 2) EXPECT_FALSE(kernel.cached.contains(page)) << page;
}

TEST_F(PageInvalidatorTest, AWholePageIsNotHeldByItsWrite) {
  const auto waiting = pages.waits(kInode, 2 * kPage, 4 * kPage, false);
  pages.invalidate(kInode);
  EXPECT_EQ(kernel.calls, 1);
}

TEST_F(PageInvalidatorTest, AnAnsweredRequestIsForgotten) {
  {
    const auto waiting = pages.waits(kInode, 100, 50, false);
    const auto copy = waiting;
  }
  pages.invalidate(kInode);
  EXPECT_EQ(kernel.calls, 1);
}

TEST_F(PageInvalidatorTest, AnotherInodesRequestsDoNotMatter) {
  const auto waiting = pages.waits(InodeId{6}, 100, 50, false);
  pages.invalidate(kInode);
  EXPECT_EQ(kernel.calls, 1);
}

TEST_F(PageInvalidatorTest, RequestsThatHoldNoPageEndInAnyOrder) {
  auto first = pages.waits(kInode, 0, 2 * kPage, false);
  auto second = pages.waits(kInode, 0, 2 * kPage, false);
  first = {};
  second = {};
  pages.invalidate(kInode);
  EXPECT_TRUE(kernel.cached.empty());
}

}  // namespace
}  // namespace conclave::fuse_fs
