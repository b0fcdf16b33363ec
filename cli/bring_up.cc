#include "cli/bring_up.h"

#include <algorithm>
#include <iostream>

#include "dirserver/dir_client.h"

namespace conclave::cli {
namespace {

constexpr unsigned kUsualFileServers = 2;
constexpr auto kRegistrationLimit = std::chrono::seconds(20);
constexpr auto kAskAgain = std::chrono::milliseconds(20);

Status ensure_file_servers(Context& context, const ClusterFolder& folder, unsigned wanted) {
  const auto there = TRY(folder.file_servers(context.files()));
  const unsigned count = wanted != 0 ? wanted : there.empty() ? kUsualFileServers : 0;
  for (auto have = static_cast<unsigned>(there.size()); have < count; ++have) {
    const JoinToken token = TRY(make_join_token(context, folder));
    TRY(install_file_server(context, token, folder.server("fileserver-" + token.name), ""));
  }
  return {};
}

// One that was refused ends after it was ready.
std::vector<std::string> ended(ClusterProcesses& processes, std::vector<std::string> servers) {
  std::erase_if(servers, [&](const std::string& server) { return processes.running(server).has_value(); });
  return servers;
}

Error has_ended(const ClusterFolder& folder, const std::string& server) {
  return {Errc::kUnavailable, server + " has ended; " + folder.log(server) + " ends with:\n" + last_lines(folder.log(server), 5)};
}

// Until the directory server knows them, it has nowhere to place a chunk. One that has ended (its disk, a certificate that
// was removed) is told, and keeps nobody from using the others.
Status wait_for_file_servers(Context& context, const ClusterFolder& folder, ClusterProcesses& processes) {
  const auto cluster = TRY(ClusterFile::load(context.files(), folder.cluster_file()));
  const auto transport = TRY(context.transport_as_host(folder));
  const auto own = TRY(folder.file_servers(context.files()));
  dir::DirClient dir(*transport, context.clock(), cluster.dir);
  const MonoTime limit = context.clock().now() + kRegistrationLimit;
  for (;;) {
    const auto health = dir.health();
    if (health) {
      const auto up = std::count_if(health->members().begin(), health->members().end(), [](const auto& m) { return m.up(); });
      const auto gone = ended(processes, own);
      if (up > 0 && static_cast<std::size_t>(up) + gone.size() >= own.size()) {
        for (const std::string& server : gone) std::cerr << "conclave: " << has_ended(folder, server).message << "\n";
        return {};
      }
      if (!gone.empty() && gone.size() == own.size() && up == 0) return has_ended(folder, gone.front());
    }
    if (context.clock().now() > limit) {
      if (!health) return in_context("the directory server does not answer", health.error());
      return Error(Errc::kTimedOut, "the file servers did not register in time; see " + folder.path + "/log/fileserver-*.log");
    }
    context.clock().sleep_until(context.clock().now() + kAskAgain);
  }
}

// It serves nothing then; it must go on running for an operator to say what shall be.
Status check_newest(Context& context, const ClusterFolder& folder, bool& old_database) {
  const auto cluster = TRY(ClusterFile::load(context.files(), folder.cluster_file()));
  const auto transport = TRY(context.transport_as_host(folder));
  const auto health = TRY(dir::DirClient(*transport, context.clock(), cluster.dir).health());
  old_database = health.has_newer();
  if (!old_database) return {};
  return Error(Errc::kUnavailable, "the directory server's database is older than what file server '" +
               health.newer_seen_by() + "' has seen, and it serves nothing: see `conclave recover dirserver`. The servers run; "
               "nothing was mounted");
}

Status start_all(Context& context, const ClusterFolder& folder, ClusterProcesses& processes, const UpOptions& options,
                 const FolderLock& lock, bool& old_database) {
  for (const std::string& server : TRY(folder.servers(context.files()))) TRY(processes.start(server, lock));
  TRY(wait_for_file_servers(context, folder, processes));
  TRY(check_newest(context, folder, old_database));
  for (const MountRecord& mount : TRY(processes.mounts())) TRY(processes.mount(mount.path, lock));
  if (!options.mount.empty()) TRY(processes.mount(options.mount, lock));
  return {};
}

// In the reverse of their order of starting.
Status stop_servers(Context& context, const ClusterFolder& folder, ClusterProcesses& processes) {
  auto servers = TRY(folder.servers(context.files()));
  std::reverse(servers.begin(), servers.end());
  for (const std::string& server : servers) {
    if (TRY(processes.stop(server))) {
      std::cerr << "conclave: " << server << " did not stop in time and was killed; see " << folder.log(server) << "\n";
    }
  }
  return {};
}

Result<bool> anything_runs(Context& context, const ClusterFolder& folder, ClusterProcesses& processes) {
  for (const std::string& server : TRY(folder.servers(context.files()))) {
    if (processes.running(server)) return true;
  }
  return false;
}

}  // namespace

Status bring_up(Context& context, const ClusterFolder& folder, const UpOptions& options) {
  const bool there = TRY(context.files().exists(folder.cluster_file()));
  if (!there) TRY(check_empty(context.files(), folder));  // before the lock's file is made in a folder that is not ours
  const FolderLock lock = TRY(FolderLock::take(context.files(), folder));
  if (!TRY(context.files().exists(folder.cluster_file()))) TRY(init_cluster(context, folder, options.init));
  TRY(ensure_file_servers(context, folder, options.file_servers));
  ClusterProcesses processes(context, folder);
  const bool warm = TRY(anything_runs(context, folder, processes));
  bool old_database = false;
  Status status = start_all(context, folder, processes, options, lock, old_database);
  if (!status && !warm && !old_database) {
    for (const MountRecord& mount : TRY(processes.mounts())) static_cast<void>(processes.unmount(mount, true));
    static_cast<void>(stop_servers(context, folder, processes));  // the first error is the one to tell
  }
  return status;
}

Status bring_down(Context& context, const ClusterFolder& folder, bool force) {
  if (!TRY(context.files().exists(folder.cluster_file()))) {
    return Error(Errc::kNotFound, folder.path + " holds no cluster");
  }
  const FolderLock lock = TRY(FolderLock::take(context.files(), folder));
  ClusterProcesses processes(context, folder);
  for (const MountRecord& mount : TRY(processes.mounts())) TRY(processes.unmount(mount, force));
  return stop_servers(context, folder, processes);
}

}  // namespace conclave::cli
