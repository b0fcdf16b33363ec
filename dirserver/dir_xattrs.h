// Extended attributes, POSIX ACLs and directories' classes among them, as fs/xattr.c and fs/posix_acl.c decide.
// Core: knows no transport.
//
// user.conclave.class on a directory is its class in words ("plain", "secret", "append", "chat"): always there to
// read, never listed, set by admins while the directory is empty.
#pragma once

#include "dirserver/dir_attrs.h"

namespace conclave::dir {

inline constexpr std::string_view kClassXattrName = "user.conclave.class";

// kNoAttribute, kAccess, kRange (the name), kNotSupported (its namespace), kStale.
Result<v1::GetXattrResponse> get_xattr(View& view, const Call& call, const v1::GetXattrRequest& request);
Result<v1::ListXattrResponse> list_xattr(View& view, const Call& call, const v1::ListXattrRequest& request);
// Also kNotPermitted, kExists (create), kInvalid (an ACL or class that is none), kNoSpace (256 are the most),
// kMessageTooBig (the value), kNotEmpty (a class, of a directory that is in use).
Result<v1::Entry> set_xattr(Change& change, const Call& call, const v1::SetXattrRequest& request);
Result<v1::Entry> remove_xattr(Change& change, const Call& call, const v1::RemoveXattrRequest& request);

}  // namespace conclave::dir
