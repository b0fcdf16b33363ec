#include <iostream>

#include "cli/cluster_mounts.h"
#include "cli/commands.h"
#include "cli/person_client.h"
#include "vault/login_handover.h"

namespace conclave::cli {
namespace {

Result<std::vector<std::string>> mounts_here(Context& context) {
  const ClusterFile cluster = TRY(context.cluster());
  auto mounts = mounts_of(cluster.id);
  if (mounts.empty()) {
    return Error(Errc::kNotFound, "the cluster is mounted nowhere on this machine; `conclave mount DIR` mounts it");
  }
  return mounts;
}

Status login(Context& context, Duration lifetime) {
  const auto mounts = TRY(mounts_here(context));
  const auto person = TRY(PersonClient::open(context));  // the vault's yes, before the mounts are told anything
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(lifetime);
  const vault::Login login = vault::make_login(person->identity(), context.clock().wall(), seconds, context.random());
  const SecretBytes message = vault::encode_handover(login);
  TRY(write_control_to_all(mounts, "login", message.view()));
  std::cout << "Opens by your user id now speak for " << person->name() << " on " << mounts.size()
            << (mounts.size() == 1 ? " mount" : " mounts") << ", for " << to_text(lifetime) << " or until `conclave logout`.\n";
  return {};
}

Status logout(Context& context) {
  const auto mounts = TRY(mounts_here(context));
  TRY(write_control_to_all(mounts, "logout", view_of("logout\n")));
  std::cout << "Logged out.\n";
  return {};
}

}  // namespace

int run_login(Context& context, const Arguments& args) {
  std::string name;
  Duration lifetime = std::chrono::hours(12);
  CommandLine line("conclave login", "Lets the mounts on this machine speak for a person when your user id opens a secret.");
  context.accept_dir(line);
  line.argument("NAME", name, "an identity below CONCLAVE_HOME");
  line.option("--for", lifetime, "how long, 1s to 7d");
  if (const auto code = line.parse(args)) return *code;
  if (lifetime < std::chrono::seconds(1) || lifetime > vault::kMaxLogin) return line.wrong("--for takes 1s to 7d");
  context.set_identity(name);
  return Context::finish("login", login(context, lifetime));
}

int run_logout(Context& context, const Arguments& args) {
  CommandLine line("conclave logout", "Ends your user id's login on the mounts of this machine.");
  context.accept_identity(line);
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("logout", logout(context));
}

}  // namespace conclave::cli
