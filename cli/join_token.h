// The token with which a file server joins a cluster: everything it needs in one line of text. It is a bearer
// credential: the certificate in it is good for one data folder, the first that registers with it at D.
#pragma once

#include <string>
#include <string_view>

#include "base/certificate.h"

namespace conclave::cli {

struct JoinToken {
  std::string cluster_toml;   // as in the cluster's folder
  std::string ca_pem;
  std::string name;           // of the file server: "3"
  CertifiedKey certificate;

  // "conclave-file-1." and base64url of canonical bytes with a CRC32C.
  [[nodiscard]] std::string text() const;
  // kInvalid, with a sentence: no such token, or one that was cut or changed on its way.
  static Result<JoinToken> parse(std::string_view text);
};

}  // namespace conclave::cli
