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

// What ends this very connection when it is written to: numbers are given again to other mounts, and once the connection is
// gone nothing happens.
Descriptor abort_file(const std::string& connection) {
  const std::string name = connection + "/abort";
  for (const bool own : {false, true}) {
    const Descriptor control = own ? own_control() : Descriptor(open(kControl, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (control.number() < 0) continue;
    Descriptor file(openat(control.number(), name.c_str(), O_WRONLY | O_CLOEXEC));
    if (file.number() >= 0) return file;
  }
  return Descriptor();
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
  const Descriptor file = abort_file(args[1]);
  if (std::to_string(getppid()) != args[0]) return 1;   // too late: the number may be another mount's by now
  if (file.number() < 0) {
    std::cerr << "conclave mount-watch: FUSE's control files cannot be had: mount fusectl at " << kControl << "\n";
    return 1;
  }
  int signal = 0;
  sigwait(&died, &signal);
  return write(file.number(), "1", 1) == 1 ? 0 : 1;
}

}  // namespace conclave::fuse_fs
