#include "dirserver/dir_xattrs.h"

#include <array>

#include "base/limits.h"

namespace conclave::dir {
namespace {

constexpr std::uint32_t kMaxXattrs = 256;   // whose longest names just fit kMaxXattrListBytes
static_assert(kMaxXattrs * (kMaxXattrNameBytes + 1) <= kMaxXattrListBytes);

constexpr std::array<std::string_view, 4> kClassNames = {"plain", "secret", "append", "chat"};

bool is_acl(std::string_view name) { return name == kAccessAclName || name == kDefaultAclName; }

Status check_name_of_xattr(std::string_view name) {
  if (name.empty() || name.size() > kMaxXattrNameBytes) return Error(Errc::kRange);
  if (name.find('\0') != std::string_view::npos) return Error(Errc::kInvalid);
  for (const std::string_view space : {"user.", "trusted.", "security."}) {
    if (name.starts_with(space)) return name.size() > space.size() ? Status() : Status(Errc::kInvalid);
  }
  return is_acl(name) ? Status() : Error(Errc::kNotSupported, "no such namespace of attributes");
}

Status check_readable(View& view, const Call& call, const Node& node, std::string_view name) {
  TRY(check_name_of_xattr(name));
  if (name.starts_with("trusted.") && !call.subject.kernel_checked) {
    return Errc::kNoAttribute;
  }
  if (!name.starts_with("user.")) return {};
  if (!node.is_regular() && !node.is_directory()) return Errc::kNoAttribute;
  return require(view, call, node, kMayRead);
}

Status check_user_writable(View& view, const Call& call, const Node& node) {
  const Subject& subject = call.subject;
  if (!node.is_regular() && !node.is_directory()) return Errc::kNotPermitted;
  const bool owner = subject.kernel_checked || subject.uid == node.uid;
  if (node.is_directory() && (node.mode & S_ISVTX) != 0 && !owner) return Errc::kNotPermitted;
  return require(view, call, node, kMayWrite);
}

Status check_writable(View& view, const Call& call, const Node& node, std::string_view name) {
  TRY(check_name_of_xattr(name));
  if (name.starts_with("user.")) return check_user_writable(view, call, node);
  if (is_acl(name)) {
    if (node.is_link()) return Errc::kNotSupported;
    return may_change_mode(call.subject, node);
  }
  if (call.subject.kernel_checked) return {};
  return Error(Errc::kNotPermitted, "only the superuser sets attributes of this namespace");
}

Result<v1::Class> class_of_word(std::string_view word) {
  for (std::size_t i = 0; i < kClassNames.size(); ++i) {
    if (kClassNames[i] == word) return static_cast<v1::Class>(i);
  }
  return Error(Errc::kInvalid, "a class is plain, secret, append or chat");
}

Status set_class(Change& change, const Call& call, const Node& before, std::string_view word) {
  if (!before.is_directory()) return Error(Errc::kNotDirectory, "only directories have a class of their own");
  const v1::Class wanted = TRY(class_of_word(word));
  TRY(may_set_class(call.subject, *TRY(change.view().node(kRootInode))));
  if (TRY(change.view().has_names(before.inode))) return Error(Errc::kNotEmpty, "a class is set while the directory is empty");
  Node& node = *TRY(change.edit(before.inode));
  node.file_class = wanted;
  change.touch(node, false);
  return {};
}

Status drop_if_there(Change& change, Node& node, std::string_view name) {
  const std::uint8_t bit = name == kAccessAclName ? kAccessAcl : kDefaultAcl;
  return (node.acls & bit) != 0 ? change.drop_xattr(node, name) : Status();
}

// The mode follows an access ACL; one that says no more than the mode is not kept.
Status set_acl(Change& change, const Call& call, const Node& before, const v1::SetXattrRequest& request) {
  const PosixAcl acl = TRY(PosixAcl::parse(view_of(request.value())));
  const bool access = request.name() == kAccessAclName;
  if (!access && !before.is_directory()) return acl.empty() ? Status() : Status(Errc::kAccess);
  Node& node = *TRY(change.edit(before.inode));
  change.touch(node, false);
  if (access && !acl.empty()) {
    node.mode = settable_mode(call.subject, node, node.gid, (node.mode & ~0777u) | acl.mode_bits());
  }
  if (acl.empty() || (access && acl.equals_mode())) return drop_if_there(change, node, request.name());
  return change.put_xattr(node, request.name(), acl.to_xattr());
}

Status set_plain(Change& change, const Node& before, const v1::SetXattrRequest& request) {
  const auto old = change.view().xattr(before.inode, request.name());
  if (!old && old.error().code != Errc::kNoAttribute) return old.error();
  if (old && request.create()) return Errc::kExists;
  if (!old && request.replace()) return Errc::kNoAttribute;
  if (!old && before.xattrs >= kMaxXattrs) return Error(Errc::kNoSpace, "256 attributes are the most");
  Node& node = *TRY(change.edit(before.inode));
  change.touch(node, false);
  return change.put_xattr(node, request.name(), request.value());
}

}  // namespace

Result<v1::GetXattrResponse> get_xattr(View& view, const Call& call, const v1::GetXattrRequest& request) {
  const Node* node = TRY(view.node(InodeId{request.inode()}));
  TRY(check_readable(view, call, *node, request.name()));
  v1::GetXattrResponse out;
  if (request.name() == kClassXattrName && node->is_directory()) {
    out.set_value(std::string(kClassNames[static_cast<std::size_t>(node->file_class)]));
  } else {
    if (node->xattrs == 0) return Errc::kNoAttribute;
    out.set_value(TRY(view.xattr(node->inode, request.name())));
  }
  return out;
}

Result<v1::ListXattrResponse> list_xattr(View& view, const Call& call, const v1::ListXattrRequest& request) {
  const Node* node = TRY(view.node(InodeId{request.inode()}));
  v1::ListXattrResponse out;
  if (node->xattrs == 0) return out;
  for (std::string& name : TRY(view.xattr_names(node->inode))) {
    if (!name.starts_with("trusted.") || call.subject.is_root()) out.add_names(std::move(name));
  }
  return out;
}

Result<v1::Entry> set_xattr(Change& change, const Call& call, const v1::SetXattrRequest& request) {
  const Node* node = TRY(change.view().node(InodeId{request.inode()}));
  TRY(check_writable(change.view(), call, *node, request.name()));
  if (request.value().size() > kMaxXattrValueBytes) return Error(Errc::kMessageTooBig);
  if (request.name() == kClassXattrName) {
    TRY(set_class(change, call, *node, request.value()));
  } else if (is_acl(request.name())) {
    TRY(set_acl(change, call, *node, request));
  } else {
    TRY(set_plain(change, *node, request));
  }
  return entry_of(change.view(), call, *node);
}

Result<v1::Entry> remove_xattr(Change& change, const Call& call, const v1::RemoveXattrRequest& request) {
  const Node* before = TRY(change.view().node(InodeId{request.inode()}));
  TRY(check_writable(change.view(), call, *before, request.name()));
  TRY(change.view().xattr(before->inode, request.name()));
  Node& node = *TRY(change.edit(before->inode));
  change.touch(node, false);
  TRY(change.drop_xattr(node, request.name()));
  return entry_of(change.view(), call, node);
}

}  // namespace conclave::dir
