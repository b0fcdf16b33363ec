// The two forms in which a ClusterStatus is shown: tables for people, JSON for programs.
#include <algorithm>
#include <iostream>
#include <sstream>

#include "cli/cluster_status.h"
#include "cli/column_table.h"
#include "cli/healing_text.h"
#include "cli/json.h"

namespace conclave::cli {
namespace {

std::string mebibytes(std::uint64_t bytes) { return bytes == 0 ? "-" : std::to_string(bytes >> 20) + " MiB"; }

std::string gibibytes(std::uint64_t bytes) {
  std::ostringstream out;
  out.precision(1);
  out << std::fixed << static_cast<double>(bytes) / (1u << 30) << " GiB";
  return out.str();
}

std::string pid_text(const std::optional<pid_t>& pid) { return pid ? std::to_string(*pid) : "-"; }

// What is worth a word about a server.
std::string detail_of(const ClusterStatus& status, const ServerStatus& server) {
  if (!server.answers) return server.problem;
  if (server.name == "lockserver" && status.lock) {
    return std::to_string(status.lock->sessions_size()) + " sessions, " + std::to_string(status.lock->leases()) +
           " leases, epoch " + std::to_string(status.lock->epoch());
  }
  if (server.name == "dirserver" && status.dir) {
    return std::to_string(status.dir->inodes()) + " inodes, " + std::to_string(status.dir->chunks()) + " chunks";
  }
  if (server.name == "vault" && status.vault) {
    return std::to_string(status.vault->secrets()) + " secrets, " + std::to_string(status.vault->pending()) +
           " requests pending, roster " + std::to_string(status.vault->roster_version());
  }
  if (!status.dir) return "";
  for (const auto& member : status.dir->members()) {
    if (server.name != "fileserver-" + member.name()) continue;
    return gibibytes(member.free_bytes()) + " free" + (member.draining() ? ", draining" : "");
  }
  return "";
}

void print_servers(const ClusterStatus& status) {
  ColumnTable table({"SERVER", "ADDRESS", "STATE", "PID", "MEMORY", ""});
  for (const ServerStatus& server : status.servers) {
    const Cell state = server.answers ? Cell("up", Mark::kGood) : Cell("down", Mark::kBad);
    table.add({server.name, server.address, state, pid_text(server.pid), mebibytes(server.resident_bytes),
               detail_of(status, server)});
  }
  table.print();
}

void print_mounts(const ClusterStatus& status) {
  if (status.mounts.empty()) return;
  ColumnTable table({"MOUNT", "STATE", "PID", "MEMORY"});
  for (const MountStatus& mount : status.mounts) {
    table.add({mount.path, mount.alive ? Cell("up", Mark::kGood) : Cell("dead", Mark::kBad), pid_text(mount.pid),
               mebibytes(mount.resident_bytes)});
  }
  std::cout << "\n";
  table.print();
}

void print_sessions(const ClusterStatus& status) {
  if (!status.lock || status.lock->sessions().empty()) return;
  ColumnTable table({"SESSION", "OF", "LEASES", "LOCKS", "ENDS IN"});
  for (const auto& session : status.lock->sessions()) {
    table.add({session.label(), session.peer(), std::to_string(session.leases()), std::to_string(session.locks()),
               std::to_string(session.expires_in_ms() / 1000) + " s"});
  }
  std::cout << "\n";
  table.print();
}

JsonObject json_of(const ServerStatus& server) {
  JsonObject out;
  out.set("name", server.name).set("address", server.address).set("answers", server.answers);
  if (!server.problem.empty()) out.set("problem", server.problem);
  if (server.pid) out.set("pid", *server.pid).set("resident_bytes", server.resident_bytes);
  return out;
}

JsonObject json_of(const MountStatus& mount) {
  JsonObject out;
  out.set("path", mount.path).set("alive", mount.alive);
  if (mount.pid) out.set("pid", *mount.pid).set("resident_bytes", mount.resident_bytes);
  return out;
}

JsonObject json_of(const lock::v1::HealthResponse& lock) {
  JsonList sessions;
  for (const auto& session : lock.sessions()) {
    JsonObject one;
    one.set("label", session.label()).set("peer", session.peer()).set("leases", session.leases());
    one.set("locks", session.locks()).set("expires_in_ms", session.expires_in_ms());
    sessions.add(one);
  }
  JsonObject out;
  out.set("epoch", lock.epoch()).set("leases", lock.leases()).set("recalls", lock.recalls());
  return out.set("grants", lock.grants()).set("waiting", lock.waiting()).set("sessions", sessions);
}

JsonObject json_of(const dir::v1::HealthResponse& dir) {
  JsonObject out;
  out.set("inodes", dir.inodes()).set("chunks", dir.chunks()).set("orphans", dir.orphans());
  out.set("under_replicated", dir.under_replicated()).set("replicas", dir.replicas()).set("doubted", dir.doubted());
  out.set("old_database", dir.has_newer()).set("healing", cli::json_of(dir.healing()));
  return out.set("commits", dir.commits()).set("operations", dir.operations()).set("syncs", dir.syncs());
}

JsonObject json_of(const vault::v1::HealthResponse& vault) {
  JsonObject out;
  out.set("roster_version", vault.roster_version()).set("admin_threshold", vault.admin_threshold());
  return out.set("secrets", vault.secrets()).set("pending", vault.pending()).set("log_size", vault.log_size());
}

}  // namespace

std::string ClusterStatus::json() const {
  JsonList server_list, mount_list, warning_list;
  for (const ServerStatus& server : servers) server_list.add(json_of(server));
  for (const MountStatus& mount : mounts) mount_list.add(json_of(mount));
  for (const std::string& warning : warnings) warning_list.add(warning);
  JsonObject out;
  out.set("folder", folder).set("healthy", healthy()).set("servers", server_list).set("mounts", mount_list);
  if (lock) out.set("lock", json_of(*lock));
  if (dir) out.set("dir", json_of(*dir));
  if (vault) out.set("vault", json_of(*vault));
  return out.set("warnings", warning_list).text();
}

void ClusterStatus::print() const {
  print_servers(*this);
  print_mounts(*this);
  print_sessions(*this);
  if (!warnings.empty()) std::cout << "\n";
  for (const std::string& warning : warnings) {
    const std::string text = "warning: " + printable(warning);
    std::cout << (stdout_has_colour() ? "\033[33m" + text + "\033[0m" : text) << "\n";
  }
}

}  // namespace conclave::cli
