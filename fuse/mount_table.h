// What is mounted where, as the kernel says, without touching what is mounted: a mount whose daemon hangs would hang
// whoever asks it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace conclave::fuse_fs {

struct MountEntry {
  std::string device;    // "0:57"; another mount at the same place has another
  std::string path;
  std::string type;      // "ext4", "fuse.conclave"
  std::string source;
  std::optional<std::uint32_t> owner{};  // of a FUSE mount: whose daemon it is, which the kernel knows and a daemon cannot choose
};

// The lines of proc(5) /proc/self/mountinfo, octal escapes undone, in mount order: the last entry of a path is on top.
std::vector<MountEntry> parse_mountinfo(std::string_view text);
std::vector<MountEntry> current_mounts();
// What is on top at exactly `path`.
std::optional<MountEntry> mounted_at(const std::vector<MountEntry>& mounts, const std::string& path);

// The daemon behind it is gone: every access fails with ENOTCONN. Only for fuse types. Asks the daemon, and hangs
// if that does.
bool is_stale(const MountEntry& mount);

// `path` as the table would name it: absolute, every link followed, the last name too. What is mounted there is not
// asked. A part that does not exist stays as it was given.
std::string mount_point_of(const std::string& path);

// Takes the mount away: by umount2(2) as root, else through fusermount3, which lets a user unmount his own. kBusy while
// programs use it, unless `lazy`: then at once from the tree, and for real when the last of them is done.
Status unmount(const std::string& path, bool lazy);

// Whether fuse.conf(5) lets ordinary users open their mounts to others: a line "user_allow_other" and nothing else.
bool users_may_allow_other(std::string_view fuse_conf);

// "vim (pid 123)": programs with open files or their working folder below `path`; at most `limit`.
std::vector<std::string> users_of(const std::string& path, std::size_t limit);

}  // namespace conclave::fuse_fs
