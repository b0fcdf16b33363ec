#include "cli/cluster_status.h"

#include <algorithm>

#include "base/connect_client.h"
#include "cli/free_port.h"
#include "cli/healing_text.h"
#include "fuse/mount_table.h"
#include "vault/fields.h"

namespace conclave::cli {
namespace {

constexpr auto kAskLimit = std::chrono::seconds(2);
constexpr auto kExpiryWarning = std::chrono::hours(24 * 30);
constexpr auto kBackupWarningSeconds = 7u * 24 * 3600;

// One server's Health, noted in its line.
template <class Response, class Request>
std::optional<Response> ask_health(Context& context, Transport& transport, const Endpoint& to, const char* path,
                                   ServerStatus& line) {
  ConnectClient client(transport, context.clock(), to);
  CallOptions options;
  options.timeout = kAskLimit;
  auto health = client.call<Response>(path, Request(), options);
  line.address = address_text(to.host, to.port);
  line.answers = health.has_value();
  if (!health) {
    line.problem = health.error().message;
    return std::nullopt;
  }
  return std::move(health).value();
}

void note_process(ClusterProcesses& processes, ServerStatus& line) {
  if (const auto process = processes.running(line.name)) {
    line.pid = process->pid();
    line.resident_bytes = resident_bytes(process->pid());
  }
}

std::vector<ServerStatus> file_server_lines(const dir::v1::HealthResponse& dir) {
  std::vector<ServerStatus> out;
  for (const auto& member : dir.members()) {
    ServerStatus line;
    line.name = "fileserver-" + member.name();
    line.address = address_text(member.host(), static_cast<std::uint16_t>(member.port()));
    line.answers = member.up();
    if (!member.up()) line.problem = "sends no heartbeats";
    out.push_back(std::move(line));
  }
  return out;
}

Result<std::vector<MountStatus>> mount_lines(ClusterProcesses& processes) {
  std::vector<MountStatus> out;
  const auto mounts = fuse_fs::current_mounts();
  for (const MountRecord& record : TRY(processes.mounts())) {
    MountStatus line{record.path, false, std::nullopt, 0};
    if (const auto process = processes.running(record)) {
      line.alive = fuse_fs::mounted_at(mounts, record.path).has_value();
      line.pid = process->pid();
      line.resident_bytes = resident_bytes(process->pid());
    }
    out.push_back(std::move(line));
  }
  return out;
}

void warn_of_expiry(Context& context, const std::string& pem, const std::string& what, std::vector<std::string>& warnings) {
  const auto expiry = expiry_of_pem(pem);
  const auto limit = context.clock().wall().ns + Duration(kExpiryWarning).count();
  if (expiry && expiry->ns < limit) warnings.push_back(what + " expires within 30 days");
}

// Bytes that nobody has a good copy of, as far as it is known.
void warn_of_damage(const dir::v1::Member& member, std::vector<std::string>& warnings) {
  const std::string where = " on fileserver-" + member.name();
  if (member.lacking() > 0) {
    warnings.push_back(std::to_string(member.lacking()) + " chunks" + where +
                       " are missing, behind or damaged, and no other copy is up: reading them fails");
  }
  if (member.behind_ns() != 0) {
    warnings.push_back("fileserver-" + member.name() + " came back with less than it had (" +
                       vault::time_text(WallTime{member.behind_ns()}) +
                       "): its copies are compared with others; see `conclave recover fileserver " + member.name() + "`");
  }
  if (member.bad() > 0) {
    warnings.push_back(std::to_string(member.bad()) + " chunks" + where + " have blocks that are damaged in every copy");
  }
}

void warn(ClusterStatus& status) {
  for (const ServerStatus& server : status.servers) {
    if (!server.answers) status.warnings.push_back(server.name + " is down; `conclave up` starts it");
  }
  for (const MountStatus& mount : status.mounts) {
    if (!mount.alive) status.warnings.push_back("the mount at " + mount.path + " is dead; `conclave up` repairs it");
  }
  if (status.dir) {
    if (status.dir->under_replicated() > 0) {
      status.warnings.push_back(std::to_string(status.dir->under_replicated()) + " chunks have fewer than " +
                                std::to_string(status.dir->replicas()) + " copies");
    }
    if (status.dir->has_newer()) {
      status.warnings.push_back("the directory server's database is older than what fileserver-" +
                                status.dir->newer_seen_by() + " has seen (" +
                                vault::time_text(WallTime{status.dir->newer().at_ns()}) +
                                "), and it serves nothing; see `conclave recover dirserver`");
    }
    for (const auto& member : status.dir->members()) warn_of_damage(member, status.warnings);
    if (status.dir->doubted() > 0) {
      status.warnings.push_back(std::to_string(status.dir->doubted()) +
                                " chunks lie only on a file server that came back with less than it had: reading them fails");
    }
    if (const std::string left = healing_text(status.dir->healing()); !left.empty()) status.warnings.push_back(left);
    if (status.dir->members_size() < static_cast<int>(status.dir->replicas())) {
      status.warnings.push_back("fewer file servers than copies wanted (" + std::to_string(status.dir->replicas()) + ")");
    }
    if (status.dir->backup_age_s() > kBackupWarningSeconds) {
      const bool never = status.dir->backup_age_s() == UINT64_MAX;
      status.warnings.push_back(never ? "the directory server was never backed up"
                                      : "the last backup of the directory server is older than a week");
    }
  }
  if (status.vault && status.vault->exposed() > 0) {
    status.warnings.push_back(std::to_string(status.vault->exposed()) + " secrets are exposed: shares of requests without a quorum are "
                              "enough together; write a new version, `conclave secret list` says of which");
  }
  if (status.vault && status.vault->admin_threshold() < 2) {
    status.warnings.push_back("the roster's admin threshold is 1: one admin alone can name approvers of new secrets");
  }
}

}  // namespace

Result<ClusterStatus> ClusterStatus::ask(Context& context, const ClusterFolder& folder) {
  if (!TRY(context.files().exists(folder.cluster_file()))) {
    return Error(Errc::kNotFound, folder.path + " holds no cluster; make one with `conclave up --dir " + folder.path + " --mount M`");
  }
  const auto cluster = TRY(ClusterFile::load(context.files(), folder.cluster_file()));
  const auto transport = TRY(context.transport_as_host(folder));
  ClusterProcesses processes(context, folder);
  ClusterStatus out;
  out.folder = folder.path;
  ServerStatus lock_line, dir_line, vault_line;
  lock_line.name = "lockserver";
  dir_line.name = "dirserver";
  vault_line.name = "vault";
  out.lock = ask_health<lock::v1::HealthResponse, lock::v1::HealthRequest>(
      context, *transport, cluster.lock, "/conclave.lock.v1.LockService/Health", lock_line);
  out.dir = ask_health<dir::v1::HealthResponse, dir::v1::HealthRequest>(
      context, *transport, cluster.dir, "/conclave.dir.v1.DirService/Health", dir_line);
  out.vault = ask_health<vault::v1::HealthResponse, vault::v1::HealthRequest>(
      context, *transport, cluster.vault, "/conclave.vault.v1.VaultService/Health", vault_line);
  out.servers = {lock_line, dir_line, vault_line};
  if (out.dir) {
    for (ServerStatus& line : file_server_lines(*out.dir)) out.servers.push_back(std::move(line));
  }
  for (ServerStatus& line : out.servers) note_process(processes, line);
  out.mounts = TRY(mount_lines(processes));
  warn(out);
  warn_of_expiry(context, cluster.ca_pem, "the cluster's CA certificate", out.warnings);
  return out;
}

bool ClusterStatus::healthy() const {
  const bool newest = !dir || !dir->has_newer();
  return newest && std::all_of(servers.begin(), servers.end(), [](const ServerStatus& server) { return server.answers; }) &&
         std::all_of(mounts.begin(), mounts.end(), [](const MountStatus& mount) { return mount.alive; });
}

}  // namespace conclave::cli
