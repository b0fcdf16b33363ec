// Rule: an inode's number is no authority. A host's kernel has walked the path; a person shows, for each inode that a request
// names by number, the ticket that a look-up gave: so folders that a person may not search hide what lies below them.
#pragma once

#include <type_traits>
#include <vector>

#include "conclave/dir/v1/dir.pb.h"
#include "dirserver/session_gate.h"

namespace conclave::dir {

// What a request names by number. Where it also names the directory and the name, the number is only compared.
template <class Request>
std::vector<InodeId> named_inodes(const Request& request) {
  std::vector<InodeId> out;
  if constexpr (requires { request.parent(); }) out.push_back(InodeId{request.parent()});
  if constexpr (requires { request.from_parent(); }) {
    out.push_back(InodeId{request.from_parent()});
    out.push_back(InodeId{request.to_parent()});
  } else if constexpr (requires { request.inode(); } && !std::is_same_v<Request, v1::RemoveRequest>) {
    out.push_back(InodeId{request.inode()});
  }
  if constexpr (requires { request.inodes(); }) {
    for (const std::uint64_t inode : request.inodes()) out.push_back(InodeId{inode});
  }
  return out;
}

// kAccess: a ticket is missing, or another session's; kStale: of an epoch before; kInvalid.
Status require_tickets(const Call& call, const v1::Caller& caller, const std::vector<InodeId>& named);

}  // namespace conclave::dir
