#include "client/secrets/secret_mount.h"

#include "vault/tlog.h"

namespace conclave::client {

SecretMount::SecretMount(const Parts& parts)
    : client_(parts.transport, parts.clock, parts.cluster.vault),
      memory_(parts.files, parts.memory, parts.waiter),
      vault_(client_, parts.cluster, memory_, parts.clock, parts.random),
      places_(parts.table, vault_),
      book_(parts.parking),
      author_({parts.servers, parts.inodes, parts.table, parts.chunks, vault_, places_, logins_, parts.clock, parts.waiter}),
      files_({parts.session, parts.leases, parts.inodes, parts.table, parts.chunks, parts.names, vault_, places_, book_,
              author_, logins_, parts.files, parts.host, parts.mount, parts.parking, parts.clock, parts.log}) {}

void SecretMount::add_to(FileClasses& classes, StatusFiles& status) {
  classes.of(dir::v1::SECRET) = files_.row();
  status.add("login", ControlSink([this](const Caller& caller, std::string_view m) { return files_.take_login(caller, m); }));
  status.add("logout", ControlSink([this](const Caller& caller, std::string_view m) { return files_.take_logout(caller, m); }));
  status.add("request", ControlSink([this](const Caller& caller, std::string_view m) { return files_.take_request(caller, m); }));
  status.add("requests", StatusSource{.render = [this](const Caller& caller) { return files_.requests(caller); }});
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

}  // namespace conclave::client
