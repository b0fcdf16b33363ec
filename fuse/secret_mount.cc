#include "fuse/secret_mount.h"

#include "fuse/page_cache_guard.h"
#include "vault/tlog.h"

namespace conclave::fuse_fs {

SecretMount::SecretMount(Fs& fs, Transport& transport, const ClusterFile& cluster, Clock& clock, Waiter& waiter,
                         Random& random, Parking& parking, Files& files, Log& log, std::string memory, std::string host,
                         std::string mount)
    : log_(log),
      client_(transport, clock, cluster.vault),
      memory_(files, std::move(memory), waiter),
      vault_(client_, cluster, memory_, clock, random),
      places_(fs.parts().inodes, vault_),
      book_(parking),
      author_(fs, vault_, places_, logins_, clock, waiter),
      files_({fs, vault_, places_, book_, author_, logins_, files, std::move(host), std::move(mount), parking, clock, log}) {}

void SecretMount::add_to(FsClasses& classes, StatusFiles& status) {
  classes.of(dir::v1::SECRET) = files_.row();
  status.add("login", ControlSink([this](const Caller& caller, std::string_view m) { return files_.take_login(caller, m); }));
  status.add("logout", ControlSink([this](const Caller& caller, std::string_view m) { return files_.take_logout(caller, m); }));
  status.add("request", ControlSink([this](const Caller& caller, std::string_view m) { return files_.take_request(caller, m); }));
  status.add("requests", StatusSource{.render = [this](const Caller& caller) { return files_.requests(caller); }});
  const auto page = [](const Caller&) { return std::string(kGuardTestBytes - 1, '-') + "\n"; };
  status.add("page-cache-test", StatusSource{.render = page, .size_bytes = kGuardTestBytes});
  status.add("audit", StatusSource{.list = [this](const Caller&) { return audit_paths(); },
                                   .render_one = [this](const Caller&, const std::string& path) { return client_.log_file(path); }});
}

// The checkpoint, the tiles and bundles that it covers at their present width, and the rosters beside them.
Result<std::vector<std::string>> SecretMount::audit_paths() {
  std::vector<std::string> out = {"checkpoint"};
  const auto health = TRY(client_.health());
  for (const vault::TilePath& tile : vault::tiles_of(health.log_size())) out.push_back(path_of(tile));
  for (std::uint64_t version = 1; version <= health.roster_version(); ++version) out.push_back(vault::roster_file(version));
  return out;
}

void SecretMount::test_guard(const std::string& mount) {
  const Status held = test_page_cache_guard_apart(mount + "/.conclave/page-cache-test");
  files_.guard_tested(held.has_value());
  if (held) return;
  log_.error("secrets are not served here", {{"why", held.error()}});
}

}  // namespace conclave::fuse_fs
