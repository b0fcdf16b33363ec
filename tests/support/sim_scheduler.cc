#include "tests/support/sim_scheduler.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>

#include "base/check.h"

namespace conclave::sim {
namespace {

// The scheduler that this thread belongs to.
thread_local SimScheduler* this_threads_scheduler = nullptr;

constexpr std::size_t kEventsKept = 400;
// Real time without a switch after which a task is believed stuck outside of the scheduling points.
constexpr auto kStuck = std::chrono::minutes(2);

}  // namespace

struct SimScheduler::Task {
  TaskId id{};
  std::string name;
  Group group = kTest;
  std::function<void()> body;
  Seat* seat = nullptr;
  State state = State::kRunnable;
  const void* key = nullptr;
  MonoTime deadline = kNever;
  std::string why;
  bool woken = false;
  bool killed = false;
};

SimScheduler::SimScheduler(SimClock& clock, std::uint64_t seed) : clock_(clock), random_(seed) {
  CHECK(this_threads_scheduler == nullptr);
  this_threads_scheduler = this;
  auto root = std::make_unique<Task>();
  root->name = "test";
  root->state = State::kRunning;
  seats_.push_back(std::make_unique<Seat>());
  root->seat = seats_.back().get();
  running_ = root.get();
  root->seat->task = root.get();
  tasks_.push_back(std::move(root));
  clock_.sleeper_ = [this](MonoTime when) { block(nullptr, when, "sleeps"); };
}

SimScheduler::~SimScheduler() {
  {
    UniqueLock lock(mutex_);
    Task& root = *tasks_.front();
    CHECK(running_ == &root);
    paused_.clear();
    deadlock_.clear();
    for (const auto& task : tasks_) {
      if (task.get() != &root) mark_killed(*task);
    }
    while (tasks_.size() > 1) {
      root.state = State::kRunnable;
      switch_away(lock, root);
    }
    quit_ = true;
    for (const auto& seat : seats_) seat->turn.notify_all();
  }
  for (const auto& seat : seats_) {
    if (seat->thread.joinable()) seat->thread.join();
  }
  clock_.sleeper_ = nullptr;
  this_threads_scheduler = nullptr;
}

SimScheduler::Group SimScheduler::new_group() {
  const std::lock_guard lock(mutex_);
  return Group{next_group_++};
}

SimScheduler::TaskId SimScheduler::spawn(std::string name, std::function<void()> body, Group group) {
  const std::lock_guard lock(mutex_);
  auto task = std::make_unique<Task>();
  task->id = TaskId{next_task_++};
  task->name = std::move(name);
  task->group = group;
  task->body = std::move(body);
  if (free_seats_.empty()) {
    seats_.push_back(std::make_unique<Seat>());
    Seat& made = *seats_.back();
    made.thread = std::thread([this, &made] { run_seat(made); });
    free_seats_.push_back(&made);
  }
  task->seat = free_seats_.back();
  free_seats_.pop_back();
  task->seat->task = task.get();
  tasks_.push_back(std::move(task));
  return tasks_.back()->id;
}

void SimScheduler::join(TaskId task) {
  UniqueLock lock(mutex_);
  while (const Task* found = find(task)) {
    const std::string why = "joins " + found->name;
    lock.unlock();
    block(found, kNever, why);
    lock.lock();
  }
}

void SimScheduler::kill(Group group) {
  UniqueLock lock(mutex_);
  CHECK(current().group != group);
  paused_.erase(group);
  for (const auto& task : tasks_) {
    if (task->group == group) mark_killed(*task);
  }
  Task& task = current();
  while (any_left(group)) {  // they have no way to block: this ends
    task.state = State::kRunnable;
    switch_away(lock, task);
  }
}

void SimScheduler::pause(Group group) {
  const std::lock_guard lock(mutex_);
  paused_.insert(group);
}

void SimScheduler::resume(Group group) {
  const std::lock_guard lock(mutex_);
  paused_.erase(group);
}

void SimScheduler::yield() {
  UniqueLock lock(mutex_);
  Task& task = current();
  rethrow(task);
  task.state = State::kRunnable;
  switch_away(lock, task);
  rethrow(task);
}

void SimScheduler::yield_through_c() {
  UniqueLock lock(mutex_);
  Task& task = current();
  if (task.killed) return;
  task.state = State::kRunnable;
  switch_away(lock, task);
}

bool SimScheduler::block(const void* key, MonoTime deadline, const std::string& why) {
  UniqueLock lock(mutex_);
  Task& task = current();
  rethrow(task);
  if (task.killed) return false;
  task.state = State::kBlocked;
  task.key = key;
  task.deadline = deadline;
  task.why = why;
  task.woken = false;
  switch_away(lock, task);
  rethrow(task);
  return task.woken;
}

void SimScheduler::wake(const void* key) {
  const std::lock_guard lock(mutex_);
  for (const auto& task : tasks_) {
    if (task->state != State::kBlocked || task->key != key || key == nullptr) continue;
    task->state = State::kRunnable;
    task->woken = true;
  }
}

void SimScheduler::note(const std::string& event) {
  const std::lock_guard lock(mutex_);
  note_locked(event);
}

std::uint64_t SimScheduler::trace_hash() const {
  const std::lock_guard lock(mutex_);
  return hash_;
}

std::string SimScheduler::last_events() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (const std::string& event : events_) out += event + "\n";
  return out;
}

SimScheduler::Task& SimScheduler::current() {
  CHECK(this_threads_scheduler == this);  // a thread that the scheduler does not know called a seam
  return *running_;
}

void SimScheduler::rethrow(Task& task) {
  if (std::uncaught_exceptions() > 0) return;
  if (task.killed) throw TaskKilled();
  if (&task != tasks_.front().get()) return;
  if (!failures_.empty()) throw std::runtime_error(std::exchange(failures_, {}).front());
  if (!deadlock_.empty()) throw SimDeadlock(std::exchange(deadlock_, {}));
}

void SimScheduler::switch_away(Lock& lock, Task& task) {
  pass_baton(lock);
  await_turn(lock, *task.seat);
}

void SimScheduler::pass_baton(Lock&) {
  Task* next = choose();
  if (next == nullptr) {
    deadlock_ = who_waits_for_what();
    next = tasks_.front().get();
  }
  ++switches_;
  next->state = State::kRunning;
  if (std::exchange(running_, next) != next) note_locked("runs");
  next->seat->turn.notify_one();
}

bool SimScheduler::can_run(const Task& task) const {
  return task.state == State::kRunnable && (task.killed || !paused_.contains(task.group));
}

// The root waits in a destructor or a join while others run: it takes its turn like everybody.
SimScheduler::Task* SimScheduler::choose() {
  std::vector<Task*> ready;
  const auto collect = [&]() REQUIRES(mutex_) {
    for (const auto& task : tasks_) {
      if (can_run(*task)) ready.push_back(task.get());
    }
  };
  collect();
  if (ready.empty()) {
    MonoTime next = kNever;
    for (const auto& task : tasks_) {
      if (task->state == State::kBlocked && !paused_.contains(task->group)) next = std::min(next, task->deadline);
    }
    if (next == kNever) return nullptr;
    clock_.advance_to(next);
  }
  for (const auto& task : tasks_) {
    const bool due = task->state == State::kBlocked && task->deadline <= clock_.now();
    if (due) task->state = State::kRunnable;
  }
  ready.clear();
  collect();
  return ready[random_.below(ready.size())];
}

void SimScheduler::await_turn(Lock& lock, Seat& seat) {
  const auto mine = [&]() REQUIRES(mutex_) { return quit_ || (seat.task != nullptr && running_ == seat.task); };
  while (!mine()) {
    const std::uint64_t before = switches_;
    if (seat.turn.wait_for(lock, kStuck, mine) || switches_ != before) continue;
    if (seat.task == nullptr) continue;
    std::fprintf(stderr,
                 "the task \"%s\" runs for minutes without a scheduling point: it may wait for a mutex that "
                 "another holds across one\n",
                 running_->name.c_str());
    std::abort();
  }
}

void SimScheduler::run_seat(Seat& seat) {
  this_threads_scheduler = this;
  UniqueLock lock(mutex_);
  for (;;) {
    await_turn(lock, seat);
    if (quit_) return;
    Task& task = *seat.task;
    lock.unlock();
    run_body(task);
    lock.lock();
    finish(task);
    pass_baton(lock);
  }
}

void SimScheduler::run_body(Task& task) {
  try {
    if (!task.killed) task.body();
  } catch (const TaskKilled&) {
  } catch (const std::exception& thrown) {
    const std::lock_guard lock(mutex_);
    failures_.push_back(task.name + " threw: " + thrown.what());
  }
  task.body = nullptr;  // what it captured goes now, in its turn
}

void SimScheduler::finish(Task& task) {
  note_locked("ends");
  for (const auto& other : tasks_) {
    if (other->state == State::kBlocked && other->key == &task) {
      other->state = State::kRunnable;
      other->woken = true;
    }
  }
  running_ = nullptr;
  task.seat->task = nullptr;
  free_seats_.push_back(task.seat);
  std::erase_if(tasks_, [&](const auto& other) { return other.get() == &task; });
}

SimScheduler::Task* SimScheduler::find(TaskId id) {
  const auto found = std::ranges::find_if(tasks_, [id](const auto& task) { return task->id == id; });
  return found == tasks_.end() ? nullptr : found->get();
}

void SimScheduler::mark_killed(Task& task) {
  task.killed = true;
  if (task.state == State::kBlocked) task.state = State::kRunnable;
}

bool SimScheduler::any_left(Group group) const {
  return std::ranges::any_of(tasks_, [group](const auto& task) { return task->group == group; });
}

void SimScheduler::note_locked(const std::string& event) {
  const std::int64_t now_us = (clock_.now_ns_.load() - SimClock::kStartNs) / 1000;
  const std::string line = std::to_string(now_us) + " us  " + running_->name + "  " + event;
  for (const char c : line) hash_ = (hash_ ^ static_cast<std::uint8_t>(c)) * 1099511628211u;
  events_.push_back(line);
  if (events_.size() > kEventsKept) events_.pop_front();
}

std::string SimScheduler::who_waits_for_what() const {
  std::string out = "deadlock: nobody can run and no timer is set";
  for (const auto& task : tasks_) {
    out += "\n  " + task->name + ": " + (task->state == State::kBlocked ? task->why : "stopped");
  }
  return out;
}

}  // namespace conclave::sim
