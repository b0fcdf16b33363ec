#include "cli/person_client.h"

#include "cli/passphrase.h"
#include "cli/tls_files.h"

namespace conclave::cli {
namespace {

constexpr auto kCommandLogin = std::chrono::minutes(10);  // longer than any one command

}  // namespace

vault::LogCheck log_check(vault::VaultClient& vault, const ClusterFile& cluster, vault::VaultMemory& memory) {
  return {[&vault](const std::string& path) { return vault.log_file(path); }, vault::log_origin(cluster.id), cluster.log_key,
          memory};
}

Result<vault::Identity> unlock_identity(Context& context, const IdentityFolder& folder) {
  const std::string file = TRY(context.files().read_all(folder.identity(), kMaxIdentityBytes));
  const SecretBytes passphrase = TRY(ask_passphrase(context.files(), "Passphrase of " + folder.name()));
  auto identity = vault::open_identity(file, passphrase);
  if (!identity) return in_context(folder.name(), std::move(identity).error());
  return identity;
}

Result<std::unique_ptr<Transport>> knocking_transport(Context& context, const IdentityFolder& folder) {
  const ClusterFile cluster = TRY(context.cluster());
  const std::string guest = folder.path + "/guest";
  if (TRY(context.files().exists(guest + ".pem"))) {
    return context.transport_as(cluster, TRY(read_certified_key(context.files(), guest)));
  }
  return context.transport_as_host(TRY(context.cluster_folder()));
}

Result<std::unique_ptr<PersonClient>> PersonClient::open(Context& context) {
  const IdentityFolder folder = TRY(context.identity());
  vault::Identity identity = TRY(unlock_identity(context, folder));
  return enter(context, folder, std::move(identity));
}

Result<std::unique_ptr<PersonClient>> PersonClient::renew(Context& context, std::unique_ptr<PersonClient> old) {
  const IdentityFolder folder = old->folder_;
  vault::Identity identity = std::move(old->identity_);
  old.reset();
  return enter(context, folder, std::move(identity));
}

Result<std::unique_ptr<PersonClient>> PersonClient::enter(Context& context, const IdentityFolder& folder, vault::Identity identity) {
  const ClusterFile cluster = TRY(context.cluster());
  const IdentityConfig config = TRY(IdentityConfig::load(context.files(), folder));
  if (identity.cluster != cluster.id) {
    return Error(Errc::kInvalid, folder.name() + " is an identity of another cluster; choose with --as or --dir");
  }
  vault::Login login = vault::make_login(identity, context.clock().wall(), kCommandLogin, context.random());

  const auto knocking = TRY(knocking_transport(context, folder));
  vault::VaultClient door(*knocking, context.clock(), cluster.vault);
  vault::RosterChain roster = TRY(vault::fetch_roster(door, config.roster_1));
  auto memory = std::make_unique<vault::VaultMemory>(context.files(), folder.path, context.waiter());
  vault::v1::LoginRequest request;
  request.set_login_certificate(string_of(encode(login.cert)));
  auto answer = door.login(request);
  if (!answer) return in_context("the vault does not let " + identity.person + " in", std::move(answer).error());
  auto transport = context.transport_as(cluster, {answer->chain_pem(), private_key_pem(login.key)});
  auto vault = std::make_unique<vault::VaultClient>(*transport, context.clock(), cluster.vault);
  auto log = log_check(*vault, cluster, *memory);
  TRY(vault::accept_roster(roster, *memory, log));
  return std::unique_ptr<PersonClient>(new PersonClient(folder, cluster, std::move(identity), std::move(login),
                                                        std::move(transport), std::move(vault), std::move(roster), std::move(memory)));
}

namespace {

std::string commands_memory(const ClusterFolder& folder) { return folder.path + "/seen-by-commands"; }

// Who cannot enter the cluster's folder asks as the person he is.
bool has_host_key(Context& context, const ClusterFolder& folder) {
  return context.files().exists(folder.server("mount") + "/host.key").value_or(false);
}

}  // namespace

std::vector<std::string> memory_folders(Context& context) {
  std::vector<std::string> out;
  if (const auto identity = context.identity()) out.push_back(identity->path);
  const auto cluster = context.cluster_folder();
  if (cluster && has_host_key(context, *cluster)) out.push_back(commands_memory(*cluster));
  return out;
}

Result<VaultReader> open_vault_reader(Context& context) {
  const auto folder = context.cluster_folder();
  if (folder && has_host_key(context, *folder)) {
    const ClusterFile cluster = TRY(context.cluster());
    auto transport = TRY(context.transport_as_host(*folder));
    auto client = std::make_unique<vault::VaultClient>(*transport, context.clock(), cluster.vault);
    auto roster = TRY(vault::fetch_roster(*client, cluster.roster_1));
    auto memory = std::make_unique<vault::VaultMemory>(context.files(), commands_memory(*folder), context.waiter());
    auto log = log_check(*client, cluster, *memory);
    TRY(vault::accept_roster(roster, *memory, log));
    return VaultReader{std::move(transport), nullptr, std::move(client), std::move(memory), std::move(roster), cluster};
  }
  auto person = TRY(PersonClient::open(context));
  auto client = std::make_unique<vault::VaultClient>(person->transport(), context.clock(), person->cluster().vault);
  vault::RosterChain roster = person->roster();
  const ClusterFile cluster = person->cluster();
  return VaultReader{nullptr, std::move(person), std::move(client), nullptr, std::move(roster), cluster};
}

}  // namespace conclave::cli
