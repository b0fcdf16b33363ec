#include "fuse/fuse_ops.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "fuse/fuse_serve.h"

namespace conclave::fuse_fs {
namespace {

constexpr unsigned kMaxBackground = 64;     // asynchronous requests in flight: read-ahead and page writes
constexpr std::uint64_t kStatBlock = 4096;
constexpr int kWakeSignal = SIGUSR1;        // makes libfuse's loop look whether it should end

FuseServing& serving_of(fuse_req_t req) { return *static_cast<FuseServing*>(fuse_req_userdata(req)); }

// What an operation has at hand, at each of its runs.
struct Now {
  FuseServing& serving;
  client::Client& client;
  fuse_req_t req;
  client::Caller caller;
};

// The shape of every operation: `act` calls the file system with its copied arguments, and replies.
template <class Act>
void serve(fuse_req_t req, Act act) {
  serving_of(req).serve(req, [act = std::move(act)](FuseServing& serving, fuse_req_t request) {
    Now now{serving, serving.client(), request, caller_of(request)};
    return act(now);
  });
}

// --- Names -------------------------------------------------------------------------------------------------------

void do_lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  serve(req, [parent = InodeId{parent}, name = std::string(name)](Now& now) -> Status {
    return now.serving.reply_entry(now.req, TRY(now.client.names().lookup(now.caller, parent, name)));
  });
}

void do_forget(fuse_req_t req, fuse_ino_t ino, std::uint64_t count) {
  serving_of(req).client().names().forget(InodeId{ino}, count);
  fuse_reply_none(req);
}

void do_forget_multi(fuse_req_t req, std::size_t count, fuse_forget_data* forgets) {
  for (std::size_t i = 0; i < count; ++i) serving_of(req).client().names().forget(InodeId{forgets[i].ino}, forgets[i].nlookup);
  fuse_reply_none(req);
}

void make(fuse_req_t req, fuse_ino_t parent, client::NewNode node) {
  node.umask = fuse_req_ctx(req)->umask;
  serve(req, [parent = InodeId{parent}, node = std::move(node)](Now& now) -> Status {
    return now.serving.reply_entry(now.req, TRY(now.client.names().make(now.caller, parent, node)));
  });
}

void do_mknod(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, dev_t rdev) {
  make(req, parent, {name, mode, 0, rdev, {}});
}

void do_mkdir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) {
  make(req, parent, {name, S_IFDIR | (mode & 07777), 0, 0, {}});
}

void do_symlink(fuse_req_t req, const char* target, fuse_ino_t parent, const char* name) {
  make(req, parent, {name, S_IFLNK | 0777, 0, 0, target});
}

void do_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char* name) {
  serve(req, [ino = InodeId{ino}, parent = InodeId{parent}, name = std::string(name)](Now& now) -> Status {
    return now.serving.reply_entry(now.req, TRY(now.client.names().link(now.caller, ino, parent, name)));
  });
}

void remove(fuse_req_t req, fuse_ino_t parent, const char* name, bool directory) {
  serve(req, [parent = InodeId{parent}, name = std::string(name), directory](Now& now) -> Status {
    TRY(now.client.names().remove(now.caller, parent, name, directory));
    return now.serving.reply_empty(now.req);
  });
}
void do_unlink(fuse_req_t req, fuse_ino_t parent, const char* name) { remove(req, parent, name, false); }
void do_rmdir(fuse_req_t req, fuse_ino_t parent, const char* name) { remove(req, parent, name, true); }

void do_rename(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t to_parent, const char* to_name,
               unsigned flags) {
  if ((flags & ~static_cast<unsigned>(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) {
    fuse_reply_err(req, EINVAL);
    return;
  }
  client::Names::Rename rename{InodeId{parent}, name, InodeId{to_parent}, to_name, (flags & RENAME_NOREPLACE) != 0,
                    (flags & RENAME_EXCHANGE) != 0};
  serve(req, [rename = std::move(rename)](Now& now) -> Status {
    TRY(now.client.names().rename(now.caller, rename));
    return now.serving.reply_empty(now.req);
  });
}

void do_readlink(fuse_req_t req, fuse_ino_t ino) {
  serve(req, [ino = InodeId{ino}](Now& now) -> Status {
    const std::string target = TRY(now.client.names().read_link(now.caller, ino));
    fuse_reply_readlink(now.req, target.c_str());
    return {};
  });
}

// --- Attributes ----------------------------------------------------------------------------------------------------

void do_getattr(fuse_req_t req, fuse_ino_t ino, fuse_file_info*) {
  serve(req, [ino = InodeId{ino}](Now& now) -> Status {
    return now.serving.reply_attr(now.req, TRY(now.client.attributes().get(now.caller, ino)));
  });
}

void do_setattr(fuse_req_t req, fuse_ino_t ino, struct stat* attr, int to_set, fuse_file_info* info) {
  std::optional<std::uint64_t> handle;
  if (info != nullptr) handle = info->fh;
  serve(req, [ino = InodeId{ino}, change = change_of(*attr, to_set), handle](Now& now) -> Status {
    return now.serving.reply_attr(now.req, TRY(now.client.attributes().change(now.caller, ino, change, handle)));
  });
}

void do_access(fuse_req_t req, fuse_ino_t ino, int mask) {
  serve(req, [ino = InodeId{ino}, mask](Now& now) -> Status {
    TRY(now.client.attributes().access(now.caller, ino, static_cast<unsigned>(mask)));
    return now.serving.reply_empty(now.req);
  });
}

// With size 0 the program asks how much there is.
Status reply_value(fuse_req_t req, const std::string& value, std::size_t size) {
  if (size == 0) {
    fuse_reply_xattr(req, value.size());
    return {};
  }
  if (value.size() > size) return Errc::kRange;
  fuse_reply_buf(req, value.data(), value.size());
  return {};
}

void do_getxattr(fuse_req_t req, fuse_ino_t ino, const char* name, std::size_t size) {
  serve(req, [ino = InodeId{ino}, name = std::string(name), size](Now& now) -> Status {
    return reply_value(now.req, TRY(now.client.attributes().xattr(now.caller, ino, name)), size);
  });
}

void do_listxattr(fuse_req_t req, fuse_ino_t ino, std::size_t size) {
  serve(req, [ino = InodeId{ino}, size](Now& now) -> Status {
    return reply_value(now.req, TRY(now.client.attributes().xattr_names(now.caller, ino)), size);
  });
}

void do_setxattr(fuse_req_t req, fuse_ino_t ino, const char* name, const char* value, std::size_t size, int flags) {
  const client::Attributes::XattrRule rule = (flags & XATTR_CREATE) != 0    ? client::Attributes::XattrRule::kCreate
                             : (flags & XATTR_REPLACE) != 0 ? client::Attributes::XattrRule::kReplace
                                                            : client::Attributes::XattrRule::kAny;
  serve(req, [ino = InodeId{ino}, name = std::string(name), value = std::string(value, size), rule](Now& now) -> Status {
    TRY(now.client.attributes().set_xattr(now.caller, ino, name, value, rule));
    return now.serving.reply_empty(now.req);
  });
}

void do_removexattr(fuse_req_t req, fuse_ino_t ino, const char* name) {
  serve(req, [ino = InodeId{ino}, name = std::string(name)](Now& now) -> Status {
    TRY(now.client.attributes().remove_xattr(now.caller, ino, name));
    return now.serving.reply_empty(now.req);
  });
}

void do_statfs(fuse_req_t req, fuse_ino_t) {
  serve(req, [](Now& now) -> Status {
    const auto space = TRY(now.client.attributes().statfs());
    struct statvfs out {};
    out.f_bsize = kStatBlock;
    out.f_frsize = kStatBlock;
    out.f_blocks = space.total_bytes() / kStatBlock;
    out.f_bfree = out.f_bavail = space.free_bytes() / kStatBlock;
    out.f_ffree = out.f_favail = space.free_bytes() / kStatBlock;  // a file needs a block, not a number
    out.f_files = space.inodes() + out.f_ffree;
    out.f_namemax = kMaxNameBytes;
    fuse_reply_statfs(now.req, &out);
    return {};
  });
}

// --- Descriptors ---------------------------------------------------------------------------------------------------

void do_create(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* info) {
  client::NewNode node{name, S_IFREG | (mode & 07777), fuse_req_ctx(req)->umask, 0, {}};
  serve(req, [parent = InodeId{parent}, node = std::move(node), info = *info,
              made = std::make_shared<client::InodePtr>()](Now& now) -> Status {
    return now.serving.reply_create(now.req, info, TRY(now.client.descriptors().create(now.caller, parent, node, info.flags, *made)));
  });
}

void do_open(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  serve(req, [ino = InodeId{ino}, info = *info](Now& now) -> Status {
    return now.serving.reply_open(now.req, info, TRY(now.client.descriptors().open(now.caller, ino, info.flags)));
  });
}

void do_flush(fuse_req_t req, fuse_ino_t, fuse_file_info* info) {
  serve(req, [handle = info->fh, owner = info->lock_owner](Now& now) -> Status {
    TRY(now.client.descriptors().flush(handle, owner));
    return now.serving.reply_empty(now.req);
  });
}

void do_release(fuse_req_t req, fuse_ino_t, fuse_file_info* info) {
  std::optional<std::uint64_t> flock_owner;
  if (info->flock_release) flock_owner = info->lock_owner;
  serve(req, [handle = info->fh, flock_owner](Now& now) -> Status {
    now.client.descriptors().release(handle, flock_owner);
    return now.serving.reply_empty(now.req);
  });
}

void do_opendir(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info) {
  serve(req, [ino = InodeId{ino}, info = *info](Now& now) -> Status {
    return now.serving.reply_open(now.req, info, TRY(now.client.listings().open(now.caller, ino)));
  });
}

void list(fuse_req_t req, std::size_t size, off_t offset, std::uint64_t handle, bool plus) {
  serve(req, [size, offset, handle, plus](Now& now) -> Status {
    std::vector<char> buffer(size);
    std::vector<client::EntryAnswer> pinned;  // until the kernel has them
    std::size_t used = 0;
    TRY(now.client.listings().list(now.caller, handle, static_cast<std::uint64_t>(offset), plus, [&](const client::ListedEntry& listed) {
      fuse_entry_param param{};
      if (listed.entry != nullptr) {
        now.serving.limit(*listed.entry);
        param = entry_param_of(*listed.entry);
      } else {
        param.attr.st_mode = listed.type;
      }
      param.attr.st_ino = listed.inode;
      const std::string name(listed.name);
      char* const at = buffer.data() + used;
      const auto next = static_cast<off_t>(listed.next);
      const std::size_t need = plus ? fuse_add_direntry_plus(now.req, at, size - used, name.c_str(), &param, next)
                                    : fuse_add_direntry(now.req, at, size - used, name.c_str(), &param.attr, next);
      if (need > size - used) return false;
      used += need;
      if (listed.entry != nullptr) pinned.push_back(std::move(*listed.entry));
      return true;
    }));
    fuse_reply_buf(now.req, buffer.data(), used);
    return Status();
  });
}

void do_readdir(fuse_req_t req, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* info) {
  list(req, size, offset, info->fh, false);
}
void do_readdirplus(fuse_req_t req, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* info) {
  list(req, size, offset, info->fh, true);
}

void do_releasedir(fuse_req_t req, fuse_ino_t, fuse_file_info* info) {
  serving_of(req).client().listings().release(info->fh);
  fuse_reply_err(req, 0);
}

void do_fsyncdir(fuse_req_t req, fuse_ino_t ino, int, fuse_file_info*) {
  serve(req, [ino = InodeId{ino}](Now& now) -> Status {
    TRY(now.client.listings().sync(ino));
    return now.serving.reply_empty(now.req);
  });
}

void do_poll(fuse_req_t req, fuse_ino_t, fuse_file_info* info, fuse_pollhandle* poll_handle) {
  client::PollRequest request{info->poll_events == 0 ? static_cast<unsigned>(POLLIN | POLLOUT) : info->poll_events, {}};
  if (poll_handle != nullptr) {
    const std::shared_ptr<fuse_pollhandle> shared(poll_handle, fuse_pollhandle_destroy);
    request.wake = [shared] { fuse_lowlevel_notify_poll(shared.get()); };
  }
  serve(req, [handle = info->fh, request = std::move(request)](Now& now) -> Status {
    fuse_reply_poll(now.req, TRY(now.client.descriptors().poll(now.caller, handle, request)));
    return {};
  });
}

// --- Bytes -----------------------------------------------------------------------------------------------------------

// The kernel holds the pages of a READ or a WRITE that waits: `waiting` lets invalidations pass by.
struct Read {
  InodeId inode{};
  std::uint64_t handle = 0;
  client::ReadRequest request;
  PageInvalidator::Waiting waiting{};

  void keep(FuseServing& serving) { waiting = serving.pages().waits(inode, request.offset, request.length, true); }
  Status operator()(FuseServing& serving, fuse_req_t req) {
    const auto under_way = serving.pages().under_way(inode, request.offset, request.length);
    const client::ReadAnswer answer = TRY(serving.client().descriptors().read(caller_of(req), handle, request));
    const std::string_view content = text_of(answer.content());
    fuse_reply_buf(req, content.data(), content.size());
    serving.client().leases().note_read_answered(inode);
    return {};
  }
};

void do_read(fuse_req_t req, fuse_ino_t ino, std::size_t size, off_t offset, fuse_file_info* info) {
  serving_of(req).serve(req, Read{InodeId{ino}, info->fh, {static_cast<std::uint64_t>(offset), size, info->lock_owner}});
}

// libfuse's buffer is good until the first return; a write that has to wait copies it. It is a thread's for good: what
// must not stay in memory is wiped there.
struct Write {
  InodeId inode{};
  std::uint64_t handle = 0;
  client::WriteRequest request;
  ByteSpan bytes{};     // request's
  std::string kept{};
  PageInvalidator::Waiting waiting{};

  void wipe_confidential(FuseServing& serving) const {
    if (serving.client().descriptors().is_confidential(inode)) wipe(bytes);
  }
  void keep(FuseServing& serving) {
    kept.assign(text_of(request.bytes));
    wipe_confidential(serving);
    bytes = {reinterpret_cast<std::uint8_t*>(kept.data()), kept.size()};
    request.bytes = bytes;
    waiting = serving.pages().waits(inode, request.offset, request.bytes.size(), request.from_page_cache);
  }
  Status operator()(FuseServing& serving, fuse_req_t req) {
    const std::size_t taken = TRY(serving.client().descriptors().write(caller_of(req), handle, inode, request));
    wipe_confidential(serving);
    fuse_reply_write(req, taken);
    return {};
  }
};

void do_write(fuse_req_t req, fuse_ino_t ino, const char* bytes, std::size_t size, off_t offset, fuse_file_info* info) {
  const ByteSpan buffer{reinterpret_cast<std::uint8_t*>(const_cast<char*>(bytes)), size};  // it is no constant there
  const bool from_page_cache = info->writepage != 0;
  const std::uint64_t page_era = from_page_cache ? serving_of(req).client().leases().page_era(InodeId{ino}) : 0;
  const client::WriteRequest request{static_cast<std::uint64_t>(offset), buffer, from_page_cache, page_era,
                             (info->flags & O_APPEND) != 0};
  serving_of(req).serve(req, Write{InodeId{ino}, info->fh, request, buffer});
}

void do_fsync(fuse_req_t req, fuse_ino_t, int, fuse_file_info* info) {
  serve(req, [handle = info->fh](Now& now) -> Status {
    TRY(now.client.descriptors().sync(handle));
    return now.serving.reply_empty(now.req);
  });
}

void do_fallocate(fuse_req_t req, fuse_ino_t, int mode, off_t offset, off_t length, fuse_file_info* info) {
  client::AllocateRequest request;
  request.keep_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
  request.range = {static_cast<std::uint64_t>(offset), static_cast<std::uint64_t>(offset) + static_cast<std::uint64_t>(length)};
  const int what = mode & ~FALLOC_FL_KEEP_SIZE;
  if (what == FALLOC_FL_PUNCH_HOLE) request.mode = client::AllocateMode::kPunch;
  if (what == FALLOC_FL_ZERO_RANGE) request.mode = client::AllocateMode::kZero;
  if (what != 0 && request.mode == client::AllocateMode::kReserve) {
    fuse_reply_err(req, EOPNOTSUPP);
    return;
  }
  serve(req, [handle = info->fh, request](Now& now) -> Status {
    TRY(now.client.descriptors().allocate(now.caller, handle, request));
    return now.serving.reply_empty(now.req);
  });
}

void do_copy_file_range(fuse_req_t req, fuse_ino_t, off_t from, fuse_file_info* from_info, fuse_ino_t, off_t to,
                        fuse_file_info* to_info, std::size_t length, int) {
  const client::CopyRequest request{from_info->fh, static_cast<std::uint64_t>(from), to_info->fh,
                            static_cast<std::uint64_t>(to), length};
  serve(req, [request](Now& now) -> Status {
    fuse_reply_write(now.req, TRY(now.client.descriptors().copy(now.caller, request)));
    return {};
  });
}

void do_lseek(fuse_req_t req, fuse_ino_t, off_t offset, int whence, fuse_file_info* info) {
  if ((whence != SEEK_DATA && whence != SEEK_HOLE) || offset < 0) {
    fuse_reply_err(req, offset < 0 ? ENXIO : EINVAL);
    return;
  }
  serve(req, [handle = info->fh, offset, whence](Now& now) -> Status {
    const auto at = TRY(now.client.descriptors().seek(handle, static_cast<std::uint64_t>(offset), whence == SEEK_HOLE));
    fuse_reply_lseek(now.req, static_cast<off_t>(at));
    return {};
  });
}

void do_ioctl(fuse_req_t req, fuse_ino_t, unsigned, void*, fuse_file_info*, unsigned, const void*, std::size_t,
              std::size_t) {
  fuse_reply_err(req, ENOTTY);
}

// --- Locks -----------------------------------------------------------------------------------------------------------

void do_getlk(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info, struct flock* lock) {
  serve(req, [request = lock_request_of(ino, *info, *lock)](Now& now) -> Status {
    const struct flock found = flock_of(TRY(now.client.locks().conflicting(request)));
    fuse_reply_lock(now.req, &found);
    return {};
  });
}

// Its place in the queue is kept over reruns, and given up when the program is interrupted.
struct SetLock {
  client::LockRequest request;
  client::FileLocks::Call call;

  Status operator()(FuseServing& serving, fuse_req_t req) {
    TRY(serving.client().locks().set(request, call));
    return FuseServing::reply_empty(req);
  }
  int cancelled(FuseServing& serving) { return serving.client().locks().cancel(request, call) ? EINTR : 0; }
};

void do_setlk(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info, struct flock* lock, int sleep) {
  client::LockRequest request = lock_request_of(ino, *info, *lock);
  request.wait = sleep != 0;
  serving_of(req).serve(req, SetLock{request, {}});
}

void do_flock(fuse_req_t req, fuse_ino_t ino, fuse_file_info* info, int op) {
  client::LockRequest request;
  request.inode = InodeId{ino};
  request.handle = info->fh;
  request.owner = info->lock_owner;
  request.flock = true;
  request.end = kMaxFileBytes;
  request.pid = static_cast<std::uint32_t>(fuse_req_ctx(req)->pid);
  request.wait = (op & LOCK_NB) == 0;
  if ((op & LOCK_SH) != 0) request.type = client::LockRequest::Type::kShared;
  if ((op & LOCK_EX) != 0) request.type = client::LockRequest::Type::kExclusive;
  serving_of(req).serve(req, SetLock{request, {}});
}

// --- The session -----------------------------------------------------------------------------------------------------

// EXPLICIT_INVAL_DATA needs AUTO_INVAL_DATA off: a recall says when pages go, not a change of the mtime. No kernel
// write-back cache: it trusts its own size for ever. No asynchronous direct I/O: an append that the kernel splits
// must arrive in order.
void do_init(void*, fuse_conn_info* conn) {
  const unsigned wanted = FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO |
                          FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK | FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_FLOCK_LOCKS |
                          FUSE_CAP_POSIX_LOCKS | FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS |
                          FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_EXPORT_SUPPORT;
  const unsigned unwanted = FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_ASYNC_DIO |
                            FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
                            FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_NO_OPEN_SUPPORT | FUSE_CAP_NO_OPENDIR_SUPPORT;
  conn->want = (conn->want | (wanted & conn->capable)) & ~unwanted;
  conn->max_write = kMaxIoBytes;
  conn->max_background = kMaxBackground;
  conn->congestion_threshold = kMaxBackground * 3 / 4;
  conn->time_gran = 1;
}

fuse_lowlevel_ops table() {
  fuse_lowlevel_ops ops{};
  ops.init = do_init;
  ops.lookup = do_lookup;
  ops.forget = do_forget;
  ops.forget_multi = do_forget_multi;
  ops.getattr = do_getattr;
  ops.setattr = do_setattr;
  ops.readlink = do_readlink;
  ops.mknod = do_mknod;
  ops.mkdir = do_mkdir;
  ops.unlink = do_unlink;
  ops.rmdir = do_rmdir;
  ops.symlink = do_symlink;
  ops.rename = do_rename;
  ops.link = do_link;
  ops.open = do_open;
  ops.read = do_read;
  ops.write = do_write;
  ops.flush = do_flush;
  ops.release = do_release;
  ops.fsync = do_fsync;
  ops.opendir = do_opendir;
  ops.readdir = do_readdir;
  ops.readdirplus = do_readdirplus;
  ops.releasedir = do_releasedir;
  ops.fsyncdir = do_fsyncdir;
  ops.statfs = do_statfs;
  ops.setxattr = do_setxattr;
  ops.getxattr = do_getxattr;
  ops.listxattr = do_listxattr;
  ops.removexattr = do_removexattr;
  ops.access = do_access;
  ops.create = do_create;
  ops.getlk = do_getlk;
  ops.setlk = do_setlk;
  ops.flock = do_flock;
  ops.ioctl = do_ioctl;
  ops.poll = do_poll;
  ops.fallocate = do_fallocate;
  ops.copy_file_range = do_copy_file_range;
  ops.lseek = do_lseek;
  return ops;
}

void look_again(int) {}

}  // namespace

struct FuseOps::Inside {
  Inside(FuseChannel& channel, client::Client& client, PageInvalidator& pages, Log& log, const Options& chosen)
      : serving(channel, client, pages, log, chosen.most_parked), options(chosen) {}
  FuseServing serving;
  const Options options;
  fuse_session* session = nullptr;
  std::atomic<bool> stopping{false};
  std::atomic<pthread_t> loop_thread{};   // 0: not in the loop
};

FuseOps::FuseOps(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}

Result<std::unique_ptr<FuseOps>> FuseOps::over(FuseChannel& channel, client::Client& client, PageInvalidator& pages,
                                               Log& log, const Options& options) {
  auto inside = std::make_unique<Inside>(channel, client, pages, log, options);
  char name[] = "conclave";
  char* arguments[] = {name, nullptr};
  fuse_args args = FUSE_ARGS_INIT(1, arguments);
  const fuse_lowlevel_ops ops = table();
  inside->session = fuse_session_new(&args, &ops, sizeof ops, &inside->serving);
  fuse_opt_free_args(&args);  // libfuse has put its own list there
  if (inside->session == nullptr) return Error(Errc::kIo, "libfuse made no session");
  fuse_custom_io io{};
  io.read = [](int fd, void* buffer, std::size_t size, void* serving) {
    return static_cast<FuseServing*>(serving)->channel().read(fd, buffer, size);
  };
  io.writev = [](int fd, iovec* parts, int count, void* serving) {
    return static_cast<FuseServing*>(serving)->channel().write(fd, parts, count);
  };
  auto out = std::unique_ptr<FuseOps>(new FuseOps(std::move(inside)));
  if (fuse_session_custom_io(out->inside_->session, &io, channel.descriptor()) != 0) {
    return Error(Errc::kIo, "libfuse takes no descriptor");
  }
  return out;
}

FuseOps::~FuseOps() {
  if (inside_->session != nullptr) fuse_session_destroy(inside_->session);
}

void FuseOps::run() {
  struct sigaction action {};
  action.sa_handler = look_again;
  sigaction(kWakeSignal, &action, nullptr);
  inside_->loop_thread = pthread_self();
  fuse_loop_config* const config = fuse_loop_cfg_create();
  fuse_loop_cfg_set_clone_fd(config, 1);
  fuse_loop_cfg_set_max_threads(config, inside_->options.threads);
  fuse_loop_cfg_set_idle_threads(config, inside_->options.threads);
  if (!inside_->stopping) fuse_session_loop_mt(inside_->session, config);
  fuse_loop_cfg_destroy(config);
  inside_->loop_thread = pthread_t{};
}

void FuseOps::stop() {
  inside_->stopping = true;
  fuse_session_exit(inside_->session);
  const pthread_t looping = inside_->loop_thread;
  if (looping != pthread_t{}) pthread_kill(looping, kWakeSignal);
}

// A directory's names go by raising the epoch of all: a name alone would wait for its directory's lock, which an
// operation that is parked for this very lease holds.
void FuseOps::invalidate(InodeId inode, bool directory) {
  FuseServing& serving = inside_->serving;
  if (directory && !serving.channel().invalidate_names()) serving.keep_no_names();
  if (directory) return serving.channel().invalidate_inode(inode);
  serving.pages().invalidate(inode);
}

std::uint64_t FuseOps::served() const { return inside_->serving.served(); }

}  // namespace conclave::fuse_fs
