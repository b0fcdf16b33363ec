// Descriptors of files, from open(2) to the last close, and what programs do through them. What a file does is its row's
// (file_class.h). Thread-safe; blocks on servers; kPending from any but unopened and release (operations.h).
#pragma once

#include <optional>

#include "client/tree/file_locks.h"
#include "client/tree/names.h"

namespace conclave::client {

class Descriptors {
 public:
  struct Parts {
    LeaseCache& leases;
    InodeTable& table;
    LeasedInodes& inodes;
    OpenTable& opens;
    Names& names;
    FileLocks& locks;
  };
  explicit Descriptors(Parts parts) : parts_(parts) {}

  // `made` is kept over reruns, null before the first: what an earlier one made, and had to wait before it could open it.
  Result<CreateAnswer> create(const Caller& caller, InodeId parent, const NewNode& node, int flags, InodePtr& made);
  Result<OpenAnswer> open(const Caller& caller, InodeId inode, int flags);
  void unopened(std::uint64_t handle);    // the kernel did not take the answer
  Status flush(std::uint64_t handle, std::uint64_t lock_owner);
  void release(std::uint64_t handle, std::optional<std::uint64_t> flock_owner);
  Result<unsigned> poll(const Caller& caller, std::uint64_t handle, const PollRequest& request);

  Result<ReadAnswer> read(const Caller& caller, std::uint64_t handle, const ReadRequest& request);
  Result<std::size_t> write(const Caller& caller, std::uint64_t handle, InodeId inode, const WriteRequest& request);
  // A secret, or a message to this mount: what was written there must not stay in buffers.
  [[nodiscard]] bool is_confidential(InodeId inode) const;
  Status sync(std::uint64_t handle);
  Status allocate(const Caller& caller, std::uint64_t handle, const AllocateRequest& request);
  Result<std::uint64_t> seek(std::uint64_t handle, std::uint64_t offset, bool hole);
  Result<std::uint64_t> copy(const Caller& caller, const CopyRequest& request);

 private:
  Result<OpenAnswer> open_inode(const Caller& caller, const InodePtr& inode, int flags);
  Status check_page(InodeId inode, const WriteRequest& request);

  const Parts parts_;
};

}  // namespace conclave::client
