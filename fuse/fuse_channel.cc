#include "fuse/fuse_channel.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <sstream>

namespace conclave::fuse_fs {
namespace {

constexpr std::int32_t kIncrementEpoch = 8;            // FUSE_NOTIFY_INC_EPOCH, Linux 6.16
constexpr std::uint32_t kDirectIoAllowMmap = 1u << 4;  // bit 36: of flags2
constexpr unsigned kReadAheadKib = 4096;               // 128 otherwise; four of our largest requests

Error mount_error(const std::string& path, int code) {
  const std::string where = "cannot mount at " + path + ": ";
  switch (code) {
    case EPERM: return {Errc::kNotPermitted, where + "mounting needs root"};
    case ENODEV: return {Errc::kNoDevice, where + "this kernel has no FUSE"};
    case EBUSY: return {Errc::kBusy, where + "it is in use"};
    case ENOTCONN: return {Errc::kBusy, where + "a dead mount is there; remove it with `umount " + path + "`"};
    default: return {errc_of_errno(code), where + std::strerror(code)};
  }
}

// "0:57", as /proc/self/mountinfo has it: asking the mount itself would wait for us.
std::string device_of(const std::string& path) {
  std::ifstream mounts("/proc/self/mountinfo");
  std::string line, found;
  while (std::getline(mounts, line)) {
    std::istringstream fields(line);
    std::string id, parent, device, root, point;
    if (fields >> id >> parent >> device >> root >> point && point == path) found = device;
  }
  return found;
}

}  // namespace

Status FuseChannel::mount(const std::string& path, const Options& options) {
  struct stat there {};
  if (::stat(path.c_str(), &there) != 0) return mount_error(path, errno);
  if (!S_ISDIR(there.st_mode)) return Error(Errc::kNotDirectory, path + " is not a folder; a mount point must be one");
  const int device = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (device < 0) {
    return Error(errc_of_errno(errno), std::string("/dev/fuse: ") + std::strerror(errno) + "; is the fuse module loaded?");
  }
  std::ostringstream text;
  text << "fd=" << device << ",rootmode=40000,user_id=0,group_id=0,allow_other,max_read=" << (1 << 20);
  if (options.default_permissions) text << ",default_permissions";
  const unsigned long flags = options.read_only ? MS_RDONLY : 0;
  if (::mount(options.fs_name.c_str(), path.c_str(), "fuse.conclave", flags, text.str().c_str()) != 0) {
    const int code = errno;
    ::close(device);
    return mount_error(path, code);
  }
  path_ = path;
  descriptor_ = device;
  mounted_ = true;
  return {};
}

void FuseChannel::unmount() {
  if (mounted_.exchange(false)) ::umount2(path_.c_str(), MNT_DETACH);
}

ssize_t FuseChannel::read(int descriptor, void* buffer, std::size_t size) {
  const ssize_t got = ::read(descriptor, buffer, size);
  if (got < static_cast<ssize_t>(sizeof(fuse_in_header)) || init_request_.load() != 0) return got;
  const auto* header = static_cast<const fuse_in_header*>(buffer);
  if (header->opcode != FUSE_INIT) return got;
  fuse_init_in in{};
  std::memcpy(&in, header + 1, std::min(sizeof in, static_cast<std::size_t>(got) - sizeof *header));
  offered_ = in.flags;
  offered_high_ = (in.flags & FUSE_INIT_EXT) != 0 ? in.flags2 : 0;
  init_request_ = header->unique;
  return got;
}

ssize_t FuseChannel::write(int descriptor, iovec* parts, int count) {
  const auto* header = static_cast<const fuse_out_header*>(parts[0].iov_base);
  const bool init = header->unique != 0 && header->unique == init_request_.load();
  if (init) amend_init_reply(parts, count);
  const ssize_t wrote = ::writev(descriptor, parts, count);
  if (init && wrote > 0) tune();  // the kernel has taken the reply, and made the device's settings
  return wrote;
}

void FuseChannel::amend_init_reply(iovec* parts, int count) {
  if (count < 2 || parts[1].iov_len < offsetof(fuse_init_out, flags2) + sizeof(std::uint32_t)) return;
  auto* out = static_cast<fuse_init_out*>(parts[1].iov_base);
  out->flags |= offered_ & FUSE_HANDLE_KILLPRIV_V2;
  if ((offered_high_ & kDirectIoAllowMmap) != 0) {
    out->flags |= FUSE_INIT_EXT;
    out->flags2 |= kDirectIoAllowMmap;
  }
}

// Larger read-ahead than a local disk's: a request costs more here.
void FuseChannel::tune() const {
  const std::string device = device_of(path_);
  if (!device.empty()) std::ofstream("/sys/class/bdi/" + device + "/read_ahead_kb") << kReadAheadKib;
}

bool FuseChannel::notify(std::int32_t code, const void* body, std::size_t size) {
  fuse_out_header header{};
  header.len = static_cast<std::uint32_t>(sizeof header + size);
  header.error = code;
  const iovec parts[] = {{&header, sizeof header}, {const_cast<void*>(body), size}};
  return ::writev(descriptor_, parts, size == 0 ? 1 : 2) > 0 || errno == ENOENT;
}

void FuseChannel::invalidate_inode(InodeId inode) { invalidate_pages(inode, 0, 0); }

void FuseChannel::invalidate_pages(InodeId inode, std::uint64_t offset, std::uint64_t length) {
  fuse_notify_inval_inode_out body{};
  body.ino = raw(inode);
  body.off = static_cast<std::int64_t>(offset);
  body.len = static_cast<std::int64_t>(length);
  notify(FUSE_NOTIFY_INVAL_INODE, &body, sizeof body);
}

bool FuseChannel::invalidate_names() { return notify(kIncrementEpoch, nullptr, 0); }

}  // namespace conclave::fuse_fs
