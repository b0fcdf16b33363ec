#include "fuse/mount_table.h"

#include <limits.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace conclave::fuse_fs {
namespace {

constexpr int kMostLinks = 40;  // as the kernel follows

bool is_octal(char c) { return c >= '0' && c <= '7'; }

// "\040" is a space: mountinfo writes space, tab, newline and backslash so.
std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool octal = text[at] == '\\' && at + 3 < text.size() && is_octal(text[at + 1]) && is_octal(text[at + 2]) &&
                       is_octal(text[at + 3]);
    if (octal) {
      out += static_cast<char>((text[at + 1] - '0') * 64 + (text[at + 2] - '0') * 8 + (text[at + 3] - '0'));
      at += 3;
    } else {
      out += text[at];
    }
  }
  return out;
}

// readlink(2) of a mount's root is answered by the kernel alone, unlike lstat(2), with which std::filesystem begins.
std::optional<std::filesystem::path> link_at(const std::filesystem::path& path) {
  std::array<char, PATH_MAX> target{};
  const ssize_t size = readlink(path.c_str(), target.data(), target.size());
  if (size < 0) return std::nullopt;
  return std::string(target.data(), static_cast<std::size_t>(size));
}

// Of "rw,user_id=0,group_id=0".
std::optional<std::uint32_t> owner_in(std::string_view options) {
  constexpr std::string_view kName = "user_id=";
  while (!options.empty()) {
    std::string_view option = options.substr(0, options.find(','));
    options.remove_prefix(std::min(options.size(), option.size() + 1));
    if (!option.starts_with(kName)) continue;
    option.remove_prefix(kName.size());
    std::uint32_t out = 0;
    const auto [end, failure] = std::from_chars(option.data(), option.data() + option.size(), out);
    if (failure == std::errc() && end == option.data() + option.size()) return out;
  }
  return std::nullopt;
}

bool is_below(const std::string& path, const std::string& folder) {
  return path == folder || path.starts_with(folder + "/");
}

std::string link_target(const std::filesystem::path& link) {
  std::error_code ignored;
  return std::filesystem::read_symlink(link, ignored).string();
}

// Reads links only: nothing here opens or stats what is mounted.
bool process_uses(const std::filesystem::path& process, const std::string& path) {
  for (const char* name : {"cwd", "root", "exe"}) {
    if (is_below(link_target(process / name), path)) return true;
  }
  std::error_code error;
  for (std::filesystem::directory_iterator entry(process / "fd", error), end; !error && entry != end;
       entry.increment(error)) {
    if (is_below(link_target(entry->path()), path)) return true;
  }
  return false;
}

Status unmount_as_user(const std::string& path, bool lazy) {
  std::string program = "fusermount3", option = lazy ? "-uzq" : "-uq", target = path;
  char* arguments[] = {program.data(), option.data(), target.data(), nullptr};
  pid_t pid = 0;
  if (const int error = posix_spawnp(&pid, "fusermount3", nullptr, nullptr, arguments, environ); error != 0) {
    return Error(Errc::kNotSupported, "fusermount3 is missing; install the package fuse3");
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return Error(Errc::kBusy, path + " cannot be unmounted");
  return {};
}

}  // namespace

std::vector<MountEntry> parse_mountinfo(std::string_view text) {
  std::vector<MountEntry> out;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string field, device, path, type, source;
    fields >> field >> field >> device >> field >> path;  // id, parent, device, root
    while (fields >> field && field != "-") {     // options and tags, any number
    }
    if (!(fields >> type >> source)) continue;
    out.push_back({device, unescaped(path), type, unescaped(source)});
    if (fields >> field) out.back().owner = owner_in(field);
  }
  return out;
}

std::vector<MountEntry> current_mounts() {
  std::ifstream in("/proc/self/mountinfo", std::ios::binary);
  return parse_mountinfo(std::string{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()});
}

std::optional<MountEntry> mounted_at(const std::vector<MountEntry>& mounts, const std::string& path) {
  for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount) {
    if (mount->path == path) return *mount;
  }
  return std::nullopt;
}

// statfs(2) asks the daemon each time; stat(2) may be answered from attributes that the kernel still believes.
bool is_stale(const MountEntry& mount) {
  struct statfs found {};
  return mount.type.starts_with("fuse") && statfs(mount.path.c_str(), &found) != 0 && errno == ENOTCONN;
}

std::string mount_point_of(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path at = fs::absolute(path, error).lexically_normal();
  for (int links = 0; links < kMostLinks; ++links) {
    if (!at.has_filename()) at = at.parent_path();  // "/mnt/" names "/mnt"
    const fs::path folder = fs::weakly_canonical(at.parent_path(), error);
    if (!error) at = folder / at.filename();
    const auto target = link_at(at);
    if (!target) break;
    at = (at.parent_path() / *target).lexically_normal();
  }
  return at.string();
}

bool users_may_allow_other(std::string_view fuse_conf) {
  std::istringstream lines{std::string(fuse_conf)};
  for (std::string line; std::getline(lines, line);) {
    if (line == "user_allow_other") return true;
  }
  return false;
}

Status unmount(const std::string& path, bool lazy) {
  if (geteuid() != 0) return unmount_as_user(path, lazy);
  if (umount2(path.c_str(), UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0 || errno == EINVAL) return {};
  return Error(errc_of_errno(errno), "unmount " + path + ": " + strerrordesc_np(errno));
}

std::vector<std::string> users_of(const std::string& path, std::size_t limit) {
  std::vector<std::string> out;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end && out.size() < limit;
       entry.increment(error)) {
    const std::string pid = entry->path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos || !process_uses(entry->path(), path)) continue;
    std::ifstream in(entry->path() / "comm");
    std::string name;
    std::getline(in, name);
    out.push_back(name + " (pid " + pid + ")");
  }
  return out;
}

}  // namespace conclave::fuse_fs
