#include "cli/kept_invitation.h"

#include "base/canonical.h"

namespace conclave::cli {
namespace {

constexpr std::size_t kMaxNameBytes = 64;
constexpr std::size_t kMaxFileBytes = 1024;

std::string path_of(const std::string& folder, ByteView id) { return folder + "/" + to_hex(id); }

}  // namespace

Status keep_invitation(Files& files, const std::string& folder, ByteView id, const KeptInvitation& invitation) {
  TRY(files.make_folders(folder));
  Bytes bytes = CanonicalWriter().lv(invitation.name).u32(invitation.uid).u32(invitation.gid).u32(invitation.roles)
                    .lv(invitation.secret.view()).bytes();
  Status status = files.write_all(path_of(folder, id), to_hex(bytes));
  wipe(bytes);
  return status;
}

Result<KeptInvitation> kept_invitation(Files& files, const std::string& folder, ByteView id) {
  const std::string path = path_of(folder, id);
  if (!TRY(files.exists(path))) {
    return Error(Errc::kNotFound, "this invitation was made by another admin or on another device; admit there");
  }
  const Error damaged(Errc::kCorrupt, path + " is damaged; invite again");
  const auto bytes = from_hex(TRY(files.read_all(path, kMaxFileBytes)));
  if (!bytes) return damaged;
  CanonicalReader in(*bytes);
  KeptInvitation out;
  out.name = in.text(kMaxNameBytes);
  out.uid = in.u32();
  out.gid = in.u32();
  out.roles = in.u32();
  out.secret = SecretBytes::copy_of(in.lv(kInvitationSecretBytes));
  if (!in.finish("invitation") || out.secret.size() != kInvitationSecretBytes) return damaged;
  return out;
}

Status forget_invitation(Files& files, const std::string& folder, ByteView id) { return files.remove(path_of(folder, id)); }

Result<vault::Person> admitted_person(const KeptInvitation& invitation, const vault::v1::JoinsResponse::One& join) {
  const vault::DevicePublic device = TRY(vault::parse_device(view_of(join.device())));
  const Mac mac = vault::join_mac(invitation.secret, view_of(join.id()), invitation.name, device);
  if (join.name() != invitation.name || !equal_in_constant_time(mac, view_of(join.mac()))) {
    return Error(Errc::kKeyRejected,
                 "the keys that the vault shows for '" + invitation.name + "' were not sent by who holds the invitation");
  }
  vault::Person person;
  person.name = invitation.name;
  person.uid = invitation.uid;
  person.gid = invitation.gid;
  person.roles = invitation.roles;
  person.devices.push_back({device, false});
  return person;
}

}  // namespace conclave::cli
