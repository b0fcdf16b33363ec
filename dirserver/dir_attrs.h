// Attributes: reading, changing, and what every other operation says of a node. Core: knows no transport. Errors
// beside those named: the View's and Change's.
#pragma once

#include "dirserver/dir_change.h"
#include "dirserver/session_gate.h"

namespace conclave::dir {

v1::Attr attr_of(const Node& node);
// With a ticket for what the caller may do with its bytes or names.
Result<v1::Entry> entry_of(View& view, const Call& call, const Node& node);
// As its maker sees it: the mode does not bind the descriptor that made it.
v1::Entry entry_of_made(const Call& call, const Node& node);

// kAccess unless the caller may do all of `want` (kMayRead, …).
Status require(View& view, const Call& call, const Node& node, unsigned want);

Result<v1::GetAttrResponse> get_attr(View& view, const Call& call, const v1::GetAttrRequest& request);
Result<v1::ReadLinkResponse> read_link(View& view, const Call& call, const v1::ReadLinkRequest& request);
// chmod, chown, truncate, utimens, as Linux allows them. Nothing set: nothing changes. kNotPermitted, kAccess,
// kIsDirectory, kInvalid, kFileTooBig, kStale.
Result<v1::Entry> set_attr(Change& change, const Call& call, const v1::SetAttrRequest& request);

// The set-user-id and set-group-id bits and file capabilities, as a write by others than the superuser ends them.
Status kill_privileges(Change& change, Node& node);
// File capabilities, as anybody's write ends them.
Status drop_capabilities(Change& change, Node& node);

}  // namespace conclave::dir
