// Real threads: what must hold is that no wake is lost; that nobody wakes too early is not promised.
#include "base/waiter.h"

#include <gtest/gtest.h>

#include <thread>

namespace conclave {
namespace {

using namespace std::chrono_literals;

TEST(SystemWaiter, WakeAfterObserveMakesWaitReturn) {
  SystemWaiter waiter;
  int key = 0;
  const auto seen = waiter.observe(&key);
  waiter.wake(&key);
  waiter.wait(&key, seen, kNever);
}

TEST(SystemWaiter, PassedDeadlineMakesWaitReturn) {
  SystemWaiter waiter;
  int key = 0;
  waiter.wait(&key, waiter.observe(&key), SystemClock().now());
  waiter.wait(&key, waiter.observe(&key), MonoTime());
}

TEST(SystemWaiter, NoWakeIsLostBetweenProducersAndConsumers) {
  constexpr int kItems = 20000;
  SystemWaiter waiter;
  std::mutex mutex;
  int made = 0, taken = 0;
  const auto consume = [&] {
    for (;;) {
      const auto seen = waiter.observe(&made);
      bool empty = false;
      {
        const std::lock_guard lock(mutex);
        if (taken == kItems) return;
        empty = taken == made;
        if (!empty) ++taken;
      }
      if (empty) waiter.wait(&made, seen, kNever);
    }
  };
  std::thread one(consume), other(consume);
  for (int i = 0; i < kItems; ++i) {
    {
      const std::lock_guard lock(mutex);
      ++made;
    }
    waiter.wake(&made);
  }
  // The consumer that takes the last one does not wake the other, which may wait for the next.
  for (bool done = false; !done;) {
    {
      const std::lock_guard lock(mutex);
      done = taken == kItems;
    }
    waiter.wake(&made);
    std::this_thread::yield();
  }
  one.join();
  other.join();
  EXPECT_EQ(taken, kItems);
}

}  // namespace
}  // namespace conclave
