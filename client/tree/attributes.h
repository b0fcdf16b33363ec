// Attributes and extended attributes. Thread-safe; blocks on servers; kPending from any (operations.h).
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "client/tree/leased_inodes.h"

namespace conclave::client {

class Attributes {
 public:
  struct Parts {
    const Servers& servers;
    LeasedInodes& inodes;
    const OpenTable& opens;
    Flusher& flusher;
    Parking& parking;
    // Tells the kernel that the inode has this size at least, whatever it believes, and calls `done`. Does not block. Empty:
    // there is no kernel.
    std::function<void(InodeId, std::uint64_t size_bytes, std::function<void()> done)> raise_size;
  };
  explicit Attributes(Parts parts) : parts_(std::move(parts)) {}

  Result<AttrAnswer> get(const Caller& caller, InodeId inode);
  // `handle`: through a descriptor, which may do what it was opened for.
  Result<AttrAnswer> change(const Caller& caller, InodeId inode, const AttrChange& change,
                            std::optional<std::uint64_t> handle = {});
  Status access(const Caller& caller, InodeId inode, unsigned mask);
  Result<std::string> xattr(const Caller& caller, InodeId inode, const std::string& name);
  Result<std::string> xattr_names(const Caller& caller, InodeId inode);   // each ends with a NUL
  enum class XattrRule : std::uint8_t { kAny, kCreate, kReplace };
  Status set_xattr(const Caller& caller, InodeId inode, const std::string& name, std::string value, XattrRule rule);
  Status remove_xattr(const Caller& caller, InodeId inode, const std::string& name);
  Result<dir::v1::StatFsResponse> statfs();

 private:
  Status raise_size(const InodePtr& inode, std::uint64_t since);
  Result<InodePtr> known_at_dir(InodeId inode, Errc otherwise);

  const Parts parts_;
};

}  // namespace conclave::client
