#include "client/tree/attributes.h"

#include <algorithm>
#include <utility>

namespace conclave::client {
namespace {

// Served by D itself, so not counted among an inode's own.
constexpr std::string_view kOurNames = "user.conclave.";
// Ended by each write: D does it when it is told of the write.
constexpr std::string_view kCapabilities = "security.capability";

}  // namespace

Result<AttrAnswer> Attributes::get(const Caller& caller, InodeId number) {
  const InodePtr inode = TRY(parts_.inodes.known(number));
  const FileClass& row = parts_.inodes.row_of(*inode);
  auto answer = TRY(row.attributes(caller, inode));
  if (row.cached_entries) TRY(raise_size(inode, answer.use.since()));
  return answer;
}

// A read(2) that reaches behind the size that the kernel has asks for the attributes and then ends where it knows the end.
// If an invalidation came after it asked, the kernel drops the answer (fs/fuse/inode.c, fuse_change_attributes: the inode's
// attr_version is newer than the request), and read(2) ends before bytes that another mount had made durable before it
// began. The answer does not tell which will happen. So a size that has grown under another mount is first told in a way
// that is never dropped; kPending until it was. Nobody reads without a descriptor.
Status Attributes::raise_size(const InodePtr& inode, std::uint64_t since) {
  std::uint64_t size = 0;
  ParkKey key = 0;
  {
    const std::lock_guard lock(inode->mutex);
    size = inode->attributes.now.size_bytes();
    const bool has = size <= inode->kernel.size || !inode->attributes.is_regular() || !parts_.raise_size;
    if (has) inode->kernel.since = since;
    if (inode->kernel.since == since || inode->opens == 0) return {};
    if (inode->kernel.key != 0) return Error(Errc::kPending, "the kernel is being told the size", inode->kernel.key);
    key = inode->kernel.key = parts_.parking.expect();
  }
  parts_.raise_size(inode->id, size, [this, inode, size, since] {
    ParkKey waiting = 0;
    {
      const std::lock_guard lock(inode->mutex);
      const bool still = inode->attributes.since == since;  // else the file may be shorter by now: looked at again
      if (still) inode->kernel.size = std::max(inode->kernel.size, size);
      if (still) inode->kernel.since = since;
      waiting = std::exchange(inode->kernel.key, 0);
    }
    parts_.parking.deliver(waiting);
  });
  return Error(Errc::kPending, "the kernel is being told the size", key);
}

// Time stamps and mode bits; the size goes first, it may have to wait.
Result<AttrAnswer> Attributes::change(const Caller& caller, InodeId number, const AttrChange& change,
                                         std::optional<std::uint64_t> handle) {
  const InodePtr inode = TRY(parts_.inodes.known(number));
  OpenFilePtr through;
  if (handle) through = TRY(parts_.opens.intact_file(*handle));
  const FileClass& row = parts_.inodes.row_of(*inode);
  if (change.size) {
    if (*change.size > kMaxFileBytes) return Error(Errc::kFileTooBig, "beyond the largest file size");
    TRY(row.resize ? row.resize(caller, inode, through.get(), *change.size) : Status(Errc::kInvalid));
  }
  const bool more = change.mode || change.uid || change.gid || change.atime_ns || change.mtime_ns || change.atime_now ||
                    change.mtime_now || (change.kill_privileges && !change.size);
  if (!more || !row.at_dir) return row.attributes(caller, inode);

  const auto use = TRY(parts_.inodes.lease_for_change(inode));
  dir::v1::SetAttrRequest request;
  *request.mutable_caller() = wire_of(caller);
  request.set_inode(raw(number));
  if (change.mode) request.set_mode(*change.mode & 07777);
  if (change.uid) request.set_uid(*change.uid);
  if (change.gid) request.set_gid(*change.gid);
  if (change.atime_ns) request.set_atime_ns(*change.atime_ns);
  if (change.mtime_ns) request.set_mtime_ns(*change.mtime_ns);
  request.set_atime_now(change.atime_now);
  request.set_mtime_now(change.mtime_now);
  request.set_by_descriptor(handle.has_value());
  if (use) request.set_token(use->token());
  const auto turn = parts_.flusher.turn_of(*inode);  // no commit on its way ends bits that are set here
  {
    const std::lock_guard lock(inode->mutex);
    request.set_kill_privileges(change.kill_privileges || inode->attributes.kill_privileges);
  }
  const auto entry = TRY(parts_.servers.dir()->set_attr(request));
  {
    const std::lock_guard lock(inode->mutex);
    if (request.kill_privileges()) inode->attributes.kill_privileges = false;
    inode->learn(entry.attr());
    // Our own times, which D does not have yet, are older than those just set.
    if (change.mtime_ns || change.mtime_now) inode->attributes.now.set_mtime_ns(entry.attr().mtime_ns());
    inode->attributes.since = use ? use->since() : 0;
    if (!entry.ticket().empty()) inode->ticket = entry.ticket();
  }
  return row.attributes(caller, inode);
}

// A host's kernel checks by itself (default_permissions) and never asks; for a user's own mount, D's answer to the
// operation itself is what counts.
Status Attributes::access(const Caller&, InodeId number, unsigned) {
  TRY(parts_.inodes.known(number));
  return {};
}

Result<InodePtr> Attributes::known_at_dir(InodeId number, Errc otherwise) {
  InodePtr inode = TRY(parts_.inodes.known(number));
  if (!parts_.inodes.row_of(*inode).at_dir) return otherwise;
  return inode;
}

Result<std::string> Attributes::xattr(const Caller& caller, InodeId number, const std::string& name) {
  const InodePtr inode = TRY(known_at_dir(number, Errc::kNoAttribute));
  if (!name.starts_with(kOurNames)) {  // most inodes have none, and the kernel asks often
    const auto use = TRY(parts_.inodes.lease_with_attributes(inode, LeasedInodes::cache_mode(*inode)));
    const std::lock_guard lock(inode->mutex);
    if (inode->attributes.now.xattrs() == 0) return Errc::kNoAttribute;
  }
  if (name == kCapabilities) TRY(parts_.flusher.flush(inode, Flusher::Depth::kVisible));
  dir::v1::GetXattrRequest request;
  *request.mutable_caller() = wire_of(caller);
  request.set_inode(raw(number));
  request.set_name(name);
  auto answer = TRY(parts_.servers.dir()->get_xattr(request));
  return std::move(*answer.mutable_value());
}

Result<std::string> Attributes::xattr_names(const Caller& caller, InodeId number) {
  const InodePtr inode = TRY(parts_.inodes.known(number));
  if (!parts_.inodes.row_of(*inode).at_dir) return std::string();
  dir::v1::ListXattrRequest request;
  *request.mutable_caller() = wire_of(caller);
  request.set_inode(raw(number));
  const auto answer = TRY(parts_.servers.dir()->list_xattr(request));
  std::string out;
  for (const std::string& name : answer.names()) out.append(name).push_back('\0');
  return out;
}

Status Attributes::set_xattr(const Caller& caller, InodeId number, const std::string& name, std::string value,
                     XattrRule rule) {
  if (name.size() > kMaxXattrNameBytes) return Error(Errc::kRange, "an attribute's name is too long");
  if (value.size() > kMaxXattrValueBytes) return Error(Errc::kMessageTooBig, "an attribute's value is too long");
  const InodePtr inode = TRY(known_at_dir(number, Errc::kNotPermitted));
  const auto use = TRY(parts_.inodes.lease_for_change(inode));
  if (name == kCapabilities) TRY(parts_.flusher.flush(inode, Flusher::Depth::kVisible));
  dir::v1::SetXattrRequest request;
  *request.mutable_caller() = wire_of(caller);
  request.set_inode(raw(number));
  request.set_name(name);
  request.set_value(std::move(value));
  request.set_create(rule == XattrRule::kCreate);
  request.set_replace(rule == XattrRule::kReplace);
  const auto entry = TRY(parts_.servers.dir()->set_xattr(request));
  LeasedInodes::learn_changed(inode, entry.attr(), use);
  return {};
}

Status Attributes::remove_xattr(const Caller& caller, InodeId number, const std::string& name) {
  const InodePtr inode = TRY(known_at_dir(number, Errc::kNotPermitted));
  const auto use = TRY(parts_.inodes.lease_for_change(inode));
  dir::v1::RemoveXattrRequest request;
  *request.mutable_caller() = wire_of(caller);
  request.set_inode(raw(number));
  request.set_name(name);
  const auto entry = TRY(parts_.servers.dir()->remove_xattr(request));
  LeasedInodes::learn_changed(inode, entry.attr(), use);
  return {};
}

Result<dir::v1::StatFsResponse> Attributes::statfs() { return parts_.servers.dir()->stat_fs(); }

}  // namespace conclave::client
