// Tells a pool of threads which sockets are ready: epoll(7), where each event wakes one thread, and is the only one
// of its socket until that is waited for again. (One system call a request less than Asio's reactor, and no thread
// woken to watch while another works.)
#pragma once

#include <cstdint>
#include <functional>

#include "base/descriptor.h"

namespace conclave {

class ReadyLoop {
 public:
  using Id = std::uint64_t;   // the owner's name for what waits
  enum : std::uint32_t { kToRead = 1, kToWrite = 2 };

  ReadyLoop();
  ReadyLoop(const ReadyLoop&) = delete;

  // Thread-safe, all of them. From now one event with `id` when `fd` is ready for one of `what` (a union), or is
  // broken; it replaces an earlier wait for fd. Closing fd ends the wait.
  void wait(int fd, Id id, std::uint32_t what);
  // Calls `ready` with each event, on the calling thread, until finish(). From each thread of the pool.
  void run(const std::function<void(Id)>& ready);
  void finish();

 private:
  const Descriptor epoll_;
  const Descriptor finished_;   // an eventfd that wakes every thread once it is readable
};

}  // namespace conclave
