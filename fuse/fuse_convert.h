// libfuse's structures and ours, each way. Pure.
#pragma once

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif
#include <fuse3/fuse_lowlevel.h>

#include "client/tree/operations.h"

namespace conclave::fuse_fs {

client::Caller caller_of(fuse_req_t req);
struct stat stat_of(const dir::v1::Attr& attr);
fuse_entry_param entry_param_of(const client::EntryAnswer& entry);
double seconds_of(Duration time);
void fill(fuse_file_info& info, const client::OpenAnswer& open);
client::AttrChange change_of(const struct stat& attr, int to_set);
client::LockRequest lock_request_of(fuse_ino_t ino, const fuse_file_info& info, const struct flock& lock);
struct flock flock_of(const client::LockRequest& lock);

}  // namespace conclave::fuse_fs
