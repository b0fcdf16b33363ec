// Bringing a person in: the invitation an admin's client makes, the token that carries it, and the admission that
// signs the new device into the roster.
#pragma once

#include <string>

#include "cli/person_client.h"

namespace conclave::cli {

// What a person's join token carries: everything a new device needs to knock, to know the cluster for certain, and to
// prove that it holds the invitation.
struct PersonToken {
  std::string cluster_toml, ca_pem;
  Hash roster_1{};
  std::string name;
  Bytes id;               // the invitation's, 16 bytes
  SecretBytes secret;     // 16 bytes; the vault never sees it
  CertifiedKey guest;

  // "conclave-person-1." and base64url of canonical bytes.
  [[nodiscard]] std::string text() const;
  // kInvalid, with a sentence.
  static Result<PersonToken> parse(std::string_view text);
};

struct Invitee {
  std::string name;
  std::uint32_t uid = 0, gid = 0;
  std::uint32_t roles = 0;
  std::chrono::seconds lifetime = std::chrono::hours(72);
};
// Asks the vault for an invitation; its secret is kept in the admin's folder until admit().
Result<PersonToken> invite(Context& context, PersonClient& admin, const Invitee& invitee);
// Makes the identity below Context::home() (its passphrase is asked for) and sends its device's keys. `cluster_folder`
// may be empty. Cut short, it is repeated with the same token. kExists if another token made such an identity, or
// another device used the token; kKeyExpired, kNotFound.
Status join(Context& context, const PersonToken& token, const std::string& cluster_folder);
// An identity of the invited name that is kept here was never admitted, or invite() had been refused: out of the way of join().
Status set_aside_unadmitted(Context& context, const PersonClient& admin, const PersonToken& token);
// Checks the MAC of who joined as `name` and signs its device into the next roster. kNotFound (nobody has joined, or
// the invitation was not made here), kKeyRejected (keys that the invitation's secret does not vouch for).
Status admit(Context& context, PersonClient& admin, const std::string& name);

}  // namespace conclave::cli
