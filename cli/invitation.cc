#include "cli/invitation.h"

#include "base/canonical.h"
#include "cli/kept_invitation.h"
#include "cli/passphrase.h"
#include "cli/tls_files.h"
#include "vault/fields.h"

namespace conclave::cli {
namespace {

constexpr std::string_view kPrefix = "conclave-person-1.";
constexpr std::size_t kMaxFieldBytes = 16 << 10;
constexpr int kAdmitAttempts = 5;   // another admin may be quicker; then it is made again on top

std::string invitations(const PersonClient& admin) { return admin.folder().path + "/invitations"; }

// The next version with the person in it, signed by the admin, over the log as this device has verified it now.
Result<vault::RosterVersion> next_roster(Context& context, PersonClient& admin, const vault::Person& person) {
  const vault::Checkpoint seen = TRY(log_check(admin.vault(), admin.cluster(), admin.memory()).advance());
  vault::RosterVersion next = admin.roster().current();
  next.previous = next.hash();
  next.log_size = seen.size;
  next.log_root = seen.root;
  next.version += 1;
  next.issued = context.clock().wall();
  next.signatures.clear();
  next.people.push_back(person);
  vault::sign_roster(next, admin.identity().device);
  return next;
}

// An identity that this token made here, whose keys may not have been sent.
Result<bool> was_joined_by(Files& files, const IdentityFolder& folder, const PersonToken& token) {
  if (!TRY(files.exists(folder.path + "/guest.pem"))) return false;
  return TRY(read_certified_key(files, folder.path + "/guest")).chain_pem == token.guest.chain_pem;
}

// The identity's own file comes last: with it, everything is there.
Result<vault::Identity> make_identity(Context& context, const IdentityFolder& folder, const PersonToken& token,
                                      const std::string& cluster_folder) {
  Files& files = context.files();
  TRY(files.make_folders(folder.path));
  TRY(files.write_all(folder.cluster_file(), token.cluster_toml));
  TRY(files.write_all(folder.ca_certificate(), token.ca_pem));
  const ClusterFile cluster = TRY(ClusterFile::load(files, folder.cluster_file()));
  const SecretBytes passphrase = TRY(ask_new_passphrase(files, "New passphrase of " + token.name));
  vault::Identity identity{cluster.id, token.name, vault::make_device(context.random())};
  const std::string sealed = TRY(vault::seal_identity(identity, passphrase, vault::kPassphraseCostLog2, context.random()));
  TRY(write_certified_key(files, folder.path + "/guest", token.guest));
  TRY((IdentityConfig{cluster_folder, token.roster_1}.save(files, folder)));
  TRY(files.write_all(folder.identity(), sealed));
  return identity;
}

// The same again is done already.
Status send_keys(Context& context, const PersonToken& token, const ClusterFile& cluster, const vault::Identity& identity) {
  vault::v1::JoinRequest request;
  const vault::DevicePublic device = identity.device.public_half();
  request.set_id(string_of(token.id));
  request.set_device(string_of(encode(device)));
  request.set_mac(string_of(vault::join_mac(token.secret, token.id, token.name, device)));
  const auto transport = context.transport_as(cluster, {token.guest.chain_pem, token.guest.key_pem.clone()});
  TRY(vault::VaultClient(*transport, context.clock(), cluster.vault).join(request));
  return {};
}

}  // namespace

std::string PersonToken::text() const {
  Bytes bytes = CanonicalWriter().lv(cluster_toml).lv(ca_pem).raw(roster_1).lv(name).lv(id).lv(secret.view())
                    .lv(guest.chain_pem).lv(guest.key_pem.view()).bytes();
  const Bytes sum = CanonicalWriter().u32(crc32c(bytes)).bytes();
  bytes.insert(bytes.end(), sum.begin(), sum.end());
  std::string out = std::string(kPrefix) + to_base64url(bytes);
  wipe(bytes);
  return out;
}

Result<PersonToken> PersonToken::parse(std::string_view text) {
  const Error bad(Errc::kInvalid, "this is no whole join token of a person; copy it again, or ask an admin for a new one");
  if (!text.starts_with(kPrefix)) return bad;
  const auto bytes = from_base64url(text.substr(kPrefix.size()));
  if (!bytes || bytes->size() < 4) return bad;
  const ByteView body = ByteView(*bytes).first(bytes->size() - 4);
  if (CanonicalReader(ByteView(*bytes).last(4)).u32() != crc32c(body)) return bad;
  CanonicalReader in(body);
  PersonToken token;
  token.cluster_toml = in.text(kMaxFieldBytes);
  token.ca_pem = in.text(kMaxFieldBytes);
  token.roster_1 = in.array<32>();
  token.name = in.text(64);
  token.id = bytes_of(in.lv(16));
  token.secret = SecretBytes::copy_of(in.lv(kInvitationSecretBytes));
  token.guest.chain_pem = in.text(kMaxFieldBytes);
  token.guest.key_pem = SecretBytes::copy_of(in.lv(kMaxFieldBytes));
  if (!in.finish("join token") || token.secret.size() != kInvitationSecretBytes) return bad;
  if (!vault::is_person_name(token.name)) return bad;  // it will name a folder
  return token;
}

Result<PersonToken> invite(Context& context, PersonClient& admin, const Invitee& invitee) {
  vault::v1::InviteRequest request;
  request.set_name(invitee.name);
  request.set_uid(invitee.uid);
  request.set_gid(invitee.gid);
  request.set_roles(invitee.roles);
  request.set_lifetime_s(static_cast<std::uint64_t>(invitee.lifetime.count()));
  auto response = TRY(admin.vault().invite(request));
  PersonToken token;
  token.cluster_toml = TRY(context.files().read_all(admin.folder().cluster_file(), kMaxFieldBytes));
  token.ca_pem = admin.cluster().ca_pem;
  token.roster_1 = admin.roster().at(1)->hash();
  token.name = invitee.name;
  token.id = bytes_of(view_of(response.id()));
  token.secret = SecretBytes(kInvitationSecretBytes);
  context.random().fill(token.secret.span());
  token.guest = {response.guest_chain_pem(), SecretBytes::copy_of(view_of(response.guest_key_pem()))};
  wipe({reinterpret_cast<std::uint8_t*>(response.mutable_guest_key_pem()->data()), response.guest_key_pem().size()});
  TRY(keep_invitation(context.files(), invitations(admin), token.id,
                      {invitee.name, invitee.uid, invitee.gid, invitee.roles, token.secret.clone()}));
  return token;
}

Status set_aside_unadmitted(Context& context, const PersonClient& admin, const PersonToken& token) {
  Files& files = context.files();
  const IdentityFolder folder{context.home() + "/" + token.name};
  if (!TRY(files.exists(folder.identity()))) return {};
  const std::string sealed = TRY(files.read_all(folder.identity(), kMaxIdentityBytes));
  if (TRY(vault::read_identity_label(sealed)).cluster != admin.cluster().id) return {};
  return files.rename(folder.path, folder.path + ".was-" + to_hex(token.id).substr(0, 8));
}

// The keys are kept before they are sent: whoever is admitted has them.
Status join(Context& context, const PersonToken& token, const std::string& cluster_folder) {
  Files& files = context.files();
  const IdentityFolder folder{context.home() + "/" + token.name};
  const bool again = TRY(files.exists(folder.identity()));
  if (again && !TRY(was_joined_by(files, folder, token))) {
    return Error(Errc::kExists, folder.path + " holds an identity already; set CONCLAVE_HOME to another folder");
  }
  const auto identity = again ? unlock_identity(context, folder) : make_identity(context, folder, token, cluster_folder);
  if (!identity) return identity.error();
  const ClusterFile cluster = TRY(ClusterFile::load(files, folder.cluster_file()));
  const Status sent = send_keys(context, token, cluster, *identity);
  if (sent) return {};
  if (may_pass(sent.error().code)) return in_context("run the same again; the keys wait in " + folder.path, sent.error());
  if (!again) TRY(files.remove(folder.identity()));  // of no use: nobody will admit them
  return sent;
}

Status admit(Context& context, PersonClient& admin, const std::string& name) {
  vault::v1::JoinsRequest request;
  request.set_name(name);
  const auto waiting = TRY(admin.vault().joins(request));
  if (waiting.joins_size() == 0) return Error(Errc::kNotFound, "nobody has joined as '" + name + "' yet");
  const auto& one = waiting.joins(0);
  const KeptInvitation invitation = TRY(kept_invitation(context.files(), invitations(admin), view_of(one.id())));
  if (invitation.name != name) return Error(Errc::kKeyRejected, "the vault shows who joined by the invitation of " + invitation.name);
  const vault::Person person = TRY(admitted_person(invitation, one));
  for (int attempt = 1;; ++attempt) {
    vault::v1::PutRosterRequest put;
    put.set_version(string_of(encode(TRY(next_roster(context, admin, person)))));
    put.set_join_id(one.id());
    Status status = admin.vault().put_roster(put);
    if (status || status.error().code != Errc::kStale || attempt == kAdmitAttempts) {
      if (status) return forget_invitation(context.files(), invitations(admin), view_of(one.id()));
      return status;
    }
    TRY(vault::refresh_roster(admin.vault(), admin.roster()));
  }
}

}  // namespace conclave::cli
