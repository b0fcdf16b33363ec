#include "cli/cluster_mounts.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/descriptor.h"
#include "cli/cluster_folder.h"
#include "fuse/mount_table.h"

namespace conclave::cli {
namespace {

Error control_error(const std::string& path) {
  if (errno == ENOTCONN) {
    return {Errc::kUnavailable, path + " does not answer: the mount's daemon has ended; `conclave up` mounts it again"};
  }
  return {errc_of_errno(errno), path + ": " + std::strerror(errno)};
}

}  // namespace

std::vector<std::string> mounts_of(const ClusterId& cluster) {
  const std::string source = "conclave:" + to_hex(cluster).substr(0, 8);
  std::vector<std::string> out;
  for (const fuse_fs::MountEntry& mount : fuse_fs::current_mounts()) {
    const bool trusted = mount.owner && (*mount.owner == 0 || *mount.owner == geteuid());
    if (mount.source == source && mount.type.starts_with("fuse") && trusted) out.push_back(mount.path);
  }
  return out;
}

Status write_control(const std::string& mount, const std::string& name, ByteView message) {
  const std::string path = mount + "/.conclave/" + name;
  const Descriptor fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd.number() < 0) return control_error(path);
  const ssize_t written = write(fd.number(), message.data(), message.size());
  if (written < 0) return control_error(path);
  if (static_cast<std::size_t>(written) != message.size()) return Error(Errc::kIo, path + " took only a part of the message");
  return {};
}

Status write_control_to_all(const std::vector<std::string>& mounts, const std::string& name, ByteView message) {
  Status all;
  for (const std::string& mount : mounts) {
    Status one = write_control(mount, name, message);
    if (!one && all) all = std::move(one);
  }
  return all;
}

PathOnMount path_on_mount(const std::string& given, const std::vector<std::string>& mounts) {
  const std::string as_given = absolute_path(given);
  for (const std::string& whole : {as_given, fuse_fs::mount_point_of(given)}) {
    for (const std::string& mount : mounts) {
      if (whole == mount) return {mount, "/"};
      if (whole.starts_with(mount + "/")) return {mount, whole.substr(mount.size())};
    }
  }
  return {mounts.empty() ? "" : mounts.front(), as_given};
}

}  // namespace conclave::cli
