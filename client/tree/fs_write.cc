// Bytes of plain files, inwards: into the write buffer under W; the flusher does the rest.
#include <algorithm>

#include "client/tree/fs.h"

namespace conclave::client {
namespace {

constexpr std::uint64_t kCopyAtOnce = 8 << 20;   // copy_file_range: then the program may be interrupted
constexpr std::uint64_t kCopyOwner = 1;          // reads as read(2) does, not ahead for the page cache

// Its bytes changed now, under W.
void stamp(Inode& inode, const LeaseCache::Use& use, WallTime now) REQUIRES(inode.mutex) {
  inode.attr.set_mtime_ns(now.ns);
  inode.attr.set_ctime_ns(std::max(inode.attr.ctime_ns(), now.ns));
  inode.own_attributes(use.since());
}

// Space in use, near enough for st_blocks: bytes behind the old end count, those inside may have filled a hole.
void count_allocated(dir::v1::Attr& attr, ByteRange written) {
  const std::uint64_t size = attr.size_bytes();
  const std::uint64_t behind = written.end > size ? written.end - std::max(size, written.begin) : 0;
  const std::uint64_t inside = written.length() - behind;
  const std::uint64_t holes = size > attr.allocated_bytes() ? size - attr.allocated_bytes() : 0;
  attr.set_allocated_bytes(attr.allocated_bytes() + behind + std::min(inside, holes));
}

bool has_locks(Inode& inode) {
  const std::lock_guard lock(inode.mutex);
  return !inode.posix_owners.empty() || !inode.flock_owners.empty();
}

}  // namespace

// What was lost with a session is gone from the buffers: an operation that began before must not put more there.
Status Fs::same_session(std::uint64_t losses) const {
  if (parts_.leases.losses() == losses) return {};
  return Error(Errc::kFenced, "the session was lost meanwhile");
}

// A page that a program changed in a mapping while an earlier session lasted, or before the kernel gave up what it had
// cached then: another mount may have written there since. It is lost as other unsent bytes are.
Status Fs::check_page(InodeId number, const WriteRequest& request) {
  if (request.page_era != 0 && request.page_era == parts_.leases.page_era(number)) return {};
  const InodePtr inode = TRY(known(number));
  lose(*inode, Errc::kFenced);
  return Error(Errc::kIo, "the session was lost meanwhile, and with it what a mapping had not written");
}

// A page of a shared mapping comes with any handle, or with one that was closed: the inode counts.
Result<std::size_t> Fs::write(const Caller& caller, std::uint64_t handle, InodeId number, const WriteRequest& request) {
  if (StatusFiles::owns(number)) return parts_.status.write(caller, number, request);
  OpenFilePtr file = parts_.opens.find(handle);
  if (!file && !request.from_page_cache) return Errc::kBadDescriptor;
  if (!file) {
    file = std::make_shared<OpenFile>();
    file->inode = TRY(known(number));
  }
  TRY(request.from_page_cache ? check_page(number, request) : check_locks(*file));
  const FileClass& kind = class_of(*file->inode);
  if (!kind.write) return Errc::kNotSupported;
  auto written = kind.write(caller, *file, request);
  if (written && !request.from_page_cache) file->wrote.store(true);
  return written;
}

bool Fs::is_confidential(InodeId number) const {
  if (StatusFiles::owns(number)) return true;
  const InodePtr inode = parts_.inodes.find(number);
  return !inode || &class_of(*inode) == &parts_.classes.of(dir::v1::SECRET);
}

Result<std::size_t> Fs::plain_write(const Caller& caller, OpenFile& file, const WriteRequest& request) {
  TRY(parts_.flusher.admit());
  Inode& inode = *file.inode;
  const std::uint64_t losses = parts_.leases.losses();
  const auto use = TRY(lease_with_attributes(file.inode, LeaseMode::kWrite));
  if (!request.from_page_cache) TRY(check_locks(file));   // the lease may be of a session after the one that was lost
  {
    const std::lock_guard lock(inode.mutex);
    TRY(same_session(losses));
    const bool at_end = file.append && request.append && !request.from_page_cache;
    const std::uint64_t offset = at_end ? inode.attr.size_bytes() : request.offset;
    const ByteRange range{offset, offset + request.bytes.size()};
    if (range.end > kMaxFileBytes || range.end < offset) return Error(Errc::kFileTooBig, "beyond the largest file size");
    inode.buffer.write(offset, request.bytes);
    count_allocated(inode.attr, range);
    inode.attr.set_size_bytes(std::max(inode.attr.size_bytes(), range.end));
    if (!request.from_page_cache) inode.kernel_size = std::max(inode.kernel_size, request.offset + request.bytes.size());
    stamp(inode, use, parts_.clock.wall());
    if (!request.from_page_cache) inode.end_privileges(caller.uid);
  }
  parts_.flusher.touched(file.inode);
  return request.bytes.size();
}

// Growing is a matter of the size alone, and told with the next commit; so is emptying what is empty.
Status Fs::plain_resize(const Caller& caller, const InodePtr& inode, const OpenFile* through, std::uint64_t size) {
  const std::uint64_t losses = parts_.leases.losses();
  const auto use = TRY(lease_with_attributes(inode, LeaseMode::kWrite));
  if (through != nullptr) TRY(check_locks(*through));
  bool local = false;
  {
    const std::lock_guard lock(inode->mutex);
    TRY(same_session(losses));
    if (!inode->is_regular()) return inode->is_dir() ? Errc::kIsDirectory : Errc::kInvalid;
    local = size >= inode->attr.size_bytes();
    if (local) {
      inode->end_privileges(caller.uid);
      inode->attr.set_size_bytes(size);
      stamp(*inode, use, parts_.clock.wall());
    }
  }
  if (!local) return cut_to(caller, inode, held_of(use), size);
  parts_.flusher.touched(inode);
  return {};
}

// What is behind `size` goes: from the buffer, from the chunk that the new end cuts, and at D. What is left in the
// buffer is sent first, for D is told a size that must not cover bytes that no server has.
Status Fs::cut_to(const Caller& caller, const InodePtr& inode, const Held& held, std::uint64_t size) {
  {
    const auto turn = parts_.flusher.turn_of(*inode);
    parts_.flusher.set_aside(inode, {size, kMaxFileBytes});
  }
  Status cut = cut_at_servers(caller, inode, held, size);
  parts_.flusher.settle_aside(inode, cut.has_value());
  return cut;
}

Status Fs::cut_at_servers(const Caller& caller, const InodePtr& inode, const Held& held, std::uint64_t size) {
  bool dirty = false;
  {
    const std::lock_guard lock(inode->mutex);
    dirty = inode->buffer.dirty() || inode->buffer.flying();
  }
  if (dirty) TRY(parts_.flusher.flush(inode, Flusher::Depth::kVisible));
  const auto turn = parts_.flusher.turn_of(*inode);
  TRY(parts_.chunks.cut(*inode, held, size));
  dir::v1::SetAttrRequest request;
  *request.mutable_caller() = wire_of(caller);
  request.set_inode(raw(inode->id));
  request.set_size_bytes(size);
  request.set_by_descriptor(true);  // the kernel or the ticket has checked
  {
    const std::lock_guard lock(inode->mutex);
    request.set_kill_privileges(inode->kill_privileges || inode->loses_privileges(caller.uid));
  }
  const auto entry = TRY(ChunkIo::under_newest(*inode, held, [&](const std::string& token) {
    request.set_token(token);
    return parts_.servers.dir()->set_attr(request);
  }));
  ChunkIo::forget_layouts_from(*inode, chunks_of_size(size));
  const std::lock_guard lock(inode->mutex);
  inode->attr_dirty = false;
  inode->kill_privileges = false;
  inode->learn(entry.attr());
  inode->attr_since = held.since;
  return {};
}

void Fs::lose(Inode& inode, const Error& why) {
  const std::lock_guard lock(inode.mutex);
  inode.lose(why.code);
}

Status Fs::report_failures(OpenFile& file) {
  const std::lock_guard lock(file.mutex);
  const std::lock_guard inner(file.inode->mutex);
  if (file.failures_seen == file.inode->failures) return {};
  file.failures_seen = file.inode->failures;
  return Error(file.inode->failure, "bytes written before were lost");
}

// What it wrote is lost, and neither fsync nor close has said so yet: it must not take the bytes from before for its own.
Status Fs::check_own_bytes(OpenFile& file) {
  if (!file.wrote.load()) return {};
  const std::lock_guard lock(file.mutex);
  const std::lock_guard inner(file.inode->mutex);
  if (file.failures_seen == file.inode->failures) return {};
  return Error(Errc::kIo, "bytes written through this descriptor were lost");
}

Status Fs::sync(std::uint64_t handle) {
  const OpenFilePtr file = TRY(intact_file(handle));
  if (StatusFiles::owns(file->inode->id)) return {};
  if (!parts_.leases.usable() && has_locks(*file->inode)) return parts_.leases.wait_for_session();   // they may be lost
  const FileClass& kind = class_of(*file->inode);
  if (kind.sync) TRY(kind.sync(*file));
  return check_locks(*file);
}

// Under one lease throughout: a recall that comes between waits for it, for file servers take nothing under a token
// that was overtaken. What was let go with an earlier lease is committed under whichever there is now.
Status Fs::plain_sync(OpenFile& file) {
  LeaseCache::Use use;
  bool anything = false;
  {
    const std::lock_guard lock(file.inode->mutex);
    anything = file.inode->attr_dirty || file.inode->buffer.holds() || file.inode->buffer.uncommitted();
  }
  if (anything) use = TRY(lease(file.inode, LeaseMode::kRead));
  const Status flushed = parts_.flusher.flush(file.inode, Flusher::Depth::kDurable);
  TRY(report_failures(file));
  return flushed;
}

Status Fs::allocate(const Caller& caller, std::uint64_t handle, const AllocateRequest& request) {
  const OpenFilePtr file = TRY(intact_file(handle));
  const FileClass& kind = class_of(*file->inode);
  if (StatusFiles::owns(file->inode->id) || !kind.allocate) return Errc::kNotSupported;
  file->wrote.store(true);
  return kind.allocate(caller, *file, request);
}

// Space is not set aside at the file servers (yet): a reservation larger than what is free is refused, and the size
// grows.
Status Fs::plain_allocate(const Caller& caller, OpenFile& file, const AllocateRequest& request) {
  Inode& inode = *file.inode;
  const std::uint64_t losses = parts_.leases.losses();
  const auto use = TRY(lease_with_attributes(file.inode, LeaseMode::kWrite));
  TRY(check_locks(file));
  if (request.mode == AllocateMode::kReserve) {
    const auto space = TRY(statfs());
    if (request.range.length() > space.free_bytes()) return Error(Errc::kNoSpace, "the file servers are too full");
  }
  if (request.mode != AllocateMode::kReserve) {
    std::uint64_t size = 0;
    {
      const std::lock_guard lock(inode.mutex);
      size = inode.attr.size_bytes();
    }
    const ByteRange zeroed = request.range.cut_to({0, size});
    if (!zeroed.empty()) {
      const auto turn = parts_.flusher.turn_of(inode);
      parts_.flusher.set_aside(file.inode, zeroed);
      Status done = parts_.chunks.zero(inode, held_of(use), zeroed);
      parts_.flusher.settle_aside(file.inode, done.has_value());
      TRY(std::move(done));
    }
  }
  {
    const std::lock_guard lock(inode.mutex);
    TRY(same_session(losses));
    if (!request.keep_size) inode.attr.set_size_bytes(std::max(inode.attr.size_bytes(), request.range.end));
    if (request.mode == AllocateMode::kPunch) {
      const std::uint64_t punched = std::min(request.range.length(), inode.attr.allocated_bytes());
      inode.attr.set_allocated_bytes(inode.attr.allocated_bytes() - punched);
    }
    inode.end_privileges(caller.uid);
    stamp(inode, use, parts_.clock.wall());
  }
  parts_.flusher.touched(file.inode);
  return {};
}

Result<std::uint64_t> Fs::copy(const Caller& caller, const CopyRequest& request) {
  const OpenFilePtr from = TRY(intact_file(request.from_handle));
  const OpenFilePtr to = TRY(intact_file(request.to_handle));
  const bool ours = StatusFiles::owns(from->inode->id) || StatusFiles::owns(to->inode->id);
  if (ours || !class_of(*from->inode).may_copy || !class_of(*to->inode).may_copy) return Errc::kNotSupported;
  to->wrote.store(true);
  std::uint64_t copied = 0;
  while (copied < std::min(request.length, kCopyAtOnce)) {
    auto piece = plain_read(*from, {request.from_offset + copied, request.length - copied, kCopyOwner});
    if (piece && piece->bytes.empty()) break;
    auto written = piece ? plain_write(caller, *to, {request.to_offset + copied, view_of(piece->bytes), false})
                         : Result<std::size_t>(piece.error());
    if (!written && copied != 0) break;  // the program comes back for the rest
    copied += TRY(std::move(written));
  }
  return copied;
}

}  // namespace conclave::client
