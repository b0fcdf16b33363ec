#include "cli/identity_folder.h"

#include <algorithm>

#include "base/config.h"

namespace conclave::cli {

std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00" + to_hex(ByteView(&byte, 1));
    } else {
      out += c;
    }
  }
  return out + '"';
}

Result<IdentityConfig> IdentityConfig::load(Files& files, const IdentityFolder& folder) {
  auto config = TRY(Config::load(files, folder.config()));
  IdentityConfig out;
  out.cluster_folder = config.text("cluster.folder", "");
  const std::string roster = config.text("cluster.roster_1");
  TRY(config.finish());
  const auto bytes = from_hex(roster);
  if (!bytes || bytes->size() != out.roster_1.size()) {
    return Error(Errc::kInvalid, folder.config() + ": cluster.roster_1 must be 64 hexadecimal digits");
  }
  std::copy(bytes->begin(), bytes->end(), out.roster_1.begin());
  return out;
}

Status IdentityConfig::save(Files& files, const IdentityFolder& folder) const {
  std::string text = "[cluster]\n";
  if (!cluster_folder.empty()) text += "folder = " + toml_text(cluster_folder) + "\n";
  text += "roster_1 = " + toml_text(to_hex(roster_1)) + "\n";
  return files.write_all(folder.config(), text);
}

Result<std::vector<IdentityFolder>> list_identities(Files& files, const std::string& home) {
  std::vector<IdentityFolder> out;
  if (!TRY(files.exists(home))) return out;
  for (const std::string& name : TRY(files.list(home))) {
    IdentityFolder folder{home + "/" + name};
    if (name.find(".was-") == std::string::npos && TRY(files.exists(folder.identity()))) out.push_back(folder);
  }
  return out;
}

}  // namespace conclave::cli
