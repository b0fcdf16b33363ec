// People at the vault: invitations, the roster's next versions, logins. Handlers of VaultService, called with the turn
// held (vault_state.h), and for people by a device that the roster knows.
#pragma once

#include "base/router.h"
#include "conclave/vault/v1/vault.pb.h"
#include "vault/vault_state.h"

namespace conclave::vault {

class Accounts {
 public:
  // `user_issuer` signs the certificates of logins and guests; it can make nothing else (base/certificate.h).
  Accounts(VaultState& state, CertifiedKey user_issuer, ClusterId cluster);

  // By an admin: a guest's certificate to join with. An earlier invitation of that name is void: of two tokens nobody
  // could say which one a stranger took. kAccess, kExists (a person of that name), kInvalid.
  Result<v1::InviteResponse> invite(const CallContext& context, const v1::InviteRequest& request);
  // By the guest of that name: its device's keys, MACed under the invitation's secret. Again with the same keys is done
  // already; kExists for others, kNotFound, kKeyExpired, kAccess.
  Result<v1::JoinResponse> join(const CallContext& context, const v1::JoinRequest& request);
  // By an admin: who has joined and is not yet in the roster.
  Result<v1::JoinsResponse> joins(const CallContext& context, const v1::JoinsRequest& request);
  // The next version, judged by the signatures in it (roster.h, check_put), which names this vault's log up to its newest policy
  // and secret (kKeyRejected, kStale). The same again is done already.
  Result<v1::PutRosterResponse> put_roster(const CallContext& context, const v1::PutRosterRequest& request);
  Result<v1::GetRosterResponse> get_roster(const CallContext& context, const v1::GetRosterRequest& request);
  // A user certificate for a login key that a device of the roster certifies, as long as that and the account last.
  Result<v1::LoginResponse> login(const CallContext& context, const v1::LoginRequest& request);
  // By the person, or by who holds the login's key: login certificates are no secret. kKeyRejected.
  Result<v1::LogoutResponse> logout(const CallContext& context, const v1::LogoutRequest& request);

  // kKeyRevoked after a logout.
  Status check_not_logged_out(const LoginCert& cert);

 private:
  Status check_admin(const CallContext& context);
  Status check_log_named(const RosterVersion& next);

  VaultState& state_;
  const CertifiedKey user_issuer_;
  const ClusterId cluster_;
};

}  // namespace conclave::vault
