// flock and fcntl waits of this mount: the number under which L queues a request, the key its operation is parked
// under, and the answer until the operation comes back for it. Thread-safe; never blocks.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/guarded.h"
#include "base/result.h"
#include "client/session/parking.h"

namespace conclave::client {

class LockWaits {
 public:
  explicit LockWaits(Parking& parking) : parking_(parking) {}

  struct Wait {
    std::uint64_t number = 0;  // SetLockRequest.wait; an operation keeps it over its reruns
    ParkKey key = 0;
  };
  // Before SetLock is sent: the answer may come before its response does.
  Wait begin();
  // The answer, once: success is "granted". Nothing: it has not come, park under Wait::key.
  std::optional<Status> take(std::uint64_t number);
  // The request was answered at once, refused or cancelled.
  void forget(std::uint64_t number);

  // From the event stream. A number nobody knows is ignored.
  void on_answer(std::uint64_t number, Status answer);
  // The session ended: every wait fails with `why`.
  void fail_all(const Error& why);

 private:
  struct Waiting {
    ParkKey key = 0;
    std::optional<Status> answer;
  };
  Parking& parking_;
  std::mutex mutex_;
  std::uint64_t next_ GUARDED_BY(mutex_) = 1;
  std::unordered_map<std::uint64_t, Waiting> waiting_ GUARDED_BY(mutex_);
};

}  // namespace conclave::client
