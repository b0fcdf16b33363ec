#include "base/ready_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/check.h"

namespace conclave {
namespace {

constexpr ReadyLoop::Id kFinished = ~0ull;

}  // namespace

ReadyLoop::ReadyLoop() : epoll_(epoll_create1(EPOLL_CLOEXEC)), finished_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  CHECK(epoll_.number() >= 0 && finished_.number() >= 0);
  epoll_event event{EPOLLIN, {.u64 = kFinished}};
  CHECK(epoll_ctl(epoll_.number(), EPOLL_CTL_ADD, finished_.number(), &event) == 0);
}

void ReadyLoop::wait(int fd, Id id, std::uint32_t what) {
  std::uint32_t events = EPOLLONESHOT;
  if ((what & kToRead) != 0) events |= EPOLLIN | EPOLLRDHUP;
  if ((what & kToWrite) != 0) events |= EPOLLOUT;
  epoll_event event{events, {.u64 = id}};
  if (epoll_ctl(epoll_.number(), EPOLL_CTL_MOD, fd, &event) == 0) return;
  CHECK(errno == ENOENT && epoll_ctl(epoll_.number(), EPOLL_CTL_ADD, fd, &event) == 0);
}

void ReadyLoop::run(const std::function<void(Id)>& ready) {
  while (true) {
    epoll_event event{};
    const int count = epoll_wait(epoll_.number(), &event, 1, -1);
    if (count < 0) CHECK(errno == EINTR);
    if (count <= 0) continue;
    if (event.data.u64 == kFinished) return;  // stays readable, for the next thread
    ready(event.data.u64);
  }
}

void ReadyLoop::finish() {
  const std::uint64_t one = 1;
  (void)!write(finished_.number(), &one, sizeof one);  // fails only if it is readable already
}

}  // namespace conclave
