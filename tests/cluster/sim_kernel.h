// What a kernel believes of the sizes of a mount's files, as Linux's fs/fuse keeps i_size: one number for each inode with
// the version of its last change. An answer to a question that was asked before that is dropped (fs/fuse/inode.c,
// fuse_change_attributes); invalidations are changes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>

#include "base/ids.h"

namespace conclave::sim {

class SimKernel {
 public:
  using Version = std::uint64_t;

  // Before a question is asked.
  [[nodiscard]] Version now() const { return version_; }
  // Its answer; the first that is ever told of an inode is taken.
  void told(InodeId inode, std::uint64_t size, Version asked) {
    const auto known = sizes_.find(inode);
    if (known == sizes_.end() || known->second.changed <= asked) set(inode, size);
  }
  // A READ that was asked then and came short of what the kernel believed: the file ends here.
  void ends_at(InodeId inode, std::uint64_t size, Version asked) {
    if (size < this->size(inode)) told(inode, size, asked);
  }
  // What the kernel does by itself: a write, a truncation; or what it was told by a notification.
  void set(InodeId inode, std::uint64_t size) { sizes_[inode] = {size, ++version_}; }
  void reaches(InodeId inode, std::uint64_t end) { set(inode, std::max(end, size(inode))); }
  void invalidated(InodeId inode) { set(inode, size(inode)); }
  [[nodiscard]] std::uint64_t size(InodeId inode) const {
    const auto known = sizes_.find(inode);
    return known == sizes_.end() ? 0 : known->second.size;
  }
  void forget_all() { sizes_.clear(); }

 private:
  struct Size {
    std::uint64_t size = 0;
    Version changed = 0;
  };
  std::map<InodeId, Size> sizes_;
  Version version_ = 1;
};

}  // namespace conclave::sim
