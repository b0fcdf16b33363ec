#include "client/session/parking.h"

#include <algorithm>

namespace conclave::client {

ParkKey Parking::expect() {
  const std::lock_guard lock(mutex_);
  const ParkKey key = next_key_++;
  expected_.try_emplace(key);
  return key;
}

void Parking::deliver(ParkKey key) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = expected_.find(key);
    if (found == expected_.end()) return;
    for (Parked& parked : found->second) {
      handles_.erase(parked.handle);
      ready_.push_back(std::move(parked.rerun));
    }
    expected_.erase(found);
  }
  waiter_.wake(this);
}

std::uint64_t Parking::park(ParkKey key, std::function<void()> rerun) {
  std::uint64_t handle = 0;
  {
    const std::lock_guard lock(mutex_);
    handle = next_handle_++;
    const auto found = expected_.find(key);
    if (found != expected_.end()) {
      found->second.push_back({handle, std::move(rerun)});
      handles_.emplace(handle, key);
      return handle;
    }
    ready_.push_back(std::move(rerun));
  }
  waiter_.wake(this);
  return handle;
}

std::function<void()> Parking::take_back(std::uint64_t handle) {
  const std::lock_guard lock(mutex_);
  const auto key = handles_.find(handle);
  if (key == handles_.end()) return {};
  auto& parked = expected_.at(key->second);
  const auto found = std::ranges::find(parked, handle, &Parked::handle);
  std::function<void()> rerun = std::move(found->rerun);
  parked.erase(found);
  handles_.erase(key);
  return rerun;
}

bool Parking::run_one() {
  std::function<void()> rerun;
  {
    const std::lock_guard lock(mutex_);
    if (ready_.empty() || stopping_) return false;
    rerun = std::move(ready_.front());
    ready_.pop_front();
  }
  rerun();
  return true;
}

void Parking::run() {
  for (;;) {
    const auto seen = waiter_.observe(this);
    if (run_one()) continue;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      if (!ready_.empty()) continue;
    }
    waiter_.wait(this, seen, kNever);
  }
}

void Parking::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  waiter_.wake(this);
}

std::size_t Parking::drop_all() {
  std::unordered_map<ParkKey, std::vector<Parked>> parked;
  std::deque<std::function<void()>> ready;
  std::size_t dropped = 0;
  {
    const std::lock_guard lock(mutex_);
    dropped = handles_.size() + ready_.size();
    handles_.clear();
    ready.swap(ready_);
    parked.swap(expected_);
    for (const auto& [key, list] : parked) expected_.try_emplace(key);  // they may still be delivered
  }
  return dropped;
}

std::size_t Parking::parked() const {
  const std::lock_guard lock(mutex_);
  return handles_.size() + ready_.size();
}

}  // namespace conclave::client
