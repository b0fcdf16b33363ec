// The append class: logs that only grow. Nobody caches; the master of the last chunk says where a record goes and how
// long the file is. Fills its row of the table of classes.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "base/guarded.h"
#include "client/bytes/chunk_io.h"
#include "client/tree/leased_inodes.h"

namespace conclave::client {

class AppendFiles {
 public:
  struct Parts {
    const Servers& servers;
    LeasedInodes& inodes;
    ChunkIo& chunks;
  };
  explicit AppendFiles(Parts parts) : parts_(parts) {}
  FileClass row();
  // Reads as row(); whatever would write is refused (class_rule.h).
  FileClass closed_chat_row();

 private:
  // A log's chunks as known here: the sealed ones never change, but for where they lie.
  struct Known {
    std::vector<dir::v1::Layout> sealed;      // by index, from 0
    std::optional<dir::v1::Layout> tail;      // nothing: no chunk yet, or to be asked
    WriteBuffer::Landings appended;           // what no commit covers of the appends here: the last in each chunk
  };

  Result<AttrAnswer> attributes(const InodePtr& inode);
  Result<OpenAnswer> open(OpenFile& file);
  Result<ReadAnswer> read(OpenFile& file, const ReadRequest& request);
  Result<std::size_t> write(OpenFile& file, const WriteRequest& request);
  Status sync(OpenFile& file);
  void landed(Inode& inode, std::uint64_t index, Landing now);
  void uncommitted(Inode& inode, const WriteBuffer::Landings& still);

  // The tail's layout; asked of D when not known. Without `create` there may be none (an empty permit).
  Result<dir::v1::Layout> tail(const InodePtr& inode, const Held& held, bool create, ServerId silent = {});
  Result<file::ChunkPlace> followed(const InodePtr& inode, const Held& held, const dir::v1::Layout& layout);
  void forget_tail(InodeId inode);
  void forget_unborn_tail(InodeId inode);
  void forget_places(InodeId inode);
  Result<dir::v1::Layout> chunk_at(const InodePtr& inode, const Held& held, const dir::v1::Layout& tail, std::uint64_t offset);
  struct End {
    std::uint64_t size = 0;
    std::int64_t mtime_ns = 0;                // 0: nothing was ever written
  };
  Result<End> end_of(const InodePtr& inode, const Held& held);

  const Parts parts_;
  std::mutex mutex_;
  std::map<InodeId, Known> known_ GUARDED_BY(mutex_);
};

}  // namespace conclave::client
