// rename(2) with RENAME_NOREPLACE and RENAME_EXCHANGE. Core: knows no transport.
#pragma once

#include "dirserver/dir_names.h"

namespace conclave::dir {

// Errors are those of fs/namei.c do_renameat2 and vfs_rename, in their order: kNotFound, kExists, kInvalid (into its
// own subtree), kNotEmpty, kAccess, kNotPermitted, kNotDirectory, kIsDirectory, kCrossDevice (directories of
// different classes), kBusy (. and ..), kStale. Two names of one inode: nothing happens.
Result<v1::RenameResponse> rename(Change& change, const Call& call, const v1::RenameRequest& request);

}  // namespace conclave::dir
