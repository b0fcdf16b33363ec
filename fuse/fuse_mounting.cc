#define FUSE_USE_VERSION 314
#include "fuse/fuse_mounting.h"

#include <fcntl.h>
#include <fuse.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "fuse/mount_table.h"

namespace conclave::fuse_fs {
namespace {

constexpr int kMaxReadBytes = 1 << 20;   // FUSE's largest

Error mount_error(const std::string& path, int code) {
  const std::string where = "cannot mount at " + path + ": ";
  switch (code) {
    case EPERM: return {Errc::kNotPermitted, where + "this process may not mount (a container without CAP_SYS_ADMIN?)"};
    case ENODEV: return {Errc::kNoDevice, where + "this kernel has no FUSE"};
    case EBUSY: return {Errc::kBusy, where + "it is in use"};
    case ENOTCONN: return {Errc::kBusy, where + "a dead mount is there; remove it with `fusermount3 -u " + path + "`"};
    default: return {errc_of_errno(code), where + std::strerror(code)};
  }
}

Error device_error(int code) {
  const std::string what = std::string("/dev/fuse: ") + std::strerror(code);
  if (code == EACCES) return {Errc::kAccess, what + "; an administrator lets users mount with `chmod 666 /dev/fuse`"};
  return {errc_of_errno(code), what + "; is the fuse module loaded?"};
}

bool others_are_let_in() {
  if (geteuid() == 0) return true;
  std::ifstream in("/etc/fuse.conf", std::ios::binary);
  return users_may_allow_other(std::string(std::istreambuf_iterator<char>(in), {}));
}

// What the kernel and fusermount3 take alike.
std::string shared_text(const MountOptions& options) {
  std::string out = "max_read=" + std::to_string(kMaxReadBytes);
  if (options.default_permissions) out += ",default_permissions";
  if (others_are_let_in()) out += ",allow_other";
  return out;
}

Result<int> mount_as_root(const std::string& path, const MountOptions& options) {
  const int device = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (device < 0) return device_error(errno);
  const std::string text = "fd=" + std::to_string(device) + ",rootmode=40000,user_id=0,group_id=0," + shared_text(options);
  const unsigned long flags = options.read_only ? MS_RDONLY : 0;
  if (::mount(options.fs_name.c_str(), path.c_str(), "fuse.conclave", flags, text.c_str()) == 0) return device;
  const int code = errno;
  ::close(device);
  return mount_error(path, code);
}

// fusermount3 is setuid root; it wants a folder that the user may write to.
Result<int> mount_as_user(const std::string& path, const MountOptions& options) {
  if (::access("/dev/fuse", R_OK | W_OK) != 0) return device_error(errno);
  std::string text = "fsname=" + options.fs_name + ",subtype=conclave," + shared_text(options);
  if (options.read_only) text += ",ro";
#ifdef __SANITIZE_ADDRESS__
  const __lsan::ScopedDisabler libfuse_leaks_its_argument_list;
#endif
  const int device = fuse_open_channel(path.c_str(), text.c_str());
  if (device >= 0) return device;
  return Error(Errc::kNotPermitted, "cannot mount at " + path + ": fusermount3 (of the package fuse3) refused, and says why above");
}

}  // namespace

Result<int> mount_fuse(const std::string& path, const MountOptions& options) {
  struct stat there {};
  if (::stat(path.c_str(), &there) != 0) return mount_error(path, errno);
  if (!S_ISDIR(there.st_mode)) return Error(Errc::kNotDirectory, path + " is not a folder; a mount point must be one");
  return geteuid() == 0 ? mount_as_root(path, options) : mount_as_user(path, options);
}

}  // namespace conclave::fuse_fs
