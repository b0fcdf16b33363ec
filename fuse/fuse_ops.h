// The mount's face to libfuse (low-level API 3.14). Each operation copies its arguments, asks the client, and replies; an
// operation that returns kPending is parked and run again from its beginning (fuse_serve.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/log.h"
#include "client/session/parking.h"
#include "client/client.h"
#include "fuse/fuse_channel.h"
#include "fuse/page_invalidator.h"

namespace conclave::fuse_fs {

class FuseOps {
 public:
  struct Options {
    unsigned threads = 10;             // that read requests; each may be in one call to a server
    std::size_t most_parked = 20000;   // then EAGAIN: every parked operation keeps a request of the kernel
  };
  // `channel` is mounted. kIo.
  static Result<std::unique_ptr<FuseOps>> over(FuseChannel& channel, client::Client& client, PageInvalidator& pages,
                                               Log& log, const Options& options);
  ~FuseOps();

  // Serves until the mount is gone or stop(). Blocks; called by one thread of main, libfuse makes the others.
  void run();
  // Any thread; returns at once. Requests that run are answered; what comes later, the kernel refuses.
  void stop();

  // For the lease cache: what the kernel keeps of this inode goes. Blocks while dirty pages come back as writes, but
  // not for requests that are parked here.
  void invalidate(InodeId inode, bool directory);
  [[nodiscard]] std::uint64_t served() const;   // requests so far

 private:
  struct Inside;
  explicit FuseOps(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

}  // namespace conclave::fuse_fs
