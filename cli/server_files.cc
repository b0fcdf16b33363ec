#include "cli/server_files.h"

#include "cli/identity_folder.h"

namespace conclave::cli {
namespace {

std::string server_section(const std::string& name, const std::string& listen) {
  return "[server]\nname = " + toml_text(name) + "\nlisten = " + toml_text(listen) + "\ndata = \"data\"\n";
}

std::string tls_section(const std::string& stem) {
  return "[tls]\ncertificate = \"" + stem + ".pem\"\nkey = \"" + stem + ".key\"\n";
}

}  // namespace

std::string cluster_toml(const ClusterAddresses& addresses) {
  return "[cluster]\nid = " + toml_text(addresses.id_hex) + "\n\n[servers]\ndir = " + toml_text("1@" + addresses.dir) +
         "\nlock = " + toml_text("1@" + addresses.lock) + "\nvault = " + toml_text("1@" + addresses.vault) +
         "\n\n[roster]\nfirst = " + toml_text(addresses.roster_hex) + "\n\n[log]\nkey = " + toml_text(addresses.log_key_hex) +
         "\n\n[tls]\nca = \"ca.pem\"\n";
}

std::string lockserver_toml(const std::string& listen) {
  return "cluster = \"../cluster.toml\"\n\n" + server_section("1", listen) + "\n" + tls_section("server");
}

std::string dirserver_toml(const std::string& listen, unsigned replicas, unsigned owner_uid, unsigned owner_gid) {
  return "cluster = \"../cluster.toml\"\n\n" + server_section("1", listen) + "\n" + tls_section("server") +
         "\n[dir]\nreplicas = " + std::to_string(replicas) + "\nowner_uid = " + std::to_string(owner_uid) +
         "\nowner_gid = " + std::to_string(owner_gid) + "\n";
}

std::string vault_toml(const std::string& listen) {
  return "cluster = \"../cluster.toml\"\n\n" + server_section("1", listen) + "\n" + tls_section("server") +
         "\n[issuer]\ncertificate = \"issuer.pem\"\nkey = \"issuer.key\"\n\n[roster]\nfirst = \"roster-1\"\n\n[log]\nkey = \"log.key\"\n";
}

std::string fileserver_toml(const std::string& name, const std::string& listen, const std::string& back) {
  return "cluster = \"cluster.toml\"\n\n" + server_section(name, listen) + "back = " + toml_text(back) + "\n\n" +
         tls_section("server");
}

std::string mount_toml() { return "cluster = \"../cluster.toml\"\n\n" + tls_section("host"); }

}  // namespace conclave::cli
