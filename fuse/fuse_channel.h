// The kernel's side of the mount, below libfuse: /dev/fuse, and what libfuse 3.14 cannot say. Its INIT reply
// gets FUSE_HANDLE_KILLPRIV_V2 (else the kernel asks for security.capability before every write, 6 µs each) and
// FUSE_DIRECT_IO_ALLOW_MMAP (else a file that is open for appending cannot be mapped shared); notifications are
// written raw.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "fuse/fuse_mounting.h"

namespace conclave::fuse_fs {

class FuseChannel {
 public:
  // As mount_fuse(); `path` as the kernel names it (mount_point_of).
  Status mount(const std::string& path, const MountOptions& options);
  // Takes the mount from the tree; programs that have files open keep them until the descriptor is closed. Again: does
  // nothing.
  void unmount();
  [[nodiscard]] const std::string& device() const { return device_; }   // as mount_table.h names it; empty: not mounted
  [[nodiscard]] int descriptor() const { return descriptor_; }   // libfuse closes it

  // What libfuse reads and writes through (fuse_session_custom_io); `descriptor` may be a clone. As read(2), writev(2).
  ssize_t read(int descriptor, void* buffer, std::size_t size);
  ssize_t write(int descriptor, iovec* parts, int count);

  // Pages and attributes of an inode, or of a directory's listing. Blocks while dirty pages come back as writes.
  // An inode that the kernel does not know is no error.
  void invalidate_inode(InodeId inode);
  // The same for pages [offset, offset + length), and the attributes; length 0: to the end.
  void invalidate_pages(InodeId inode, std::uint64_t offset, std::uint64_t length);
  // The kernel takes the size for at least this, and drops it at no invalidation. Blocks while a request holds the last
  // page.
  void raise_size(InodeId inode, std::uint64_t size_bytes);
  // Every name that the kernel remembers is looked up anew. Does not block. False: this kernel cannot (before 6.16),
  // names must not be kept.
  bool invalidate_names();
  // The kernel forgets those of the inodes that no program uses just now; at most kMaxIoBytes / 8. Does not block. False:
  // this kernel cannot (before 6.18), it forgets when its memory gets short.
  bool prune(const std::vector<InodeId>& inodes);

 private:
  void amend_init_reply(iovec* parts, int count);
  void tune() const;
  bool notify(std::int32_t code, const void* body, std::size_t size);
  void* page_without_bytes();

  struct Unmapped { void operator()(void* page) const; };
  std::once_flag made_page_;
  std::unique_ptr<void, Unmapped> no_bytes_;   // a page that nobody may read
  std::string path_;
  std::string device_;   // "0:57", as mount_table.h names it
  int descriptor_ = -1;
  std::atomic<bool> mounted_{false};
  std::atomic<std::uint64_t> init_request_{0};
  std::uint32_t offered_ = 0, offered_high_ = 0;   // the kernel's INIT flags; written before init_request_
};

}  // namespace conclave::fuse_fs
