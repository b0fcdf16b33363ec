#include "base/daemon.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <semaphore>
#include <thread>

namespace conclave {
namespace {

struct CountingDuty final : Duty {
  MonoTime next = MonoTime::min();
  std::function<void(int)> on_tick;
  int ticks = 0;
  MonoTime next_tick() override { return next; }
  void tick(MonoTime) override { on_tick(++ticks); }
};

class DaemonTest : public testing::Test {
 protected:
  // A pool whose threads wait until it is stopped.
  void add_waiting_pool(Daemon& daemon, unsigned threads) {
    daemon.add_pool("waiting", threads, [this] { ++running_; stopped_.acquire(); --running_; },
                    [this, threads] { said("pool"); stopped_.release(threads); });
  }
  void said(const std::string& what) { order_ += what + " "; }

  SystemClock clock_;
  Log log_{"test", LogLevel::kError};
  std::atomic<int> running_ = 0;
  std::counting_semaphore<> stopped_{0};
  std::string order_;
};

TEST_F(DaemonTest, ADutyTicksUntilItAsksToStop) {
  Daemon daemon(clock_, log_);
  CountingDuty duty;
  duty.on_tick = [&](int ticks) {
    if (ticks == 3) daemon.request_stop();
    if (ticks >= 3) duty.next = kNever;
  };
  daemon.add_duty("counting", duty);
  add_waiting_pool(daemon, 2);
  daemon.on_stop([&] { said("hook"); });
  daemon.run();
  EXPECT_EQ(duty.ticks, 3);
  EXPECT_EQ(running_, 0);
  EXPECT_EQ(order_, "hook pool ");
}

TEST_F(DaemonTest, SigtermStopsAndTheReadyDescriptorIsTold) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  ASSERT_EQ(setenv("CONCLAVE_READY_FD", std::to_string(pipe[1]).c_str(), 1), 0);
  sigset_t term, before;  // threads of before the daemon must not be the ones that the signal ends
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &term, &before), 0);
  Daemon daemon(clock_, log_);
  add_waiting_pool(daemon, 1);
  std::jthread starter([&] {  // as `conclave up`: waits for "ready", then says stop
    std::array<char, 16> text{};
    const auto size = read(pipe[0], text.data(), text.size());
    EXPECT_EQ(std::string(text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))), "ready\n");
    EXPECT_EQ(kill(getpid(), SIGTERM), 0);
  });
  daemon.run();
  starter.join();
  EXPECT_EQ(running_, 0);
  EXPECT_EQ(unsetenv("CONCLAVE_READY_FD"), 0);
  close(pipe[0]);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace
}  // namespace conclave
