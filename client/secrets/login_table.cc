#include "client/secrets/login_table.h"

namespace conclave::client {

void LoginTable::set(std::uint32_t uid, vault::Login login) {
  auto kept = std::make_shared<const vault::Login>(std::move(login));
  const std::lock_guard lock(mutex_);
  logins_[uid] = std::move(kept);
}

LoginPtr LoginTable::clear(std::uint32_t uid) {
  const std::lock_guard lock(mutex_);
  const auto at = logins_.find(uid);
  if (at == logins_.end()) return nullptr;
  LoginPtr login = std::move(at->second);
  logins_.erase(at);
  return login;
}

Result<LoginPtr> LoginTable::find(std::uint32_t uid, WallTime now) const {
  const std::lock_guard lock(mutex_);
  const auto at = logins_.find(uid);
  if (at == logins_.end()) {
    return Error(Errc::kNoKey, "uid " + std::to_string(uid) + " has no login here; `conclave login NAME` makes one");
  }
  if (at->second->cert.not_after < now) {
    return Error(Errc::kKeyExpired, "the login of uid " + std::to_string(uid) + " is over; `conclave login` again");
  }
  return at->second;
}

}  // namespace conclave::client
