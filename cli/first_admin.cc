#include "cli/first_admin.h"

#include <unistd.h>

#include "cli/passphrase.h"
#include "vault/fields.h"
#include "vault/roster.h"

namespace conclave::cli {
namespace {

constexpr std::size_t kMaxConfigBytes = 64 << 10;

// Out of the way of a new identity: the keys of a cluster that is gone may still open a backup of it.
Status make_room(Context& context, const IdentityFolder& identity) {
  Files& files = context.files();
  if (!TRY(files.exists(identity.identity()))) return {};
  const std::string sealed = TRY(files.read_all(identity.identity(), kMaxIdentityBytes));
  const auto label = TRY(vault::read_identity_label(sealed));
  const auto config = TRY(IdentityConfig::load(files, identity));
  const bool local = !config.cluster_folder.empty();
  if (!local || TRY(files.exists(ClusterFolder{config.cluster_folder}.cluster_file()))) {
    return Error(Errc::kExists, identity.path + " is the identity of another cluster" +
                                    (local ? " (" + config.cluster_folder + ")" : "") +
                                    "; set CONCLAVE_HOME to another folder, or choose another name with --admin");
  }
  return files.rename(identity.path, identity.path + ".was-" + to_hex(label.cluster).substr(0, 8));
}

vault::RosterVersion first_roster(Context& context, const vault::Identity& admin) {
  vault::Person person;
  person.name = admin.person;
  person.uid = getuid();
  person.gid = getgid();
  person.roles = vault::kUsualRoles | vault::kAdmin;
  person.devices.push_back({admin.device.public_half(), false});
  vault::RosterVersion roster;
  roster.cluster = admin.cluster;
  roster.issued = context.clock().wall();
  roster.people.push_back(person);
  vault::sign_roster(roster, admin.device);
  return roster;
}

}  // namespace

Result<Bytes> init_first_admin(Context& context, const ClusterFolder& folder, const ClusterId& cluster,
                               const std::string& name) {
  if (!vault::is_person_name(name)) {
    return Error(Errc::kInvalid, "'" + name + "' cannot be a person's name: use " + std::string(vault::kPersonNameRule));
  }
  const IdentityFolder identity_folder{context.home() + "/" + name};
  TRY(make_room(context, identity_folder));
  const SecretBytes passphrase = TRY(ask_new_passphrase(context.files(), "New passphrase of " + name));
  const vault::Identity admin{cluster, name, vault::make_device(context.random())};
  const std::string sealed = TRY(vault::seal_identity(admin, passphrase, vault::kPassphraseCostLog2, context.random()));
  const vault::RosterVersion roster = first_roster(context, admin);

  TRY(context.files().make_folders(identity_folder.path));
  TRY((IdentityConfig{folder.path, roster.hash()}.save(context.files(), identity_folder)));
  TRY(context.files().write_all(identity_folder.identity(), sealed));
  return encode(roster);
}

Status copy_cluster_file(Context& context, const ClusterFolder& folder, const IdentityFolder& identity) {
  Files& files = context.files();
  const std::string ca = TRY(files.read_all(folder.ca_certificate(), kMaxConfigBytes));
  const std::string cluster = TRY(files.read_all(folder.cluster_file(), kMaxConfigBytes));
  TRY(files.write_all(identity.ca_certificate(), ca));
  return files.write_all(identity.cluster_file(), cluster);
}

}  // namespace conclave::cli
