#include "dirserver/dir_attrs.h"

#include <algorithm>
#include <limits>

#include "base/limits.h"
#include "base/set_id_bits.h"

namespace conclave::dir {
namespace {

constexpr int kMaxGetAttr = 1000;
constexpr std::string_view kCapabilities = "security.capability";

// Set-id bits that a write would end, or capabilities.
Result<bool> has_privileges(View& view, const Node& node) {
  if (!node.is_regular()) return false;
  if (without_set_id(node.mode) != node.mode) return true;
  if (node.xattrs == 0) return false;
  const auto has = view.xattr(node.inode, kCapabilities);
  if (!has && has.error().code != Errc::kNoAttribute) return has.error();
  return has.has_value();
}

Result<std::uint8_t> rights_of(View& view, const Call& call, const Node& node) {
  const auto acl = call.subject.kernel_checked ? std::nullopt : TRY(view.access_acl(node));
  const PosixAcl* list = acl ? &*acl : nullptr;
  std::uint8_t rights = 0;
  if (may(call.subject, node, list, kMayRead)) rights |= kTicketRead;
  // A file server would not end the privileges that a write ends: SetAttr with kill_privileges does, before.
  const bool ends_first = !call.subject.kernel_checked && TRY(has_privileges(view, node));
  if (!ends_first && may(call.subject, node, list, kMayWrite)) rights |= kTicketWrite;
  return rights;
}

v1::Entry entry_with(const Call& call, const Node& node, std::uint8_t rights) {
  v1::Entry out;
  *out.mutable_attr() = attr_of(node);
  if (node.is_link()) out.set_target(node.target);
  out.set_ticket(string_of(call.keys->seal(Ticket{call.session, node.inode, rights})));
  return out;
}

}  // namespace

v1::Attr attr_of(const Node& node) {
  v1::Attr out;
  out.set_inode(raw(node.inode));
  out.set_mode(node.mode);
  out.set_nlink(node.nlink);
  out.set_uid(node.uid);
  out.set_gid(node.gid);
  out.set_rdev(node.rdev);
  out.set_size_bytes(node.size_bytes);
  out.set_allocated_bytes(node.allocated_bytes);
  out.set_atime_ns(node.atime_ns);
  out.set_mtime_ns(node.mtime_ns);
  out.set_ctime_ns(node.ctime_ns);
  out.set_btime_ns(node.btime_ns);
  out.set_change(node.change);
  out.set_xattrs(node.xattrs);
  out.set_class_(node.file_class);
  return out;
}

Result<v1::Entry> entry_of(View& view, const Call& call, const Node& node) {
  return entry_with(call, node, TRY(rights_of(view, call, node)));
}

v1::Entry entry_of_made(const Call& call, const Node& node) {
  return entry_with(call, node, kTicketRead | kTicketWrite);
}

Status require(View& view, const Call& call, const Node& node, unsigned want) {
  if (call.subject.kernel_checked) return {};
  const auto acl = TRY(view.access_acl(node));
  if (may(call.subject, node, acl ? &*acl : nullptr, want)) return {};
  return Error(Errc::kAccess);
}

Result<v1::GetAttrResponse> get_attr(View& view, const Call& call, const v1::GetAttrRequest& request) {
  if (request.inodes_size() > kMaxGetAttr) return Error(Errc::kInvalid, "more than 1000 inodes");
  v1::GetAttrResponse out;
  for (const std::uint64_t inode : request.inodes()) {
    auto node = view.node(InodeId{inode});
    if (!node && node.error().code == Errc::kStale) continue;
    if (!node) return std::move(node).error();
    *out.add_entries() = TRY(entry_of(view, call, **node));
  }
  return out;
}

Result<v1::ReadLinkResponse> read_link(View& view, const Call&, const v1::ReadLinkRequest& request) {
  const Node* node = TRY(view.node(InodeId{request.inode()}));
  if (!node->is_link()) return Error(Errc::kInvalid, "not a symbolic link");
  v1::ReadLinkResponse out;
  out.set_target(node->target);
  return out;
}

namespace {

Status check_size(Change& change, const Call& call, const Node& node, const v1::SetAttrRequest& request) {
  if (node.is_directory()) return Error(Errc::kIsDirectory);
  if (!node.is_regular()) return Error(Errc::kInvalid, "only regular files have a size to set");
  if (request.size_bytes() > kMaxFileBytes) return Error(Errc::kFileTooBig);
  if (!request.by_descriptor()) TRY(require(change.view(), call, node, kMayWrite));
  if (node.is_log()) return Error(Errc::kNotPermitted, "an append-only file is not cut");
  return require_lease(call, request.token(), node.inode, {LeaseMode::kWrite});
}

// Both set to now by who may write; any other time by the owner only.
Status check_times(Change& change, const Call& call, const Node& node, const v1::SetAttrRequest& request) {
  const bool given = request.has_atime_ns() || request.has_mtime_ns();
  if (!given && !request.atime_now() && !request.mtime_now()) return {};
  const bool both_now = !given && request.atime_now() && request.mtime_now();
  const Status owner = may_set_times(call.subject, node);
  if (owner || !both_now) return owner;
  return require(change.view(), call, node, kMayWrite);
}

Status check_set_attr(Change& change, const Call& call, const Node& node, const v1::SetAttrRequest& request) {
  const std::uint32_t uid = request.uid();
  const std::uint32_t gid = request.gid();
  TRY(may_change_owner(call.subject, node, request.has_uid() ? &uid : nullptr, request.has_gid() ? &gid : nullptr));
  if (request.has_mode()) TRY(may_change_mode(call.subject, node));
  TRY(check_times(change, call, node, request));
  if (request.has_size_bytes()) TRY(check_size(change, call, node, request));
  // A write is what ends privileges: who may not write cannot end them.
  if (request.kill_privileges() && !request.has_size_bytes() && !request.has_uid() && !request.has_gid()) {
    TRY(require(change.view(), call, node, kMayWrite));
  }
  return {};
}

bool sets_nothing(const v1::SetAttrRequest& r) {
  return !r.has_mode() && !r.has_uid() && !r.has_gid() && !r.has_size_bytes() && !r.has_atime_ns() &&
         !r.has_mtime_ns() && !r.atime_now() && !r.mtime_now() && !r.kill_privileges();
}

Status apply_mode(Change& change, Node& node, std::uint32_t mode) {
  node.mode = mode;
  auto acl = TRY(change.view().access_acl(node));
  if (!acl) return {};
  acl->apply_mode(mode);
  return change.put_xattr(node, kAccessAclName, acl->to_xattr());
}

Status apply_size(Change& change, Node& node, std::uint64_t size_bytes) {
  const std::uint64_t kept = (size_bytes + kChunkBytes - 1) / kChunkBytes;
  const std::size_t all = std::numeric_limits<std::size_t>::max();
  TRY(change.drop_chunks(node.inode, kept, kMaxFileBytes, all));
  const std::uint64_t covered = (size_bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  node.allocated_bytes = std::min(node.allocated_bytes, covered);
  node.size_bytes = size_bytes;
  return {};
}

void apply_times(Node& node, const v1::SetAttrRequest& request, std::int64_t now_ns) {
  if (request.has_atime_ns()) node.atime_ns = request.atime_ns();
  if (request.has_mtime_ns()) node.mtime_ns = request.mtime_ns();
  if (request.atime_now()) node.atime_ns = now_ns;
  if (request.mtime_now()) node.mtime_ns = now_ns;
}

bool ends_privileges(const Call& call, const v1::SetAttrRequest& request) {
  if (request.has_uid() || request.has_gid() || request.kill_privileges()) return true;
  return request.has_size_bytes() && !call.subject.kernel_checked;
}

}  // namespace

Status kill_privileges(Change& change, Node& node) {
  if (node.is_directory()) return {};
  node.mode = without_set_id(node.mode);
  return drop_capabilities(change, node);
}

Status drop_capabilities(Change& change, Node& node) {
  if (node.xattrs == 0) return {};
  const auto has = change.view().xattr(node.inode, kCapabilities);
  if (has) return change.drop_xattr(node, kCapabilities);
  return has.error().code == Errc::kNoAttribute ? Status() : Status(has.error());
}

Result<v1::Entry> set_attr(Change& change, const Call& call, const v1::SetAttrRequest& request) {
  const Node* before = TRY(change.view().node(InodeId{request.inode()}));
  TRY(check_set_attr(change, call, *before, request));
  if (sets_nothing(request)) return entry_of(change.view(), call, *before);
  Node& node = *TRY(change.edit(before->inode));
  change.touch(node, request.has_size_bytes());
  if (ends_privileges(call, request)) TRY(kill_privileges(change, node));
  if (request.has_uid()) node.uid = request.uid();
  if (request.has_gid()) node.gid = request.gid();
  if (request.has_mode()) TRY(apply_mode(change, node, settable_mode(call.subject, node, node.gid, request.mode())));
  if (request.has_size_bytes()) {
    TRY(drop_capabilities(change, node));
    TRY(apply_size(change, node, request.size_bytes()));
  }
  apply_times(node, request, change.now_ns());
  return entry_of(change.view(), call, node);
}

}  // namespace conclave::dir
