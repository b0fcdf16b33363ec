#include "base/cluster_file.h"

#include <charconv>

#include "base/limits.h"

namespace conclave {
namespace {

constexpr std::size_t kMaxPemBytes = 64 << 10;  // a chain of three Ed25519 certificates is 2 KiB

template <std::size_t N>
Status parse_hex(std::array<std::uint8_t, N>& into, const std::string& text, const std::string& path, const char* key) {
  const auto bytes = from_hex(text);
  if (!bytes || bytes->size() != N) {
    return Error(Errc::kInvalid, path + ": " + key + " must be " + std::to_string(2 * N) + " hexadecimal digits");
  }
  std::copy(bytes->begin(), bytes->end(), into.begin());
  return {};
}

}  // namespace

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string path_below(const std::string& folder, const std::string& path) {
  return path.starts_with('/') ? path : folder + "/" + path;
}

Result<std::pair<std::string, std::uint16_t>> parse_address(std::string_view text) {
  const auto bad = Error(Errc::kInvalid, "'" + std::string(text) + "' is not an address of the form HOST:PORT");
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return bad;
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  std::uint16_t port = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (failure != std::errc() || end != digits.data() + digits.size()) return bad;
  return std::pair(std::string(host), port);
}

Result<Endpoint> parse_endpoint(std::string_view text, Role role, const ClusterId& cluster) {
  const auto at = text.find('@');
  if (at == std::string_view::npos || at == 0) {
    return Error(Errc::kInvalid, "'" + std::string(text) + "' is not a server of the form NAME@HOST:PORT");
  }
  auto [host, port] = TRY(parse_address(text.substr(at + 1)));
  return Endpoint{server_dns_name(role, text.substr(0, at), cluster), std::move(host), port};
}

Result<ClusterFile> ClusterFile::load(Files& files, const std::string& path) {
  auto config = TRY(Config::load(files, path));
  const std::string id = config.text("cluster.id");
  const std::string dir = config.text("servers.dir");
  const std::string lock = config.text("servers.lock");
  const std::string vault = config.text("servers.vault");
  const std::string roster = config.text("roster.first");
  const std::string log_key = config.text("log.key");
  const std::string ca = config.text("tls.ca", "ca.pem");
  TRY(config.finish());
  ClusterFile out;
  TRY(parse_hex(out.id, id, path, "cluster.id"));
  out.dir = TRY(parse_endpoint(dir, Role::kDir, out.id));
  out.lock = TRY(parse_endpoint(lock, Role::kLock, out.id));
  out.vault = TRY(parse_endpoint(vault, Role::kVault, out.id));
  TRY(parse_hex(out.roster_1, roster, path, "roster.first"));
  TRY(parse_hex(out.log_key, log_key, path, "log.key"));
  out.ca_pem = TRY(files.read_all(path_below(folder_of(path), ca), kMaxPemBytes));
  return out;
}

Result<ServerConfig> ServerConfig::read(Config& config, Files& files, const std::string& config_path) {
  ServerConfig out;
  out.folder = folder_of(config_path);
  const std::string cluster = config.text("cluster");
  out.name = config.text("server.name");
  const std::string listen = config.text("server.listen");
  out.data = path_below(out.folder, config.text("server.data"));
  out.log_level = config.text("server.log", "info");
  out.threads = static_cast<unsigned>(config.number("server.threads", 4, 1, 64));
  const std::string certificate = config.text("tls.certificate");
  const std::string key = config.text("tls.key");
  if (cluster.empty() || listen.empty() || certificate.empty() || key.empty()) {
    TRY(config.finish());  // names the missing key
  }
  out.cluster = TRY(ClusterFile::load(files, path_below(out.folder, cluster)));
  auto [host, port] = TRY(parse_address(listen));
  out.host = std::move(host);
  out.port = port;
  out.tls.cluster = out.cluster.id;
  out.tls.ca_pem = out.cluster.ca_pem;
  out.tls.own.chain_pem = TRY(files.read_all(path_below(out.folder, certificate), kMaxPemBytes));
  auto key_pem = TRY(files.read_all(path_below(out.folder, key), kMaxPemBytes));
  out.tls.own.key_pem = SecretBytes::copy_of(view_of(key_pem));
  wipe({reinterpret_cast<std::uint8_t*>(key_pem.data()), key_pem.size()});
  TRY(files.make_folders(out.data));
  return out;
}

}  // namespace conclave
