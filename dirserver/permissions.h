// Rule: who may do what, exactly as Linux decides it (fs/namei.c generic_permission and may_delete, fs/attr.c
// setattr_prepare and setattr_copy). Pure: the ACL is read by the caller.
//
// A host's kernel has checked already, with all groups and capabilities that it knows and D does not: for such a
// subject (kernel_checked) every question about the subject is answered yes, so that D is never stricter than the
// kernel. What holds for everybody (types, link counts, classes) is not asked here.
#pragma once

#include <cstdint>
#include <vector>

#include "dirserver/dir_rows.h"
#include "dirserver/posix_acl.h"

namespace conclave::dir {

struct Subject {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;
  bool kernel_checked = false;

  // Only a host has a superuser. Uid 0 of a person's certificate owns what is 0's, and no more.
  [[nodiscard]] bool is_root() const { return kernel_checked && uid == 0; }
  [[nodiscard]] bool in_group(std::uint32_t group) const;
};

enum : unsigned { kMayExec = 1, kMayWrite = 2, kMayRead = 4 };

// `acl` is the node's access ACL, or null if it has none.
bool may(const Subject& subject, const Node& node, const PosixAcl* acl, unsigned want);

// In a sticky directory only the owner of the victim or of the directory removes or replaces. kNotPermitted.
Status may_remove_from(const Subject& subject, const Node& directory, const Node& victim);

// kNotPermitted.
Status may_change_mode(const Subject& subject, const Node& node);
Status may_change_owner(const Subject& subject, const Node& node, const std::uint32_t* uid, const std::uint32_t* gid);
Status may_set_times(const Subject& subject, const Node& node);
// The class of any directory: a host's superuser, and there the owner of the tree, who made it on a cluster of his own.
Status may_set_class(const Subject& subject, const Node& root);

// `mode` (permission bits) as chmod by `subject` sets it on `node`: the set-group-id bit is lost by who is not in
// the group.
std::uint32_t settable_mode(const Subject& subject, const Node& node, std::uint32_t gid, std::uint32_t mode);

// Owner, group, type and permission bits of something that `subject` makes in `parent` with `mode`.
struct Made {
  std::uint32_t uid = 0, gid = 0, mode = 0;
};
Made made_in(const Subject& subject, const Node& parent, std::uint32_t mode);

}  // namespace conclave::dir
