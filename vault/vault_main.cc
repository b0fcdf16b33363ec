#include "vault/vault_main.h"

#include "base/daemon.h"
#include "base/server_main.h"
#include "vault/vault_ops.h"

namespace conclave::vault {
namespace {

constexpr std::size_t kMaxKeyFileBytes = 64 << 10;
constexpr std::size_t kMaxRosterBytes = 1 << 20;

struct VaultFiles {
  CertifiedKey issuer;
  Bytes first_roster;
  SigningKey log_key;
};

Result<SecretBytes> read_secret(Files& files, const std::string& path) {
  std::string text = TRY(files.read_all(path, kMaxKeyFileBytes));
  SecretBytes out = SecretBytes::copy_of(view_of(text));
  wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  return out;
}

Result<SigningKey> read_log_key(Files& files, const std::string& path) {
  const SecretBytes text = TRY(read_secret(files, path));
  auto seed = from_hex(text_of(text.view()).substr(0, 64));
  if (!seed || seed->size() != 32) return Error(Errc::kInvalid, path + " must hold 64 hexadecimal digits");
  SigningKey key = signing_key_of_seed(*seed);
  wipe(*seed);
  return key;
}

Result<VaultFiles> read_vault_files(Config& config, Files& files, const std::string& folder) {
  const std::string certificate = config.text("issuer.certificate");
  const std::string key = config.text("issuer.key");
  const std::string roster = config.text("roster.first");
  const std::string log_key = config.text("log.key");
  TRY(config.finish());
  VaultFiles out;
  out.issuer.chain_pem = TRY(files.read_all(path_below(folder, certificate), kMaxKeyFileBytes));
  out.issuer.key_pem = TRY(read_secret(files, path_below(folder, key)));
  out.first_roster = bytes_of(view_of(TRY(files.read_all(path_below(folder, roster), kMaxRosterBytes))));
  out.log_key = TRY(read_log_key(files, path_below(folder, log_key)));
  return out;
}

Status serve(Config& config, const std::string& path, Files& files) {
  const ServerConfig server = TRY(ServerConfig::read(config, files, path));
  VaultFiles own = TRY(read_vault_files(config, files, server.folder));
  if (own.log_key.public_key != server.cluster.log_key) {
    return Error(Errc::kInvalid, "log.key is not the key that cluster.toml names; checkpoints would not verify");
  }
  SystemClock clock;
  SystemRandom random;
  SystemWaiter waiter;
  Log log("vault " + server.name, TRY(parse_log_level(server.log_level)));

  const SqliteVfs vfs(files, clock, random);
  const auto state = TRY(VaultState::open(vfs, server.data + "/vault.db", own.first_roster, std::move(own.log_key), clock,
                                          random, waiter));
  Accounts accounts(*state, std::move(own.issuer), server.cluster.id);
  Secrets secrets(*state, accounts, server.cluster.ca_pem);
  EventHub events;
  RequestBook book(*state, accounts, secrets, events, clock);
  Router router(clock);
  add_routes(router, *state, accounts, secrets, book);

  const auto https = TRY(ConnectServer::listen({server.host, server.port}, server.tls, router, log));
  Daemon daemon(clock, log);
  daemon.add_pool("front", server.threads, [&] { https->run(); }, [&] { https->stop(); });
  daemon.add_duty("expiry", book);
  log.info("serving", {{"address", server.host}, {"port", https->port()}, {"roster", state->roster().current().version}});
  daemon.run();
  return {};
}

}  // namespace

int run_vault(const std::vector<std::string>& args) {
  SystemFiles files;
  return server_main("vault", args, files,
                     [&](Config& config, const std::string& path) { return serve(config, path, files); });
}

}  // namespace conclave::vault
