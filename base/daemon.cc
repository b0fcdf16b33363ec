#include "base/daemon.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>

namespace conclave {
namespace {

constexpr Duration kAskAgain = std::chrono::milliseconds(100);

// SIGTERM and SIGINT become readable at fd() instead of ending the process, in this thread and those it starts.
class StopSignals {
 public:
  StopSignals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, &before_) == 0);
    fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    CHECK(fd_ >= 0);
  }
  ~StopSignals() {
    signalfd_siginfo taken;  // left pending, they would end the process as soon as they may
    while (read(fd_, &taken, sizeof taken) > 0) {}
    close(fd_);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  StopSignals(const StopSignals&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  sigset_t before_{};
  int fd_ = -1;
};

// The last resort of each thread: what nobody expected may have left anything half done.
void run_guarded(Log& log, const std::string& name, const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& failure) {
    log.error("a thread ended by an exception", {{"thread", name}, {"exception", failure.what()}});
    std::abort();
  }
}

void say_ready() {
  const char* const number = std::getenv("CONCLAVE_READY_FD");
  if (number == nullptr) return;
  const int fd = std::atoi(number);
  constexpr std::string_view kReady = "ready\n";
  if (fd <= STDERR_FILENO) return;
  (void)!write(fd, kReady.data(), kReady.size());  // whoever started us may be gone
  close(fd);
}

void name_thread(std::jthread& thread, const std::string& name) {
  (void)pthread_setname_np(thread.native_handle(), name.substr(0, 15).c_str());
}

}  // namespace

Daemon::Daemon(Clock& clock, Log& log) : clock_(clock), log_(log), stop_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  CHECK(stop_fd_ >= 0);
}

Daemon::~Daemon() { close(stop_fd_); }

void Daemon::add_pool(std::string name, unsigned threads, std::function<void()> run, std::function<void()> stop) {
  pools_.push_back({std::move(name), threads, std::move(run), std::move(stop)});
}

void Daemon::add_duty(std::string name, Duty& duty) { duties_.push_back({std::move(name), &duty}); }

void Daemon::on_stop(std::function<void()> hook) { hooks_.push_back(std::move(hook)); }

void Daemon::request_stop() {
  const std::uint64_t one = 1;
  (void)!write(stop_fd_, &one, sizeof one);  // fails only if it is readable already
}

void Daemon::run_duty(const NamedDuty& named, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  while (!stop.stop_requested()) {
    const MonoTime now = clock_.now();
    const MonoTime next = named.duty->next_tick();
    if (next <= now) {
      named.duty->tick(now);
      continue;
    }
    std::unique_lock lock(mutex);
    (void)wake.wait_for(lock, stop, std::min(next - now, kAskAgain), [] { return false; });
  }
}

void Daemon::wait_for_stop(int signals_fd) {
  std::array<pollfd, 2> ready = {{{signals_fd, POLLIN, 0}, {stop_fd_, POLLIN, 0}}};
  while (poll(ready.data(), ready.size(), -1) < 0) CHECK(errno == EINTR);
}

void Daemon::run() {
  (void)signal(SIGPIPE, SIG_IGN);  // a connection that is gone is an error of that connection
  const StopSignals signals;
  std::vector<std::jthread> duties;
  std::vector<std::jthread> pools;
  for (const NamedDuty& duty : duties_) {
    duties.emplace_back([this, &duty](std::stop_token stop) {
      run_guarded(log_, duty.name, [&] { run_duty(duty, stop); });
    });
    name_thread(duties.back(), duty.name);
  }
  for (const Pool& pool : pools_) {
    for (unsigned i = 0; i < pool.threads; ++i) {
      pools.emplace_back([this, &pool] { run_guarded(log_, pool.name, pool.run); });
      name_thread(pools.back(), pool.name);
    }
  }
  say_ready();
  wait_for_stop(signals.fd());
  log_.info("stopping");
  for (const auto& hook : hooks_) hook();
  for (const Pool& pool : pools_) pool.stop();
  pools.clear();  // joins
  for (auto& duty : duties) duty.request_stop();
}

}  // namespace conclave
