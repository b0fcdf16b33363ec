// Names: look-up, listing, making, linking, removing, as Linux's VFS decides (fs/namei.c). Core: knows no transport.
// Errors are errno's of Linux in the order in which Linux finds them; kStale: a directory or a named inode is gone
// or is not what the caller holds.
#pragma once

#include "dirserver/dir_attrs.h"

namespace conclave::dir {

// A name that can stand in a directory: kInvalid for empty, "/", NUL; kNameTooLong.
Status check_name(std::string_view name);
inline bool is_dots(std::string_view name) { return name == "." || name == ".."; }

// A directory that still has a name, that the caller may search: kNotDirectory, kNotFound, kAccess.
Result<const Node*> searchable(View& view, const Call& call, InodeId inode);
// The node of a directory's entry; kNotFound.
struct Found {
  Name name;
  const Node* node = nullptr;
};
Result<Found> find_entry(View& view, InodeId parent, std::string_view name);
// Takes one link from a node that just lost a name; at none it is kept as an orphan.
Status drop_link(Change& change, Node& node);
// What may_delete asks, once the entry is found: kAccess, kNotPermitted, kNotDirectory, kIsDirectory.
Status may_delete(View& view, const Call& call, const Node& directory, const Node& victim, bool as_directory);

Result<v1::Entry> lookup(View& view, const Call& call, const v1::LookupRequest& request);
Result<v1::ReadDirResponse> read_dir(View& view, const Call& call, const v1::ReadDirRequest& request);
// Also kExists, unless a regular file is there and not `exclusive` was asked: then it is answered as looked up. Without
// file servers the file is made and its layout is empty.
Result<v1::CreateResponse> create(Change& change, const Call& call, const v1::CreateRequest& request);
Result<v1::Entry> link(Change& change, const Call& call, const v1::LinkRequest& request);
Result<v1::RemoveResponse> remove(Change& change, const Call& call, const v1::RemoveRequest& request);

}  // namespace conclave::dir
