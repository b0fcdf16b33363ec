#include "dirserver/permissions.h"

#include <algorithm>

namespace conclave::dir {

bool Subject::in_group(std::uint32_t group) const {
  return gid == group || std::find(groups.begin(), groups.end(), group) != groups.end();
}

namespace {

bool bits_allow(const Subject& subject, const Node& node, const PosixAcl* acl, unsigned want) {
  if (subject.uid == node.uid) return (node.mode >> 6 & want) == want;
  // Linux looks at an ACL only if the group bits (its mask) allow anything.
  if (acl != nullptr && (node.mode & S_IRWXG) != 0) return acl->allows(subject, node.uid, node.gid, want);
  if (subject.in_group(node.gid)) return (node.mode >> 3 & want) == want;
  return (node.mode & want) == want;
}

}  // namespace

bool may(const Subject& subject, const Node& node, const PosixAcl* acl, unsigned want) {
  if (subject.kernel_checked) return true;
  return bits_allow(subject, node, acl, want);
}

Status may_remove_from(const Subject& subject, const Node& directory, const Node& victim) {
  if (subject.kernel_checked || (directory.mode & S_ISVTX) == 0) return {};
  if (subject.uid == victim.uid || subject.uid == directory.uid) return {};
  return Error(Errc::kNotPermitted, "the directory is sticky and the entry is another's");
}

Status may_change_mode(const Subject& subject, const Node& node) {
  if (subject.kernel_checked || subject.uid == node.uid) return {};
  return Error(Errc::kNotPermitted, "only the owner changes the mode");
}

Status may_change_owner(const Subject& subject, const Node& node, const std::uint32_t* uid, const std::uint32_t* gid) {
  if (subject.kernel_checked) return {};
  const bool owner = subject.uid == node.uid;
  if (uid != nullptr && !(owner && *uid == node.uid)) {
    return Error(Errc::kNotPermitted, "only the superuser gives files away");
  }
  if (gid != nullptr && !(owner && (*gid == node.gid || subject.in_group(*gid)))) {
    return Error(Errc::kNotPermitted, "only the owner changes the group, to one of their own");
  }
  return {};
}

Status may_set_times(const Subject& subject, const Node& node) {
  if (subject.kernel_checked || subject.uid == node.uid) return {};
  return Error(Errc::kNotPermitted, "only the owner sets times");
}

Status may_set_class(const Subject& subject, const Node& root) {
  if (subject.is_root() || (subject.kernel_checked && subject.uid == root.uid)) return {};
  return Error(Errc::kNotPermitted, "only root and the owner of the tree set a directory's class");
}

std::uint32_t settable_mode(const Subject& subject, const Node& node, std::uint32_t gid, std::uint32_t mode) {
  const bool keeps_group_bit = subject.kernel_checked || subject.in_group(gid);
  if (!keeps_group_bit) mode &= ~static_cast<std::uint32_t>(S_ISGID);
  return (node.mode & S_IFMT) | (mode & 07777);
}

// In a set-group-id directory things belong to its group, directories pass the bit on, and an executable file gets
// it only from a member of the group.
Made made_in(const Subject& subject, const Node& parent, std::uint32_t mode) {
  Made out{subject.uid, subject.gid, mode};
  if (S_ISLNK(mode)) out.mode = S_IFLNK | 0777;
  if (S_ISDIR(mode)) out.mode &= S_IFMT | S_IRWXU | S_IRWXG | S_IRWXO | S_ISVTX;
  if ((parent.mode & S_ISGID) == 0) return out;
  out.gid = parent.gid;
  const bool executable_by_group = (mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
  if (S_ISDIR(mode)) {
    out.mode |= S_ISGID;
  } else if (executable_by_group && !subject.kernel_checked && !subject.in_group(parent.gid)) {
    out.mode &= ~static_cast<std::uint32_t>(S_ISGID);
  }
  return out;
}

}  // namespace conclave::dir
