#include "cli/context.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <sstream>

#include "cli/tls_files.h"
#include "vault/fields.h"

namespace conclave::cli {
namespace {

constexpr std::size_t kMaxMessageBytes = 4000;

}  // namespace

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string unix_user() {
  const passwd* user = getpwuid(getuid());  // the only call of it in this process, before any thread starts
  std::string name = user == nullptr ? "" : user->pw_name;
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::erase_if(name, [](char c) { return !(std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-'); });
  return name.empty() ? "user" : name.substr(0, 64);
}

std::string machine_name() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  std::string out(name);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::erase_if(out, [](char c) { return !(std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-'); });
  return out.empty() ? "host" : out.substr(0, 64);
}

void Context::accept_dir(CommandLine& line) {
  line.option("--dir", dir_, "the cluster's folder (or CONCLAVE_DIR)");
}

void Context::accept_identity(CommandLine& line) {
  accept_dir(line);
  line.option("--as", as_, "act as this identity (or CONCLAVE_AS)");
}

std::string Context::home() const {
  const std::string given = environment("CONCLAVE_HOME");
  if (!given.empty()) return absolute_path(given);
  const std::string user_home = environment("HOME");
  return absolute_path((user_home.empty() ? "." : user_home) + "/.conclave");
}

bool Context::identity_was_chosen() const { return !as_.empty() || !environment("CONCLAVE_AS").empty(); }

Result<IdentityFolder> Context::identity() {
  const auto known = TRY(list_identities(files_, home()));
  const std::string wanted = as_.empty() ? environment("CONCLAVE_AS") : as_;
  const auto named = [&](const std::string& name) {
    return std::find_if(known.begin(), known.end(), [&](const IdentityFolder& folder) { return folder.name() == name; });
  };
  if (!wanted.empty()) {
    if (const auto found = named(wanted); found != known.end()) return *found;
    return Error(Errc::kNotFound, "no identity '" + wanted + "' in " + home() +
                                      "; make one with `conclave account create` or `account join`");
  }
  if (known.size() == 1) return known.front();
  if (const auto found = named(unix_user()); found != known.end()) return *found;
  if (known.empty()) {
    return Error(Errc::kNotFound, "no identity in " + home() + "; `conclave up` makes the first, `conclave account join` more");
  }
  return Error(Errc::kInvalid, "several identities in " + home() + "; choose one with --as NAME or CONCLAVE_AS");
}

Result<ClusterFolder> Context::cluster_folder() {
  const std::string given = dir_.empty() ? environment("CONCLAVE_DIR") : dir_;
  if (!given.empty()) return ClusterFolder{absolute_path(given)};
  const auto folder = identity();
  if (folder) {
    const auto config = TRY(IdentityConfig::load(files_, *folder));
    if (!config.cluster_folder.empty()) return ClusterFolder{config.cluster_folder};
  }
  return Error(Errc::kNotFound, "which cluster? Give its folder with --dir or CONCLAVE_DIR");
}

Result<ClusterFile> Context::cluster() {
  const auto folder = cluster_folder();
  const bool given = !dir_.empty() || !environment("CONCLAVE_DIR").empty();
  const auto there = folder ? files_.exists(folder->cluster_file()) : Result<bool>(false);
  if (!there && given) return there.error();   // else the identity names another user's folder, and has copies
  if (there && *there) return ClusterFile::load(files_, folder->cluster_file());
  if (given) return Error(Errc::kNotFound, folder->path + " holds no cluster; make one with `conclave init --dir " + folder->path + "`");
  return ClusterFile::load(files_, TRY(identity()).cluster_file());
}

Result<std::string> Context::token_text(const std::string& given) {
  std::string text = given;
  if (given == "-") text.assign(std::istreambuf_iterator<char>(std::cin), {});
  if (given.starts_with('@')) text = TRY(files_.read_all(given.substr(1), 64 << 10));
  text.erase(text.find_last_not_of(" \n") + 1);
  return text;
}

Result<std::unique_ptr<Transport>> Context::transport_as_host(const ClusterFolder& folder) {
  const auto cluster = TRY(ClusterFile::load(files_, folder.cluster_file()));
  return transport_as(cluster, TRY(read_certified_key(files_, folder.server("mount") + "/host")));
}

std::unique_ptr<Transport> Context::transport_as(const ClusterFile& cluster, CertifiedKey own) {
  TlsIdentity identity;
  identity.cluster = cluster.id;
  identity.ca_pem = cluster.ca_pem;
  identity.own = std::move(own);
  return std::make_unique<CurlTransport>(identity, clock_);
}

int Context::finish(const std::string& command, const Status& status) {
  if (status) return kDone;
  const Error& error = status.error();
  std::cout.flush();
  // Part of it may be a server's: nothing in it moves the cursor, and a line more is indented.
  std::string why;
  std::istringstream lines(error.message.empty() ? std::string(name_of(error.code)) : error.message);
  for (std::string line; std::getline(lines, line);) why += (why.empty() ? "" : "\n  ") + vault::plain_text(line, kMaxMessageBytes);
  std::cerr << "conclave " << command << ": " << why << "\n";
  return kFailed;
}

}  // namespace conclave::cli
