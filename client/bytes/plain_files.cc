#include "client/bytes/plain_files.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

namespace conclave::client {
namespace {

constexpr std::uint64_t kPageBytes = 4096;  // the least that the kernel's page cache asks for

// The page cache fills itself ahead of the reader, in several requests at once. A short answer tells it where the file
// ends, but only the first of them is believed (fs/fuse/file.c fuse_read_update_size compares versions): were the
// request behind the end the first, the kernel would keep that request's start as the size.
bool reads_ahead(const ReadRequest& request) { return request.lock_owner == 0 && request.length > kPageBytes; }

// Its bytes changed now, under W.
void stamp(Inode& inode, const LeaseCache::Use& use, WallTime now) REQUIRES(inode.mutex) {
  inode.attributes.now.set_mtime_ns(now.ns);
  inode.attributes.now.set_ctime_ns(std::max(inode.attributes.now.ctime_ns(), now.ns));
  inode.attributes.own(use.since());
}

// Space in use, near enough for st_blocks: bytes behind the old end count, those inside may have filled a hole.
void count_allocated(dir::v1::Attr& attr, ByteRange written) {
  const std::uint64_t size = attr.size_bytes();
  const std::uint64_t behind = written.end > size ? written.end - std::max(size, written.begin) : 0;
  const std::uint64_t inside = written.length() - behind;
  const std::uint64_t holes = size > attr.allocated_bytes() ? size - attr.allocated_bytes() : 0;
  attr.set_allocated_bytes(attr.allocated_bytes() + behind + std::min(inside, holes));
}

}  // namespace

FileClass PlainFiles::row() {
  FileClass row;
  row.attributes = [this](const Caller&, const InodePtr& inode) { return attributes(inode); };
  row.open = [this](const Caller& caller, OpenFile& file) { return open(caller, file); };
  row.read = [this](const Caller&, OpenFile& file, const ReadRequest& request) { return read(file, request); };
  row.write = [this](const Caller& caller, OpenFile& file, const WriteRequest& request) {
    return write(caller, file, request);
  };
  row.resize = [this](const Caller& caller, const InodePtr& inode, const OpenFile* through, std::uint64_t size) {
    return resize(caller, inode, through, size);
  };
  row.flush = [](OpenFile& file) { return file.report_failures(); };
  row.sync = [this](OpenFile& file) { return sync(file); };
  row.allocate = [this](const Caller& caller, OpenFile& file, const AllocateRequest& request) {
    return allocate(caller, file, request);
  };
  row.seek = [this](OpenFile& file, std::uint64_t offset, bool hole) { return seek(file, offset, hole); };
  row.may_copy = true;
  return row;
}

Result<AttrAnswer> PlainFiles::attributes(const InodePtr& inode) {
  const LeaseMode mode = LeasedInodes::cache_mode(*inode);
  AttrAnswer out;
  out.use = TRY(parts_.inodes.lease_with_attributes(inode, mode));
  out.attr_time = parts_.leases.cache_time(inode->id, mode);
  const std::lock_guard lock(inode->mutex);
  out.attr = inode->attributes.now;
  return out;
}

// Only the holder of W knows the size; a reader's R makes the kernel's pages worth keeping. Appending goes around the
// page cache: the kernel would choose the offset from a size of its own.
Result<OpenAnswer> PlainFiles::open(const Caller& caller, OpenFile& file) {
  const bool writes_only = (file.flags & O_ACCMODE) == O_WRONLY || (file.flags & O_TRUNC) != 0;
  const LeaseMode mode = writes_only ? LeaseMode::kWrite : LeaseMode::kRead;
  const auto use = TRY(parts_.inodes.lease_with_attributes(file.inode, mode));
  if ((file.flags & O_TRUNC) != 0) TRY(resize(caller, file.inode, &file, 0));
  OpenAnswer out;
  out.direct_io = file.append;
  out.keep_cache = true;
  return out;
}

Result<ReadAnswer> PlainFiles::read(OpenFile& file, const ReadRequest& request) {
  Inode& inode = *file.inode;
  ReadAnswer out;
  out.use = TRY(parts_.inodes.lease_with_attributes(file.inode, LeaseMode::kRead));
  TRY(file.check_own_bytes());
  const Held held = held_of(out.use);
  ByteRange range{request.offset, request.offset + std::min<std::uint64_t>(request.length, kMaxIoBytes)};
  std::vector<ByteRange> gaps;
  {
    const std::lock_guard lock(inode.mutex);
    range = range.cut_to({0, inode.attributes.now.size_bytes()});
    // Refused, it changes nothing: who wants the page indeed asks for it alone.
    if (range.empty() && reads_ahead(request)) return Error(Errc::kWouldBlock, "read ahead of the end");
    if (range.empty()) return out;
    WriteBuffer& buffer = inode.bytes.buffer;
    gaps = buffer.gaps(range);
    const bool nothing_here = gaps.size() == 1 && gaps.front() == range;
    if (!nothing_here) {  // copied now: what is sent and committed meanwhile leaves the buffer
      out.bytes.resize(range.length());
      buffer.overlay(range.begin, {reinterpret_cast<std::uint8_t*>(out.bytes.data()), out.bytes.size()});
    }
  }
  const ChunkPiece first = first_piece(range);
  if (out.bytes.empty() && first.length == range.length()) {
    out.bytes = TRY(parts_.chunks.read_piece(inode, held, first));
    out.bytes.resize(range.length());
    return out;
  }
  out.bytes.resize(range.length());
  for (const ByteRange& gap : gaps) {
    auto* at = reinterpret_cast<std::uint8_t*>(out.bytes.data()) + (gap.begin - range.begin);
    TRY(parts_.chunks.read(inode, held, gap.begin, {at, static_cast<std::size_t>(gap.length())}));
  }
  return out;
}

Result<std::size_t> PlainFiles::write(const Caller& caller, OpenFile& file, const WriteRequest& request) {
  TRY(parts_.flusher.admit());
  Inode& inode = *file.inode;
  const std::uint64_t losses = parts_.leases.losses();
  const auto use = TRY(parts_.inodes.lease_with_attributes(file.inode, LeaseMode::kWrite));
  const bool by_program = !request.from_page_cache;
  if (by_program) TRY(file.check_locks());   // the lease may be of a session after the one that was lost
  {
    const std::lock_guard lock(inode.mutex);
    TRY(parts_.leases.check_same_session(losses));
    dir::v1::Attr& attr = inode.attributes.now;
    const bool at_end = file.append && request.append && by_program;
    const std::uint64_t offset = at_end ? attr.size_bytes() : request.offset;
    const ByteRange range{offset, offset + request.bytes.size()};
    if (range.end > kMaxFileBytes || range.end < offset) return Error(Errc::kFileTooBig, "beyond the largest file size");
    inode.bytes.buffer.write(offset, request.bytes);
    count_allocated(attr, range);
    attr.set_size_bytes(std::max(attr.size_bytes(), range.end));
    if (by_program) inode.kernel.size = std::max(inode.kernel.size, request.offset + request.bytes.size());
    stamp(inode, use, parts_.clock.wall());
    if (by_program) inode.attributes.end_privileges(caller.uid);
  }
  parts_.flusher.touched(file.inode);
  return request.bytes.size();
}

// Growing is a matter of the size alone, and told with the next commit; so is emptying what is empty.
Status PlainFiles::resize(const Caller& caller, const InodePtr& inode, const OpenFile* through, std::uint64_t size) {
  const std::uint64_t losses = parts_.leases.losses();
  const auto use = TRY(parts_.inodes.lease_with_attributes(inode, LeaseMode::kWrite));
  if (through != nullptr) TRY(through->check_locks());
  bool local = false;
  {
    const std::lock_guard lock(inode->mutex);
    TRY(parts_.leases.check_same_session(losses));
    InodeAttributes& attributes = inode->attributes;
    if (!attributes.is_regular()) return attributes.is_dir() ? Errc::kIsDirectory : Errc::kInvalid;
    local = size >= attributes.now.size_bytes();
    if (local) {
      attributes.end_privileges(caller.uid);
      attributes.now.set_size_bytes(size);
      stamp(*inode, use, parts_.clock.wall());
    }
  }
  if (!local) return cut_to(caller, inode, held_of(use), size);
  parts_.flusher.touched(inode);
  return {};
}

// What is behind `size` goes: from the buffer, from the chunk that the new end cuts, and at D.
Status PlainFiles::cut_to(const Caller& caller, const InodePtr& inode, const Held& held, std::uint64_t size) {
  {
    const auto turn = parts_.flusher.turn_of(*inode);
    parts_.flusher.set_aside(inode, {size, kMaxFileBytes});
  }
  Status cut = cut_at_servers(caller, inode, held, size);
  parts_.flusher.settle_aside(inode, cut.has_value());
  return cut;
}

Status PlainFiles::send_rest(const InodePtr& inode) {
  {
    const std::lock_guard lock(inode->mutex);
    if (!inode->bytes.buffer.dirty() && !inode->bytes.buffer.flying()) return {};
  }
  return parts_.flusher.flush(inode, Flusher::Depth::kVisible);
}

// What is left in the buffer is sent first: D is told a size that must not cover bytes that no server has.
Status PlainFiles::cut_at_servers(const Caller& caller, const InodePtr& inode, const Held& held, std::uint64_t size) {
  TRY(send_rest(inode));
  const auto turn = parts_.flusher.turn_of(*inode);
  dir::v1::SetAttrRequest request;
  *request.mutable_caller() = wire_of(caller);
  request.set_size_bytes(size);
  {
    const std::lock_guard lock(inode->mutex);
    request.set_kill_privileges(inode->attributes.kill_privileges || inode->attributes.loses_privileges(caller.uid));
  }
  const auto entry = TRY(parts_.flusher.cut(*inode, held, request));
  const std::lock_guard lock(inode->mutex);
  inode->attributes.dirty = false;
  if (request.kill_privileges()) inode->attributes.kill_privileges = false;
  inode->learn(entry.attr());
  inode->attributes.since = held.since;
  return {};
}

// Under one lease throughout: a recall that comes between waits for it, for file servers take nothing under a token
// that was overtaken. What was let go with an earlier lease is committed under whichever there is now.
Status PlainFiles::sync(OpenFile& file) {
  LeaseCache::Use use;
  bool anything = false;
  {
    const std::lock_guard lock(file.inode->mutex);
    anything = file.inode->has_unsaved();
  }
  if (anything) use = TRY(parts_.inodes.lease(file.inode, LeaseMode::kRead));
  const Status flushed = parts_.flusher.flush(file.inode, Flusher::Depth::kDurable);
  TRY(file.report_failures());
  return flushed;
}

// Space is not set aside at the file servers (yet): a reservation larger than what is free is refused, and the size
// grows.
Status PlainFiles::allocate(const Caller& caller, OpenFile& file, const AllocateRequest& request) {
  Inode& inode = *file.inode;
  const std::uint64_t losses = parts_.leases.losses();
  const auto use = TRY(parts_.inodes.lease_with_attributes(file.inode, LeaseMode::kWrite));
  TRY(file.check_locks());
  if (request.mode == AllocateMode::kReserve) {
    const auto space = TRY(parts_.servers.dir()->stat_fs());
    if (request.range.length() > space.free_bytes()) return Error(Errc::kNoSpace, "the file servers are too full");
  } else {
    TRY(zero(file.inode, held_of(use), request.range));
  }
  {
    const std::lock_guard lock(inode.mutex);
    TRY(parts_.leases.check_same_session(losses));
    dir::v1::Attr& attr = inode.attributes.now;
    if (!request.keep_size) attr.set_size_bytes(std::max(attr.size_bytes(), request.range.end));
    if (request.mode == AllocateMode::kPunch) {
      attr.set_allocated_bytes(attr.allocated_bytes() - std::min(request.range.length(), attr.allocated_bytes()));
    }
    inode.attributes.end_privileges(caller.uid);
    stamp(inode, use, parts_.clock.wall());
  }
  parts_.flusher.touched(file.inode);
  return {};
}

Status PlainFiles::zero(const InodePtr& inode, const Held& held, ByteRange range) {
  {
    const std::lock_guard lock(inode->mutex);
    range = range.cut_to({0, inode->attributes.now.size_bytes()});
  }
  if (range.empty()) return {};
  const auto turn = parts_.flusher.turn_of(*inode);
  parts_.flusher.set_aside(inode, range);
  Status done = parts_.chunks.zero(*inode, held, range);
  parts_.flusher.settle_aside(inode, done.has_value());
  return done;
}

Result<std::uint64_t> PlainFiles::seek(OpenFile& file, std::uint64_t offset, bool hole) {
  Inode& inode = *file.inode;
  const auto use = TRY(parts_.inodes.lease_with_attributes(file.inode, LeaseMode::kRead));
  std::uint64_t size = 0;
  {
    const std::lock_guard lock(inode.mutex);
    size = inode.attributes.now.size_bytes();
  }
  if (offset >= size) return Error(Errc::kNoDevice, "at or behind the end of the file");
  TRY(send_rest(file.inode));
  const std::uint64_t found = TRY(parts_.chunks.seek(inode, held_of(use), offset, size, hole));
  if (!hole && found >= size) return Error(Errc::kNoDevice, "no data behind this offset");
  return found;
}

}  // namespace conclave::client
