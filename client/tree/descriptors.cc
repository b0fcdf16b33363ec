#include "client/tree/descriptors.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace conclave::client {
namespace {

constexpr std::uint64_t kCopyAtOnce = 8 << 20;   // copy_file_range: then the program may be interrupted
constexpr std::uint64_t kCopyOwner = 1;          // reads as read(2) does, not ahead for the page cache

// For its owner a file's mode alone decides.
bool owner_may_open(Inode& inode, const Caller& caller, int flags) {
  std::uint32_t wanted = 0;
  if ((flags & O_ACCMODE) != O_WRONLY) wanted |= S_IRUSR;
  if (writes(flags) || (flags & O_TRUNC) != 0) wanted |= S_IWUSR;
  const std::lock_guard lock(inode.mutex);
  const dir::v1::Attr& attr = inode.attributes.now;
  return attr.uid() == caller.uid && (attr.mode() & wanted) == wanted;
}

bool has_locks(Inode& inode) {
  const std::lock_guard lock(inode.mutex);
  return !inode.posix_owners.empty() || !inode.flock_owners.empty();
}

}  // namespace

// --- From open to close ------------------------------------------------------------------------------------------

Result<OpenAnswer> Descriptors::open(const Caller& caller, InodeId number, int flags) {
  return open_inode(caller, TRY(parts_.inodes.known(number)), flags);
}

Result<OpenAnswer> Descriptors::open_inode(const Caller& caller, const InodePtr& inode, int flags) {
  auto file = std::make_shared<OpenFile>();
  file->inode = inode;
  file->flags = flags;
  file->uid = caller.uid;
  file->append = writes(flags) && (flags & O_APPEND) != 0;
  LeasedInodes::open(*inode);
  {
    const std::lock_guard lock(file->mutex);
    const std::lock_guard inner(inode->mutex);
    file->failures_seen = inode->failures;
  }
  const FileClass& row = parts_.inodes.row_of(*inode);
  auto answer = row.open ? row.open(caller, *file) : Result<OpenAnswer>(Errc::kNotSupported);
  if (!answer) {
    parts_.inodes.close(inode);
    return answer;
  }
  answer->handle = parts_.opens.add(std::move(file));
  return answer;
}

Result<CreateAnswer> Descriptors::create(const Caller& caller, InodeId parent_number, const NewNode& node, int flags,
                                         InodePtr& made) {
  TRY(Names::check_new_name(parent_number, node.name));
  const InodePtr parent = TRY(parts_.inodes.known(parent_number));
  const FileClass& row = parts_.inodes.row_within(*parent);
  if (row.check_create && writes(flags)) TRY(row.check_create(caller, parent, node.name));
  const bool made_before = made != nullptr;
  Names::Made found{made, false, {}};
  if (!made_before) found = TRY(parts_.names.make_at_dir(caller, parent, node, (flags & O_EXCL) != 0));
  if (!found.existed) {
    made = found.child;
    flags &= ~O_TRUNC;
  } else if (!owner_may_open(*found.child, caller, flags)) {
    // Somebody else has just made it. The kernel, which believes it new, would check nothing; told this, it looks the name
    // up again (LOOKUP_REVAL), finds the file, and checks.
    return Error(Errc::kStale, "the file was made by somebody else meanwhile");
  }
  CreateAnswer out;
  out.open = TRY(open_inode(caller, found.child, flags & ~(O_CREAT | O_EXCL)));
  out.entry = parts_.names.entry_of(caller, parent, found.child);
  out.entry.name_use = std::move(found.name_use);
  if (made_before) out.entry.entry_time = {};  // the name may be another's by now
  return out;
}

void Descriptors::unopened(std::uint64_t handle) {
  const OpenFilePtr file = parts_.opens.remove(handle);
  if (!file) return;
  const FileClass& row = parts_.inodes.row_of(*file->inode);
  if (row.unopened) {
    row.unopened(*file);
  } else if (row.release) {
    row.release(*file);
  }
  parts_.inodes.close(file->inode);
}

Status Descriptors::flush(std::uint64_t handle, std::uint64_t lock_owner) {
  const OpenFilePtr file = TRY(parts_.opens.file(handle));
  parts_.locks.flushed(*file, lock_owner);
  const FileClass& row = parts_.inodes.row_of(*file->inode);
  return row.flush ? row.flush(*file) : Status();
}

void Descriptors::release(std::uint64_t handle, std::optional<std::uint64_t> flock_owner) {
  const OpenFilePtr file = parts_.opens.remove(handle);
  if (!file) return;
  parts_.locks.released(*file, flock_owner);
  const FileClass& row = parts_.inodes.row_of(*file->inode);
  if (row.release) row.release(*file);
  parts_.inodes.close(file->inode);
}

Result<unsigned> Descriptors::poll(const Caller& caller, std::uint64_t handle, const PollRequest& request) {
  const OpenFilePtr file = TRY(parts_.opens.file(handle));
  const FileClass& row = parts_.inodes.row_of(*file->inode);
  return row.poll ? row.poll(caller, *file, request) : request.events;
}

// --- Bytes -------------------------------------------------------------------------------------------------------

Result<ReadAnswer> Descriptors::read(const Caller& caller, std::uint64_t handle, const ReadRequest& request) {
  const OpenFilePtr file = TRY(parts_.opens.intact_file(handle));
  const FileClass& row = parts_.inodes.row_of(*file->inode);
  if (!row.read) return Errc::kNotSupported;
  auto answer = row.read(caller, *file, request);
  if (!answer || !answer->use.revoked()) return answer;
  answer = ReadAnswer();  // a recall is under way: answered now, it would have to begin again
  return parts_.leases.again(file->inode->id);
}

// A page that a program changed in a mapping while an earlier session lasted, or before the kernel gave up what it had
// cached then: another mount may have written there since. It is lost as other unsent bytes are.
Status Descriptors::check_page(InodeId number, const WriteRequest& request) {
  if (request.page_era != 0 && request.page_era == parts_.leases.page_era(number)) return {};
  const InodePtr inode = TRY(parts_.inodes.known(number));
  const std::lock_guard lock(inode->mutex);
  inode->lose(Errc::kFenced);
  return Error(Errc::kIo, "the session was lost meanwhile, and with it what a mapping had not written");
}

// A page of a shared mapping comes with any handle, or with one that was closed: the inode counts.
Result<std::size_t> Descriptors::write(const Caller& caller, std::uint64_t handle, InodeId number,
                                       const WriteRequest& request) {
  OpenFilePtr file = parts_.opens.find(handle);
  if (!file && !request.from_page_cache) return Errc::kBadDescriptor;
  if (!file) {
    file = std::make_shared<OpenFile>();
    file->inode = TRY(parts_.inodes.known(number));
  }
  TRY(request.from_page_cache ? check_page(number, request) : file->check_locks());
  const FileClass& row = parts_.inodes.row_of(*file->inode);
  if (!row.write) return Errc::kNotSupported;
  auto written = row.write(caller, *file, request);
  if (written && !request.from_page_cache) file->wrote.store(true);
  return written;
}

bool Descriptors::is_confidential(InodeId number) const {
  const InodePtr inode = parts_.table.find(number);   // none: of /.conclave, or unknown
  return !inode || parts_.inodes.row_of(*inode).confidential;
}

Status Descriptors::sync(std::uint64_t handle) {
  const OpenFilePtr file = TRY(parts_.opens.intact_file(handle));
  if (!parts_.leases.usable() && has_locks(*file->inode)) return parts_.leases.wait_for_session();   // they may be lost
  const FileClass& row = parts_.inodes.row_of(*file->inode);
  if (row.sync) TRY(row.sync(*file));
  return file->check_locks();
}

Status Descriptors::allocate(const Caller& caller, std::uint64_t handle, const AllocateRequest& request) {
  const OpenFilePtr file = TRY(parts_.opens.intact_file(handle));
  const FileClass& row = parts_.inodes.row_of(*file->inode);
  if (!row.allocate) return Errc::kNotSupported;
  file->wrote.store(true);
  return row.allocate(caller, *file, request);
}

Result<std::uint64_t> Descriptors::seek(std::uint64_t handle, std::uint64_t offset, bool hole) {
  const OpenFilePtr file = TRY(parts_.opens.intact_file(handle));
  const FileClass& row = parts_.inodes.row_of(*file->inode);
  if (!row.seek) return Errc::kNotSupported;
  return row.seek(*file, offset, hole);
}

Result<std::uint64_t> Descriptors::copy(const Caller& caller, const CopyRequest& request) {
  const OpenFilePtr from = TRY(parts_.opens.intact_file(request.from_handle));
  const OpenFilePtr to = TRY(parts_.opens.intact_file(request.to_handle));
  const FileClass& source = parts_.inodes.row_of(*from->inode);
  const FileClass& target = parts_.inodes.row_of(*to->inode);
  if (!source.may_copy || !target.may_copy) return Errc::kNotSupported;
  to->wrote.store(true);
  std::uint64_t copied = 0;
  while (copied < std::min(request.length, kCopyAtOnce)) {
    auto piece = source.read(caller, *from, {request.from_offset + copied, request.length - copied, kCopyOwner});
    if (piece && piece->bytes.empty()) break;
    auto written = piece ? target.write(caller, *to, {request.to_offset + copied, view_of(piece->bytes), false})
                         : Result<std::size_t>(piece.error());
    if (!written && copied != 0) break;  // the program comes back for the rest
    copied += TRY(std::move(written));
  }
  return copied;
}

}  // namespace conclave::client
