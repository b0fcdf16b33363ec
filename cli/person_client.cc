#include "cli/person_client.h"

#include "cli/passphrase.h"
#include "cli/tls_files.h"

namespace conclave::cli {
namespace {

constexpr auto kCommandLogin = std::chrono::minutes(10);  // longer than any one command

}  // namespace

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
  const ClusterFile cluster = TRY(context.cluster());
  const IdentityConfig config = TRY(IdentityConfig::load(context.files(), folder));
  vault::Identity identity = TRY(unlock_identity(context, folder));
  if (identity.cluster != cluster.id) {
    return Error(Errc::kInvalid, folder.name() + " is an identity of another cluster; choose with --as or --dir");
  }
  vault::Login login = vault::make_login(identity, context.clock().wall(), kCommandLogin, context.random());

  const auto knocking = TRY(knocking_transport(context, folder));
  vault::VaultClient door(*knocking, context.clock(), cluster.vault);
  vault::RosterChain roster = TRY(vault::fetch_roster(door, config.roster_1));
  auto memory = std::make_unique<vault::VaultMemory>(context.files(), folder.path, context.waiter());
  TRY(memory->check_roster(roster));
  vault::v1::LoginRequest request;
  request.set_login_certificate(string_of(encode(login.cert)));
  auto answer = door.login(request);
  if (!answer) return in_context("the vault does not let " + identity.person + " in", std::move(answer).error());
  auto transport = context.transport_as(cluster, {answer->chain_pem(), private_key_pem(login.key)});
  auto vault = std::make_unique<vault::VaultClient>(*transport, context.clock(), cluster.vault);
  return std::unique_ptr<PersonClient>(new PersonClient(folder, cluster, std::move(identity), std::move(login),
                                                        std::move(transport), std::move(vault), std::move(roster), std::move(memory)));
}

Result<VaultReader> open_vault_reader(Context& context) {
  const auto folder = context.cluster_folder();
  // Who cannot enter the cluster's folder asks as the person he is.
  if (folder && context.files().exists(folder->server("mount") + "/host.key").value_or(false)) {
    const ClusterFile cluster = TRY(context.cluster());
    auto transport = TRY(context.transport_as_host(*folder));
    auto client = std::make_unique<vault::VaultClient>(*transport, context.clock(), cluster.vault);
    auto roster = TRY(vault::fetch_roster(*client, cluster.roster_1));
    return VaultReader{std::move(transport), nullptr, std::move(client), std::move(roster), cluster};
  }
  auto person = TRY(PersonClient::open(context));
  auto client = std::make_unique<vault::VaultClient>(person->transport(), context.clock(), person->cluster().vault);
  vault::RosterChain roster = person->roster();
  const ClusterFile cluster = person->cluster();
  return VaultReader{nullptr, std::move(person), std::move(client), std::move(roster), cluster};
}

}  // namespace conclave::cli
