// The plain class: bytes that the page cache and the write buffer may keep under leases. Outwards, what the write buffer has
// over what the file servers have, and holes are zeros; inwards, into the write buffer under W, and the flusher does the
// rest. Fills its row of the table of classes.
//
// Thread-safe; blocks on servers; kPending from any (operations.h).
#pragma once

#include "client/bytes/chunk_io.h"
#include "client/bytes/flusher.h"
#include "client/tree/leased_inodes.h"

namespace conclave::client {

class PlainFiles {
 public:
  struct Parts {
    const Servers& servers;
    LeaseCache& leases;
    LeasedInodes& inodes;
    ChunkIo& chunks;
    Flusher& flusher;
    Clock& clock;
  };
  explicit PlainFiles(Parts parts) : parts_(parts) {}
  FileClass row();

 private:
  Result<AttrAnswer> attributes(const InodePtr& inode);
  Result<OpenAnswer> open(const Caller& caller, OpenFile& file);
  Result<ReadAnswer> read(OpenFile& file, const ReadRequest& request);
  Result<std::size_t> write(const Caller& caller, OpenFile& file, const WriteRequest& request);
  Status resize(const Caller& caller, const InodePtr& inode, const OpenFile* through, std::uint64_t size);
  Status cut_to(const Caller& caller, const InodePtr& inode, const Held& held, std::uint64_t size);
  Status cut_at_servers(const Caller& caller, const InodePtr& inode, const Held& held, std::uint64_t size);
  Status send_rest(const InodePtr& inode);   // what the buffer holds and no server has
  Status sync(OpenFile& file);
  Status allocate(const Caller& caller, OpenFile& file, const AllocateRequest& request);
  Status zero(const InodePtr& inode, const Held& held, ByteRange range);
  Result<std::uint64_t> seek(OpenFile& file, std::uint64_t offset, bool hole);

  const Parts parts_;
};

}  // namespace conclave::client
