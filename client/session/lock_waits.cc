#include "client/session/lock_waits.h"

#include <vector>

namespace conclave::client {

LockWaits::Wait LockWaits::begin() {
  const ParkKey key = parking_.expect();
  const std::lock_guard lock(mutex_);
  const std::uint64_t number = next_++;
  waiting_.emplace(number, Waiting{key, std::nullopt});
  return {number, key};
}

std::optional<Status> LockWaits::take(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  const auto found = waiting_.find(number);
  if (found == waiting_.end() || !found->second.answer) return std::nullopt;
  std::optional<Status> answer = std::move(found->second.answer);
  waiting_.erase(found);
  return answer;
}

void LockWaits::forget(std::uint64_t number) {
  ParkKey key = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(number);
    if (found == waiting_.end()) return;
    key = found->second.key;
    waiting_.erase(found);
  }
  parking_.deliver(key);  // nobody is parked there; the key is used up
}

void LockWaits::on_answer(std::uint64_t number, Status answer) {
  ParkKey key = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(number);
    if (found == waiting_.end() || found->second.answer) return;
    found->second.answer = std::move(answer);
    key = found->second.key;
  }
  parking_.deliver(key);
}

void LockWaits::fail_all(const Error& why) {
  std::vector<ParkKey> keys;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [number, waiting] : waiting_) {
      if (!waiting.answer) keys.push_back(waiting.key);
      waiting.answer = why;   // also of what was granted and not taken yet: it is lost like all that was held
    }
  }
  for (const ParkKey key : keys) parking_.deliver(key);
}

}  // namespace conclave::client
