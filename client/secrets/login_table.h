// Whom each uid of this mount speaks for: the last login of a uid, until it ends or logs out. The keys live here and
// nowhere else. Thread-safe; blocks nowhere.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "base/guarded.h"
#include "vault/identity.h"

namespace conclave::client {

using LoginPtr = std::shared_ptr<const vault::Login>;

class LoginTable {
 public:
  // Replaces the uid's login.
  void set(std::uint32_t uid, vault::Login login);
  // The login that was there, or null.
  LoginPtr clear(std::uint32_t uid);
  // kNoKey without one, kKeyExpired after its time.
  [[nodiscard]] Result<LoginPtr> find(std::uint32_t uid, WallTime now) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::uint32_t, LoginPtr> logins_ GUARDED_BY(mutex_);
};

}  // namespace conclave::client
