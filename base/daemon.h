// What every server's main does after it has built its parts: run pools of threads and background duties until
// SIGTERM or SIGINT, then stop them in order. Threads are started here and nowhere below.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"

namespace conclave {

// A background duty. tick(now) is called at or after next_tick(), never twice at once; it may block as handlers may.
class Duty {
 public:
  virtual ~Duty() = default;
  virtual MonoTime next_tick() = 0;
  virtual void tick(MonoTime now) = 0;
};

class Daemon {
 public:
  Daemon(Clock& clock, Log& log);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  // `run` blocks until `stop` was called; it is run by `threads` threads.
  void add_pool(std::string name, unsigned threads, std::function<void()> run, std::function<void()> stop);
  // Each duty has a thread of its own: one that waits for a peer does not delay another. next_tick() is asked again
  // every 100 ms at least: it may move nearer.
  void add_duty(std::string name, Duty& duty);
  // Runs when stopping, before the pools stop; after them, the duties.
  void on_stop(std::function<void()> hook);
  // Blocks until a stop signal or request_stop(); returns when all has stopped. Writes "ready" to the descriptor
  // named by CONCLAVE_READY_FD, if set, when everything runs: `conclave up` waits for it.
  void run();
  void request_stop();   // any thread

 private:
  struct Pool {
    std::string name;
    unsigned threads;
    std::function<void()> run, stop;
  };
  struct NamedDuty {
    std::string name;
    Duty* duty;
  };
  void run_duty(const NamedDuty& named, const std::stop_token& stop);
  void wait_for_stop(int signals_fd);
  Clock& clock_;
  Log& log_;
  std::vector<Pool> pools_;
  std::vector<NamedDuty> duties_;
  std::vector<std::function<void()>> hooks_;
  const int stop_fd_;  // an eventfd: readable once stopping was asked for
};

}  // namespace conclave
