// What an admin's device remembers of an invitation until the person is admitted: the token's secret, and what the admin
// agreed to. The vault repeats the latter, and is not believed.
#pragma once

#include <string>

#include "base/files.h"
#include "base/result.h"
#include "base/secret_bytes.h"
#include "conclave/vault/v1/vault.pb.h"
#include "vault/roster.h"

namespace conclave::cli {

struct KeptInvitation {
  std::string name;
  std::uint32_t uid = 0, gid = 0;
  std::uint32_t roles = 0;
  SecretBytes secret;        // kInvitationSecretBytes
};
inline constexpr std::size_t kInvitationSecretBytes = 16;

// One file for each invitation in `folder`, named after its id in hexadecimal. Durable once it returned.
Status keep_invitation(Files& files, const std::string& folder, ByteView id, const KeptInvitation& invitation);
// kNotFound: made by another admin or on another device; kCorrupt.
Result<KeptInvitation> kept_invitation(Files& files, const std::string& folder, ByteView id);
Status forget_invitation(Files& files, const std::string& folder, ByteView id);

// The person to be signed into the roster: keys that the invitation's secret vouches for, and the roles and ids that the
// admin gave, whatever the vault says: it could make an invited person an admin. kKeyRejected, kCorrupt.
Result<vault::Person> admitted_person(const KeptInvitation& invitation, const vault::v1::JoinsResponse::One& join);

}  // namespace conclave::cli
