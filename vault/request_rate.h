// Rule: how fast one person may file requests. A token bucket for each, so that a program that opens every secret it
// finds floods no approver. In memory only: a restart fills the buckets.
#pragma once

#include <map>
#include <string>

#include "base/clock.h"

namespace conclave::vault {

class RequestRate {
 public:
  // Takes one of the person's; false: there is none for now.
  bool take(const std::string& person, MonoTime now);

 private:
  std::map<std::string, MonoTime> full_at_;   // when the bucket is full again; who is not here has a full one
};

}  // namespace conclave::vault
