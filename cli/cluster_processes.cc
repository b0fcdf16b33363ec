#include "cli/cluster_processes.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/crypto.h"
#include "fuse/mount_table.h"

namespace conclave::cli {
namespace {

constexpr std::size_t kMaxRecordBytes = 8192;  // PATH_MAX and a line
constexpr std::string_view kMountPrefix = "mount-";
constexpr auto kOwnTestLimit = std::chrono::seconds(3);
constexpr auto kAgain = std::chrono::milliseconds(50);

// "fileserver-2" → "fileserver".
std::string command_of(const std::string& server) { return server.substr(0, server.find('-')); }

// One name for one path, whatever is in it.
std::string mount_name(const std::string& path) {
  return std::string(kMountPrefix) + to_hex(ByteView(sha256(view_of(path))).first(4));
}

// A mount of this file system; whose daemon may be gone.
bool is_ours(const fuse_fs::MountEntry& entry) { return entry.type == "fuse.conclave"; }

Error already_used(const fuse_fs::MountEntry& entry) {
  return Error(Errc::kBusy, entry.path + " is in use: a file system of type " + entry.type + " (" + entry.source +
                                ") is mounted there; unmount it or choose another mount point");
}

// What a daemon that died left in the tree.
void remove_stale(const std::string& path) {
  const auto top = fuse_fs::mounted_at(fuse_fs::current_mounts(), path);
  if (top && is_ours(*top) && fuse_fs::is_stale(*top)) static_cast<void>(fuse_fs::unmount(path, true));
}

}  // namespace

Result<FolderLock> FolderLock::take(Files& files, const ClusterFolder& folder) {
  TRY(files.make_folders(folder.run()));
  TRY(files.make_folders(folder.path + "/log"));
  const int descriptor = open(folder.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    return Error(errc_of_errno(errno), folder.lock() + ": " + strerrordesc_np(errno) + "; the cluster's folder must be writable");
  }
  FolderLock lock(descriptor);
  while (flock(descriptor, LOCK_EX) != 0) {
    if (errno != EINTR) return Error(Errc::kIo, folder.lock() + ": " + strerrordesc_np(errno));
  }
  return lock;
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

std::optional<Process> ClusterProcesses::running(const std::string& server) {
  const auto text = files_.read_all(folder_.process(server), kMaxRecordBytes);
  if (!text) return std::nullopt;
  const auto mark = ProcessMark::parse(*text);
  if (!mark) return std::nullopt;
  auto process = Process::open(*mark);
  if (!process) return std::nullopt;
  return std::move(process).value();
}

Status ClusterProcesses::start(const std::string& server, const FolderLock& lock) {
  if (running(server)) return {};
  return start_noted(server, {command_of(server), "--config", folder_.config(server)}, "", lock);
}

// One that did not start needs no note.
Status ClusterProcesses::start_noted(const std::string& name, const std::vector<std::string>& arguments, const std::string& note,
                                      const FolderLock& lock) {
  Launch what;
  what.arguments = arguments;
  what.log_path = folder_.log(name);
  what.process_path = folder_.process(name);
  what.note = note;
  what.lock = lock.descriptor();
  Status started = launch(what);
  if (!started) static_cast<void>(files_.remove(folder_.process(name)));
  return started;
}

Result<bool> ClusterProcesses::stop(const std::string& server) {
  bool killed = false;
  if (auto process = running(server)) {
    TRY(process->signal(SIGTERM));
    if (!process->wait(kStopLimit)) {
      killed = true;
      TRY(process->signal(SIGKILL));
      static_cast<void>(process->wait(kStopLimit));
    }
  }
  if (TRY(files_.exists(folder_.process(server)))) TRY(files_.remove(folder_.process(server)));
  return killed;
}

Result<std::vector<MountRecord>> ClusterProcesses::mounts() {
  std::vector<MountRecord> out;
  if (!TRY(files_.exists(folder_.run()))) return out;
  for (const std::string& file : TRY(files_.list(folder_.run()))) {
    if (!file.starts_with(kMountPrefix) || !file.ends_with(".pid")) continue;
    const std::string text = TRY(files_.read_all(folder_.run() + "/" + file, kMaxRecordBytes));
    const auto line_end = text.find('\n');
    auto mark = ProcessMark::parse(text);
    if (!mark || line_end == std::string::npos || line_end + 1 >= text.size()) continue;
    out.push_back({file.substr(0, file.size() - 4), text.substr(line_end + 1), *mark});
  }
  return out;
}

std::optional<Process> ClusterProcesses::running(const MountRecord& mount) {
  auto process = Process::open(mount.mark);
  if (!process) return std::nullopt;
  return std::move(process).value();
}

// What may lie at a mount point before: an empty folder, nothing, or a mount whose daemon is gone.
Status ClusterProcesses::clear_mount_point(const std::string& path) {
  while (const auto entry = fuse_fs::mounted_at(fuse_fs::current_mounts(), path)) {
    if (!fuse_fs::is_stale(*entry)) return already_used(*entry);
    TRY(fuse_fs::unmount(path, true));
  }
  struct stat found {};
  if (stat(path.c_str(), &found) == 0 && !S_ISDIR(found.st_mode)) {
    return Error(Errc::kNotDirectory, path + " is not a folder; a mount point must be one");
  }
  auto made = files_.make_folders(path);
  if (!made) return in_context("mount point", std::move(made).error());
  if (!TRY(files_.list(path)).empty()) {
    return Error(Errc::kNotEmpty, path + " is not empty, and a mount would hide what is in it; choose an empty folder");
  }
  return {};
}

Status ClusterProcesses::mount(const std::string& path, const FolderLock& lock) {
  const std::string name = mount_name(path);
  for (const MountRecord& record : TRY(mounts())) {
    if (record.path != path) continue;
    const auto top = fuse_fs::mounted_at(fuse_fs::current_mounts(), path);
    auto process = running(record);
    if (process && top && is_ours(*top)) return {};
    if (process && !top) {  // whoever started it was killed meanwhile
      TRY(process->signal(SIGTERM));
      if (!process->wait(kUnmountLimit)) return Error(Errc::kTimedOut, "the daemon of " + path + " does not end; see " + folder_.log(name));
    }
  }
  TRY(clear_mount_point(path));
  Status started = start_noted(name, {"mount-daemon", "--config", folder_.config("mount"), path}, path, lock);
  if (!started) {
    remove_stale(path);  // one that was killed because it was not ready in time
    return started;
  }
  struct statfs found {};
  if (statfs(path.c_str(), &found) != 0) {
    return Error(errc_of_errno(errno), path + " was mounted and does not answer: " + strerrordesc_np(errno) + "; see " + folder_.log(name));
  }
  return {};
}

// One that was mounted a moment ago is busy with its daemon's own test of the page cache.
Status ClusterProcesses::unmount_patiently(const std::string& path, bool lazy) {
  const MonoTime end = clock_.now() + kOwnTestLimit;
  for (;;) {
    Status done = fuse_fs::unmount(path, lazy);
    const bool in_test = !done && done.error().code == Errc::kBusy && fuse_fs::users_of(path, 1).empty();
    if (!in_test || clock_.now() >= end) return done;
    clock_.sleep_until(clock_.now() + kAgain);
  }
}

Status ClusterProcesses::unmount(const MountRecord& mount, bool lazy) {
  auto process = running(mount);
  const auto top = fuse_fs::mounted_at(fuse_fs::current_mounts(), mount.path);
  if (top && !is_ours(*top) && process) return already_used(*top);  // over ours
  if (top && is_ours(*top)) {
    const Status done = unmount_patiently(mount.path, lazy || !process);
    if (!done && done.error().code == Errc::kBusy) {
      std::string users;
      for (const std::string& user : fuse_fs::users_of(mount.path, 5)) users += (users.empty() ? "" : ", ") + user;
      const std::string why = users.empty() ? ": a program waits in it, for votes on a secret perhaps (`conclave requests`)"
                                            : ": used by " + users;
      return Error(Errc::kBusy, mount.path + " is busy" + why + "; end it and try again, or use --force");
    }
    TRY(done);
  }
  if (process && lazy) TRY(process->signal(SIGTERM));  // it writes back, and does not wait for its last program
  if (process && !process->wait(kUnmountLimit)) {
    if (!lazy) return Error(Errc::kTimedOut, "the daemon of " + mount.path + " is still writing back; see " + folder_.log(mount.name));
    TRY(process->signal(SIGKILL));
    static_cast<void>(process->wait(kStopLimit));
  }
  return files_.remove(folder_.process(mount.name));
}

}  // namespace conclave::cli
