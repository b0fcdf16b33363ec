#include "fuse/fuse_convert.h"

#include <fcntl.h>

#include <chrono>

#include "base/limits.h"

namespace conclave::fuse_fs {

client::Caller caller_of(fuse_req_t req) {
  const fuse_ctx* context = fuse_req_ctx(req);
  return {context->uid, context->gid, static_cast<std::uint32_t>(context->pid)};
}

double seconds_of(Duration time) { return std::chrono::duration<double>(time).count(); }

namespace {

constexpr std::int64_t kNanoseconds = 1000000000;

timespec timespec_of(std::int64_t ns) {
  std::int64_t seconds = ns / kNanoseconds, rest = ns % kNanoseconds;
  if (rest < 0) --seconds, rest += kNanoseconds;
  return {static_cast<time_t>(seconds), static_cast<long>(rest)};
}

std::int64_t ns_of(const timespec& time) { return static_cast<std::int64_t>(time.tv_sec) * kNanoseconds + time.tv_nsec; }

}  // namespace

struct stat stat_of(const dir::v1::Attr& attr) {
  struct stat out {};
  out.st_ino = attr.inode();
  out.st_mode = attr.mode();
  out.st_nlink = attr.nlink();
  out.st_uid = attr.uid();
  out.st_gid = attr.gid();
  out.st_rdev = attr.rdev();
  out.st_size = static_cast<off_t>(attr.size_bytes());
  out.st_blksize = kBlockBytes;
  out.st_blocks = static_cast<blkcnt_t>((attr.allocated_bytes() + 511) / 512);
  out.st_atim = timespec_of(attr.atime_ns());
  out.st_mtim = timespec_of(attr.mtime_ns());
  out.st_ctim = timespec_of(attr.ctime_ns());
  return out;
}

fuse_entry_param entry_param_of(const client::EntryAnswer& entry) {
  fuse_entry_param out{};
  out.ino = entry.attr.inode();
  out.attr = stat_of(entry.attr);
  out.attr_timeout = seconds_of(entry.attr_time);
  out.entry_timeout = seconds_of(entry.entry_time);
  return out;
}

void fill(fuse_file_info& info, const client::OpenAnswer& open) {
  info.fh = open.handle;
  info.direct_io = open.direct_io;
  info.keep_cache = open.keep_cache;
  info.cache_readdir = open.cache_readdir;
  info.noflush = open.no_flush;
  info.nonseekable = open.non_seekable;
}

client::LockRequest lock_request_of(fuse_ino_t ino, const fuse_file_info& info, const struct flock& lock) {
  client::LockRequest out;
  out.inode = InodeId{ino};
  out.handle = info.fh;
  out.owner = info.lock_owner;
  out.type = lock.l_type == F_RDLCK   ? client::LockRequest::Type::kShared
             : lock.l_type == F_WRLCK ? client::LockRequest::Type::kExclusive
                                      : client::LockRequest::Type::kUnlock;
  out.start = static_cast<std::uint64_t>(lock.l_start);
  out.end = lock.l_len == 0 ? kMaxFileBytes : static_cast<std::uint64_t>(lock.l_start + lock.l_len - 1);
  out.pid = static_cast<std::uint32_t>(lock.l_pid);
  return out;
}

struct flock flock_of(const client::LockRequest& lock) {
  struct flock out {};
  using Type = client::LockRequest::Type;
  out.l_type = static_cast<short>(lock.type == Type::kShared ? F_RDLCK : lock.type == Type::kExclusive ? F_WRLCK : F_UNLCK);
  out.l_whence = SEEK_SET;
  out.l_start = static_cast<off_t>(lock.start);
  out.l_len = lock.end >= kMaxFileBytes ? 0 : static_cast<off_t>(lock.end - lock.start + 1);
  out.l_pid = static_cast<pid_t>(lock.pid);
  return out;
}

client::AttrChange change_of(const struct stat& attr, int to_set) {
  client::AttrChange out;
  if ((to_set & FUSE_SET_ATTR_MODE) != 0) out.mode = attr.st_mode;
  if ((to_set & FUSE_SET_ATTR_UID) != 0) out.uid = attr.st_uid;
  if ((to_set & FUSE_SET_ATTR_GID) != 0) out.gid = attr.st_gid;
  if ((to_set & FUSE_SET_ATTR_SIZE) != 0) out.size = static_cast<std::uint64_t>(attr.st_size);
  out.atime_now = (to_set & FUSE_SET_ATTR_ATIME_NOW) != 0;
  out.mtime_now = (to_set & FUSE_SET_ATTR_MTIME_NOW) != 0;
  if ((to_set & FUSE_SET_ATTR_ATIME) != 0 && !out.atime_now) out.atime_ns = ns_of(attr.st_atim);
  if ((to_set & FUSE_SET_ATTR_MTIME) != 0 && !out.mtime_now) out.mtime_ns = ns_of(attr.st_mtim);
  out.kill_privileges = (to_set & (FUSE_SET_ATTR_KILL_SUID | FUSE_SET_ATTR_KILL_SGID)) != 0;
  return out;
}

}  // namespace conclave::fuse_fs
