#include "base/parallel_calls.h"

namespace conclave {

// False: somebody has taken the last one.
bool ParallelCalls::make_one(const std::shared_ptr<Batch>& batch) {
  std::size_t mine = 0;
  {
    const std::lock_guard lock(mutex_);
    if (batch->taken == batch->calls.size()) return false;
    mine = batch->taken++;
    if (batch->taken == batch->calls.size()) std::erase(batches_, batch);
  }
  batch->calls[mine]();
  bool all = false;
  {
    const std::lock_guard lock(mutex_);
    all = ++batch->made == batch->calls.size();
  }
  if (all) waiter_.wake(batch.get());
  return true;
}

void ParallelCalls::make(std::vector<std::function<void()>> calls) {
  if (calls.empty()) return;
  if (calls.size() == 1) return calls.front()();
  const auto batch = std::make_shared<Batch>();
  batch->calls = std::move(calls);
  {
    const std::lock_guard lock(mutex_);
    batches_.push_back(batch);
  }
  waiter_.wake(this);
  while (make_one(batch)) {}
  for (;;) {
    const auto seen = waiter_.observe(batch.get());
    {
      const std::lock_guard lock(mutex_);
      if (batch->made == batch->calls.size()) return;
    }
    waiter_.wait(batch.get(), seen, kNever);
  }
}

void ParallelCalls::run() {
  for (;;) {
    const auto seen = waiter_.observe(this);
    std::shared_ptr<Batch> batch;
    {
      const std::lock_guard lock(mutex_);
      if (stopped_) return;
      if (!batches_.empty()) batch = batches_.front();
    }
    if (batch != nullptr) {
      make_one(batch);
    } else {
      waiter_.wait(this, seen, kNever);
    }
  }
}

void ParallelCalls::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  waiter_.wake(this);
}

}  // namespace conclave
