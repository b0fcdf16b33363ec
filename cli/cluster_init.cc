#include "cli/cluster_init.h"

#include <unistd.h>

#include "cli/first_admin.h"
#include "cli/free_port.h"
#include "cli/server_files.h"
#include "cli/tls_files.h"
#include "vault/roster.h"

namespace conclave::cli {
namespace {

// No command renews certificates: these outlive the machines. `status` warns 30 days before one ends.
constexpr auto kCaLifetime = std::chrono::hours(24 * 365 * 20);
constexpr auto kServerLifetime = std::chrono::hours(24 * 365 * 10);
constexpr std::size_t kMaxConfigBytes = 64 << 10;

class Making {
 public:
  Making(Context& context, const ClusterFolder& folder, const ClusterId& id)
      : context_(context), files_(context.files()), folder_(folder), id_(id),
        ca_(make_ca(id, context.clock().wall(), kCaLifetime, context.random())) {}

  Status certificate_authority() {
    TRY(files_.write_all(folder_.ca_key(), text_of(ca_.key_pem.view())));
    TRY(files_.write_all(folder_.ca_certificate(), ca_.chain_pem));
    return files_.write_all(folder_.next_file_server(), "1\n");
  }

  // A folder with certificate, key and configuration.
  Status member(const std::string& part, Role role, const std::string& name, const std::string& stem,
                const std::string& config) {
    TRY(files_.make_folders(folder_.server(part)));
    CertificateSubject subject;
    subject.role = role;
    subject.name = name;
    const auto own = TRY(issue(ca_, id_, subject, context_.clock().wall(), kServerLifetime, context_.random()));
    TRY(write_certified_key(files_, folder_.server(part) + "/" + stem, own));
    return files_.write_all(folder_.config(part), config);
  }

  // The audit log's signing key: its seed stays with the vault, its public half (returned) goes into cluster.toml.
  Result<std::string> log_key() {
    const SigningKey key = make_signing_key(context_.random());
    TRY(files_.write_all(folder_.server("vault") + "/log.key", to_hex(key.seed.view()) + "\n"));
    return to_hex(key.public_key);
  }

  Status user_issuer() {
    const auto issuer = TRY(make_user_issuer(ca_, id_, context_.clock().wall(), kServerLifetime, context_.random()));
    return write_certified_key(files_, folder_.server("vault") + "/issuer", issuer);
  }

 private:
  Context& context_;
  Files& files_;
  const ClusterFolder& folder_;
  ClusterId id_;
  CertifiedKey ca_;
};

// Takes the number out of the file before it is used: a name is never given twice.
Result<std::string> next_name(Files& files, const ClusterFolder& folder) {
  const std::string text = TRY(files.read_all(folder.next_file_server(), 32));
  const unsigned long number = std::strtoul(text.c_str(), nullptr, 10);
  if (number == 0) return Error(Errc::kCorrupt, folder.next_file_server() + " holds no number");
  TRY(files.write_all(folder.next_file_server(), std::to_string(number + 1) + "\n"));
  return std::to_string(number);
}

}  // namespace

Status check_empty(Files& files, const ClusterFolder& folder) {
  if (TRY(files.exists(folder.cluster_file()))) {
    return Error(Errc::kExists, folder.path + " already holds a cluster; `conclave up --dir " + folder.path + "` starts it");
  }
  if (!TRY(files.exists(folder.path))) return {};
  auto names = TRY(files.list(folder.path));
  std::erase_if(names, [](const std::string& name) { return name == "run" || name == "log"; });  // `up` locks before it inits
  if (!names.empty()) {
    return Error(Errc::kExists, folder.path + " is not empty and holds no cluster; choose another folder, or empty it");
  }
  return {};
}

Status init_cluster(Context& context, const ClusterFolder& folder, const InitOptions& options) {
  Files& files = context.files();
  TRY(check_empty(files, folder));
  const auto ports = TRY(free_ports(options.address, 3, context.random()));
  const auto at = [&](std::size_t i) { return address_text(options.address, ports[i]); };
  ClusterId id{};
  context.random().fill(id);

  const std::string admin = options.admin.empty() ? unix_user() : options.admin;
  const Bytes roster = TRY(init_first_admin(context, folder, id, admin));
  Making making(context, folder, id);
  TRY(making.certificate_authority());
  TRY(making.member("lockserver", Role::kLock, "1", "server", lockserver_toml(at(0))));
  TRY(making.member("dirserver", Role::kDir, "1", "server", dirserver_toml(at(1), options.replicas, getuid(), getgid())));
  TRY(making.member("vault", Role::kVault, "1", "server", vault_toml(at(2))));
  TRY(making.user_issuer());
  TRY(files.write_all(folder.server("vault") + "/roster-1", text_of(roster)));
  const std::string log_key = TRY(making.log_key());
  const std::string roster_1 = to_hex(TRY(vault::parse_roster(roster)).hash());
  TRY(making.member("mount", Role::kHost, machine_name(), "host", mount_toml()));
  TRY(files.make_folders(folder.run()));
  TRY(files.make_folders(folder.path + "/log"));
  TRY(files.write_all(folder.cluster_file(), cluster_toml({to_hex(id), at(1), at(0), at(2), roster_1, log_key})));
  return copy_cluster_file(context, folder, {context.home() + "/" + admin});
}

Result<JoinToken> make_join_token(Context& context, const ClusterFolder& folder) {
  Files& files = context.files();
  const auto cluster = TRY(ClusterFile::load(files, folder.cluster_file()));
  const auto ca = TRY(read_certified_key(files, folder.path + "/ca"));
  JoinToken token;
  token.cluster_toml = TRY(files.read_all(folder.cluster_file(), kMaxConfigBytes));
  token.ca_pem = cluster.ca_pem;
  token.name = TRY(next_name(files, folder));
  CertificateSubject subject;
  subject.role = Role::kFile;
  subject.name = token.name;
  token.certificate = TRY(issue(ca, cluster.id, subject, context.clock().wall(), kServerLifetime, context.random()));
  return token;
}

Status install_file_server(Context& context, const JoinToken& token, const std::string& data, const std::string& listen) {
  Files& files = context.files();
  if (TRY(files.exists(data + "/fileserver.toml"))) {
    return Error(Errc::kExists, data + " already belongs to a file server; start it without --join, or give the token another folder");
  }
  TRY(files.make_folders(data));
  TRY(files.write_all(data + "/ca.pem", token.ca_pem));
  TRY(files.write_all(data + "/cluster.toml", token.cluster_toml));
  const auto cluster = TRY(ClusterFile::load(files, data + "/cluster.toml"));
  std::string address = listen;
  std::uint16_t front = 0;
  if (listen.empty()) {
    address = TRY(address_towards(cluster.dir.host, cluster.dir.port));
  } else if (auto given = parse_address(listen)) {
    address = given->first;
    front = given->second;
  }
  const auto ports = TRY(free_ports(address, 2, context.random()));
  TRY(write_certified_key(files, data + "/server", token.certificate));
  return files.write_all(data + "/fileserver.toml",
                         fileserver_toml(token.name, address_text(address, front == 0 ? ports[0] : front),
                                         address_text(address, ports[1])));
}

}  // namespace conclave::cli
