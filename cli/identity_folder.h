// A person's folder on this device, HOME/NAME. This file makes every path of it.
//
//   identity         the device's keys, sealed under a passphrase (vault/identity.h)
//   identity.toml    [cluster]  folder = "/srv/D"  roster_1 = "64 hexadecimal digits"
//   cluster.toml     where the servers are, and ca.pem beside it: copies
#pragma once

#include <string>
#include <vector>

#include "base/crypto.h"
#include "base/files.h"

namespace conclave::cli {

inline constexpr std::size_t kMaxIdentityBytes = 64 << 10;  // of the file `identity`

struct IdentityFolder {
  std::string path;

  [[nodiscard]] std::string name() const { return path.substr(path.rfind('/') + 1); }
  [[nodiscard]] std::string identity() const { return path + "/identity"; }
  [[nodiscard]] std::string config() const { return path + "/identity.toml"; }
  [[nodiscard]] std::string cluster_file() const { return path + "/cluster.toml"; }
  [[nodiscard]] std::string ca_certificate() const { return path + "/ca.pem"; }
};

struct IdentityConfig {
  std::string cluster_folder;  // empty: the cluster's folder is on another machine
  Hash roster_1{};             // of the roster's version 1: what this person trusts

  static Result<IdentityConfig> load(Files& files, const IdentityFolder& folder);  // kNotFound, kInvalid
  [[nodiscard]] Status save(Files& files, const IdentityFolder& folder) const;
};

// The identities below `home`, by name; none if it does not exist.
Result<std::vector<IdentityFolder>> list_identities(Files& files, const std::string& home);

// "text" as TOML writes it, quoted.
std::string toml_text(std::string_view text);

}  // namespace conclave::cli
