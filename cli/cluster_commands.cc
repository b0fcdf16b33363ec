#include <iostream>

#include "cli/bring_up.h"
#include "cli/commands.h"
#include "fuse/mount_table.h"

namespace conclave::cli {
namespace {

constexpr unsigned kMostFileServers = 64;
constexpr unsigned kMostReplicas = 8;  // base/limits.h kMaxReplicas

struct NewCluster {
  InitOptions init;
  unsigned file_servers = 0;

  void accept(CommandLine& line) {
    line.option("--fileservers", file_servers, 0, kMostFileServers, "at least so many file servers here");
    line.option("--replicas", init.replicas, 1, kMostReplicas, "copies of each chunk, in a new cluster");
    line.option("--address", init.address, "where a new cluster's servers listen");
    line.option("--admin", init.admin, "name of a new cluster's first person");
  }
};

Status init(Context& context, const NewCluster& wanted) {
  const ClusterFolder folder = TRY(context.cluster_folder());
  TRY(check_empty(context.files(), folder));
  const FolderLock lock = TRY(FolderLock::take(context.files(), folder));
  TRY(init_cluster(context, folder, wanted.init));
  std::cout << "A new cluster is in " << folder.path << ". Start its servers with\n\n  conclave up --dir " << folder.path
            << "\n\nand a file server, here or on another machine, with "
            << (wanted.file_servers == 0 ? "a token of `conclave token fileserver`.\n"
                                         : "one of these tokens (each is good once; keep it secret until then):\n\n");
  for (unsigned i = 0; i < wanted.file_servers; ++i) {
    const JoinToken token = TRY(make_join_token(context, folder));
    std::cout << "  conclave fileserver --data DATA --join " << token.text() << "\n\n";
  }
  return {};
}

Status up(Context& context, const NewCluster& wanted, const std::string& mount) {
  const ClusterFolder folder = TRY(context.cluster_folder());
  const std::string mount_path = mount.empty() ? "" : fuse_fs::mount_point_of(mount);
  TRY(bring_up(context, folder, {wanted.init, wanted.file_servers, mount_path}));
  std::cout << "The cluster in " << folder.path << " is up";
  if (!mount_path.empty()) std::cout << ", mounted at " << mount_path;
  std::cout << ".\n";
  return {};
}

Status down(Context& context, bool force) {
  const ClusterFolder folder = TRY(context.cluster_folder());
  TRY(bring_down(context, folder, force));
  std::cout << "The cluster in " << folder.path << " is down; its data are kept.\n";
  return {};
}

Status mount(Context& context, const std::string& path) {
  const ClusterFolder folder = TRY(context.cluster_folder());
  if (!TRY(context.files().exists(folder.config("mount")))) {
    return Error(Errc::kNotFound, folder.path + " holds no cluster; make one with `conclave up --dir " + folder.path + " --mount M`");
  }
  const FolderLock lock = TRY(FolderLock::take(context.files(), folder));
  ClusterProcesses processes(context, folder);
  return processes.mount(fuse_fs::mount_point_of(path), lock);
}

Status token_fileserver(Context& context) {
  const ClusterFolder folder = TRY(context.cluster_folder());
  const FolderLock lock = TRY(FolderLock::take(context.files(), folder));
  const JoinToken token = TRY(make_join_token(context, folder));
  std::cout << token.text() << "\n";
  return {};
}

}  // namespace

int run_init(Context& context, const Arguments& args) {
  NewCluster wanted;
  wanted.file_servers = 2;
  CommandLine line("conclave init", "Makes a cluster's folder: certificates, configurations, the first admin.");
  context.accept_dir(line);
  wanted.accept(line);
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("init", init(context, wanted));
}

int run_up(Context& context, const Arguments& args) {
  NewCluster wanted;
  std::string mount_path;
  CommandLine line("conclave up", "Makes the cluster if there is none, starts what does not run, and mounts it.");
  context.accept_dir(line);
  line.option("--mount", mount_path, "where to mount it");
  wanted.accept(line);
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("up", up(context, wanted, mount_path));
}

int run_down(Context& context, const Arguments& args) {
  bool force = false;
  CommandLine line("conclave down", "Unmounts everything and stops the servers; the data stay.");
  context.accept_dir(line);
  line.flag("--force", force, "unmount also what is busy: programs on it get errors");
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("down", down(context, force));
}

int run_mount(Context& context, const Arguments& args) {
  std::string path, ignored_options;
  CommandLine line("conclave mount", "Mounts the cluster at one more place.");
  context.accept_dir(line);
  line.argument("MOUNT", path, "an empty folder");
  line.option("-o", ignored_options, "mount(8)'s options; those of the cluster's configuration hold");
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("mount", mount(context, path));
}

int run_token_fileserver(Context& context, const Arguments& args) {
  CommandLine line("conclave token fileserver", "Prints a token with which one file server joins.");
  context.accept_dir(line);
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("token fileserver", token_fileserver(context));
}

}  // namespace conclave::cli
