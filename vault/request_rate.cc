#include "vault/request_rate.h"

#include <algorithm>

#include "base/limits.h"

namespace conclave::vault {

bool RequestRate::take(const std::string& person, MonoTime now) {
  std::erase_if(full_at_, [&](const auto& entry) { return entry.second <= now; });
  const auto at = full_at_.find(person);
  const MonoTime full_at = (at == full_at_.end() ? now : at->second) + kRequestRefill;
  if (full_at - now > kRequestBurst * kRequestRefill) return false;
  full_at_[person] = full_at;
  return true;
}

}  // namespace conclave::vault
