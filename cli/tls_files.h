// A certificate and its private key as two files, STEM.pem and STEM.key (mode 0600).
#pragma once

#include <string>

#include "base/certificate.h"
#include "base/files.h"

namespace conclave::cli {

// kNotFound, kAccess.
Result<CertifiedKey> read_certified_key(Files& files, const std::string& stem);
Status write_certified_key(Files& files, const std::string& stem, const CertifiedKey& certified);

}  // namespace conclave::cli
