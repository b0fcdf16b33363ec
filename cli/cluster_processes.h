// The servers and mounts that run on this machine for one cluster folder, as D/run remembers them. A file there names a
// process; whether it still lives is asked of the kernel each time, so a crash of anything leaves nothing to clean up.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/process.h"

namespace conclave::cli {

// One of `up`, `down`, `mount`, `init`, `token` at a time works on a folder; the next waits for it.
class FolderLock {
 public:
  static Result<FolderLock> take(Files& files, const ClusterFolder& folder);
  FolderLock(FolderLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock();
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  explicit FolderLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

// A mount that was asked for and not taken away again, alive or not.
struct MountRecord {
  std::string name;   // of its file in run/ and log/: "mount-1a2b3c4d"
  std::string path;
  ProcessMark mark;
};

class ClusterProcesses {
 public:
  ClusterProcesses(Context& context, ClusterFolder folder)
      : files_(context.files()), clock_(context.clock()), folder_(std::move(folder)) {}

  // The server's process, if it runs.
  [[nodiscard]] std::optional<Process> running(const std::string& server);
  // Starts it and waits until it is ready; at once if it runs. As launch().
  Status start(const std::string& server, const FolderLock& lock);
  // SIGTERM, then waits; SIGKILL after kStopLimit (true is returned: its data survive that, but it should not happen).
  Result<bool> stop(const std::string& server);

  [[nodiscard]] Result<std::vector<MountRecord>> mounts();
  [[nodiscard]] std::optional<Process> running(const MountRecord& mount);
  // Starts the daemon of a mount and waits until the mount answers. kBusy when something else is mounted there,
  // kNotDirectory, kNotEmpty; a stale mount of ours is taken away first. The folder is made if missing.
  Status mount(const std::string& path, const FolderLock& lock);
  // Unmounts and waits until the daemon has written everything back and ended. kBusy names who uses it.
  Status unmount(const MountRecord& mount, bool lazy);

 private:
  Status start_noted(const std::string& name, const std::vector<std::string>& arguments, const std::string& note,
                     const FolderLock& lock);
  Status clear_mount_point(const std::string& path);
  Status unmount_patiently(const std::string& path, bool lazy);

  Files& files_;
  Clock& clock_;
  ClusterFolder folder_;
};

inline constexpr auto kStopLimit = std::chrono::seconds(20);
inline constexpr auto kUnmountLimit = std::chrono::seconds(60);  // dirty bytes may have to reach slow servers

}  // namespace conclave::cli
