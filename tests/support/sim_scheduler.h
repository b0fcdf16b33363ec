// Seeded concurrency: tasks are threads, of which one runs at a time and passes a baton at scheduling points (the
// calls that may block: sleeping, waiting, Transport, Files::sync). Who runs next is chosen from the seed, so a run
// repeats. Time stands still while anybody can run, then jumps to the next timer. The thread that makes the scheduler
// (the test's body) is its first task, the root.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/guarded.h"
#include "tests/support/sim_clock.h"
#include "tests/support/sim_random.h"

namespace conclave::sim {

// Thrown in the root when nobody can ever run again; its text says who waits for what.
struct SimDeadlock : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Thrown through a killed task from the scheduling points it is at or reaches. No std::exception: only a catch (...)
// would stop it, until the next one.
struct TaskKilled {};

class SimScheduler {
 public:
  // Tasks that are killed or paused together: a process.
  enum class Group : std::uint32_t {};
  static constexpr Group kTest{0};
  enum class TaskId : std::uint64_t {};

  SimScheduler(SimClock& clock, std::uint64_t seed);
  ~SimScheduler();  // kills what still runs
  SimScheduler(const SimScheduler&) = delete;

  Group new_group();
  TaskId spawn(std::string name, std::function<void()> body, Group group = kTest);
  // Blocks until it has ended. An exception that left a task is thrown again in the root at its next
  // scheduling point.
  void join(TaskId task);
  // Ends the group's tasks where they are, their destructors run, and waits for that. Not from within the group.
  void kill(Group group);
  // SIGSTOP and SIGCONT.
  void pause(Group group);
  void resume(Group group);

  // Scheduling points. block(): until wake(key) or the deadline; true if woken. `why` is for the deadlock's report.
  void yield();
  bool block(const void* key, MonoTime deadline, const std::string& why);
  void sleep_for(Duration duration) { block(nullptr, clock_.now() + duration, "sleeps"); }
  // Like yield(), and never throws: callable below C code.
  void yield_through_c();
  // No scheduling point.
  void wake(const void* key);

  // What happened, for comparing runs and for reading after a failure.
  void note(const std::string& event);
  [[nodiscard]] std::uint64_t trace_hash() const;
  [[nodiscard]] std::string last_events() const;
  [[nodiscard]] SimClock& clock() { return clock_; }

 private:
  enum class State : std::uint8_t { kRunnable, kRunning, kBlocked };
  struct Task;
  struct Seat {  // a thread, taken by one task after another
    std::thread thread;
    std::condition_variable turn;
    Task* task = nullptr;
  };
  using Lock = std::unique_lock<std::mutex>;

  Task& current() REQUIRES(mutex_);
  void switch_away(Lock& lock, Task& task) REQUIRES(mutex_);  // until it is `task`'s turn again
  void pass_baton(Lock& lock) REQUIRES(mutex_);               // to somebody, or to the root with a deadlock
  Task* choose() REQUIRES(mutex_);
  void await_turn(Lock& lock, Seat& seat) REQUIRES(mutex_);
  void finish(Task& task) REQUIRES(mutex_);
  Task* find(TaskId id) REQUIRES(mutex_);
  bool can_run(const Task& task) const REQUIRES(mutex_);
  std::string who_waits_for_what() const REQUIRES(mutex_);
  void note_locked(const std::string& event) REQUIRES(mutex_);
  void mark_killed(Task& task) REQUIRES(mutex_);
  [[nodiscard]] bool any_left(Group group) const REQUIRES(mutex_);
  // Thrown into the current task if it has to end, unless it already unwinds.
  void rethrow(Task& task) REQUIRES(mutex_);

  void run_seat(Seat& seat);
  void run_body(Task& task);

  SimClock& clock_;
  mutable std::mutex mutex_;
  SimRandom random_ GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Seat>> seats_ GUARDED_BY(mutex_);
  std::vector<Seat*> free_seats_ GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Task>> tasks_ GUARDED_BY(mutex_);    // the root first, then in the order they were made
  Task* running_ GUARDED_BY(mutex_) = nullptr;
  std::uint64_t next_task_ GUARDED_BY(mutex_) = 1;
  std::uint32_t next_group_ GUARDED_BY(mutex_) = 1;
  std::set<Group> paused_ GUARDED_BY(mutex_);
  bool quit_ GUARDED_BY(mutex_) = false;
  std::string deadlock_ GUARDED_BY(mutex_);                        // the report, for the root to throw
  std::vector<std::string> failures_ GUARDED_BY(mutex_);           // exceptions that left tasks
  std::uint64_t switches_ GUARDED_BY(mutex_) = 0;
  std::uint64_t hash_ GUARDED_BY(mutex_) = 14695981039346656037u;
  std::deque<std::string> events_ GUARDED_BY(mutex_);
};

}  // namespace conclave::sim
