#include "fuse/mount_watch.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>

#include "base/descriptor.h"

namespace conclave::fuse_fs {
namespace {

constexpr const char* kControl = "/sys/fs/fuse/connections";
constexpr int kParentDied = SIGUSR1;

// The file system of the kernel's FUSE connections, mounted nowhere.
Descriptor own_control() {
  const Descriptor context(fsopen("fusectl", FSOPEN_CLOEXEC));
  if (context.number() < 0 || fsconfig(context.number(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return Descriptor();
  return Descriptor(fsmount(context.number(), FSMOUNT_CLOEXEC, 0));
}

// False: it is not there, or not to be had.
bool abort_in(const Descriptor& control, const std::string& connection) {
  if (control.number() < 0) return false;
  const Descriptor file(openat(control.number(), (connection + "/abort").c_str(), O_WRONLY | O_CLOEXEC));
  return file.number() >= 0 && write(file.number(), "1", 1) == 1;
}

Status end_connection(const std::string& connection) {
  if (abort_in(Descriptor(open(kControl, O_PATH | O_DIRECTORY | O_CLOEXEC)), connection)) return {};
  const Descriptor control = own_control();
  if (control.number() < 0) return Error(errc_of_errno(errno), std::string("FUSE's control files: ") + std::strerror(errno));
  if (!abort_in(control, connection) && errno != ENOENT) return Error(errc_of_errno(errno), std::strerror(errno));
  return {};
}

}  // namespace

Status watch_mount(const std::string& device) {
  const auto colon = device.find(':');
  if (colon == std::string::npos) return Error(Errc::kInvalid, "a mount without a device number");
  std::string program = "conclave", command = "mount-watch", parent = std::to_string(getpid()), connection = device.substr(colon + 1);
  const std::array<char*, 5> arguments = {program.data(), command.data(), parent.data(), connection.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);   // /dev/fuse above all: it would keep the mount alive
  posix_spawn_file_actions_addchdir_np(&actions, "/");
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);   // no signal to the daemon's group comes here
  pid_t child = 0;
  const int failed = posix_spawn(&child, "/proc/self/exe", &actions, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return Error(errc_of_errno(failed), std::string("the mount's watch: ") + std::strerror(failed));
  return {};
}

int run_mount_watch(const std::vector<std::string>& args) {
  if (args.size() != 2 || args[1].empty() || args[1].find_first_not_of("0123456789") != std::string::npos) {
    std::cerr << "usage: conclave mount-watch PARENT CONNECTION\n";
    return 2;
  }
  sigset_t died;
  sigemptyset(&died);
  sigaddset(&died, kParentDied);
  sigprocmask(SIG_BLOCK, &died, nullptr);
  prctl(PR_SET_PDEATHSIG, kParentDied);
  int signal = 0;
  if (std::to_string(getppid()) == args[0]) sigwait(&died, &signal);   // else it was too late already
  const Status ended = end_connection(args[1]);
  if (!ended) std::cerr << "conclave mount-watch: " << ended.error().message << "\n";
  return ended ? 0 : 1;
}

}  // namespace conclave::fuse_fs
