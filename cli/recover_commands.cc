#include <iostream>

#include "base/connect_client.h"
#include "cli/commands.h"
#include "conclave/dir/v1/dir.pb.h"
#include "vault/fields.h"

namespace conclave::cli {
namespace {

constexpr auto kAskLimit = std::chrono::minutes(10);   // one commit for each 1000 chunks
constexpr std::string_view kPrefix = "fileserver-";    // as `status` names them

Result<dir::v1::RecoverResponse> ask(Context& context, const dir::v1::RecoverRequest& request) {
  const ClusterFolder folder = TRY(context.cluster_folder());
  const auto cluster = TRY(ClusterFile::load(context.files(), folder.cluster_file()));
  const auto transport = TRY(context.transport_as_host(folder));
  ConnectClient client(*transport, context.clock(), cluster.dir);
  CallOptions options;
  options.timeout = kAskLimit;
  return client.call<dir::v1::RecoverResponse>("/conclave.dir.v1.DirService/Recover", request, options);
}

std::string at(std::int64_t ns) { return vault::time_text(WallTime{ns}); }

Status dirserver(Context& context, bool accept) {
  dir::v1::RecoverRequest request;
  request.set_accept(accept);
  const auto found = TRY(ask(context, request));
  if (!found.has_newer()) {
    std::cout << "The directory server's database is the newest that a file server has told of: there is nothing to accept.\n";
    return {};
  }
  const bool another = found.own().identity() != found.newer().identity();
  std::cout << "The directory server's database " << (another ? "is another one than" : "is older than the one that")
            << " file server '" << found.newer_seen_by() << "' has seen.\n"
            << "  this one      commit " << found.own().commits() << ", " << at(found.own().at_ns()) << "\n"
            << "  seen          commit " << found.newer().commits() << ", " << at(found.newer().at_ns()) << "\n"
            << "What was done to names and places between is lost with it: files made since are gone, removed ones are back,\n"
            << "and a file that was cut and written anew since then cannot be read (its old chunks are freed). Chunks that only\n"
            << "the newer one knew stay at the file servers, and no number is given out twice.\n";
  if (!accept) {
    return Error(Errc::kInvalid, "nothing was changed: put the newest database in its place, or accept this one with --yes");
  }
  std::cout << "Accepted: the directory server serves again.\n";
  return {};
}

Status fileserver(Context& context, std::string name, bool accept) {
  if (name.starts_with(kPrefix)) name.erase(0, kPrefix.size());
  dir::v1::RecoverRequest request;
  request.set_fileserver(name);
  request.set_accept(accept);
  const auto found = TRY(ask(context, request));
  if (found.behind_ns() == 0 && found.doubted() == 0) {
    std::cout << "File server '" << name << "' has all that it had: there is nothing to accept.\n";
    return {};
  }
  if (found.behind_ns() != 0) {
    std::cout << "File server '" << name << "' came back with less than it had, " << at(found.behind_ns())
              << ": it was restored from a backup, or its journal is damaged.\n";
  }
  std::cout << "Chunks that lie only there, and are not served: " << found.doubted() << "\n";
  if (!accept) {
    return Error(Errc::kInvalid, "nothing was changed: start the file server with its newest data, or accept these with --yes, "
                                 "as old as they are");
  }
  std::cout << "Accepted: they are served again, as they are there.\n";
  return {};
}

}  // namespace

int run_recover_dirserver(Context& context, const Arguments& args) {
  bool yes = false;
  CommandLine line("conclave recover dirserver",
                   "Shows whether the directory server's database is an old one, and accepts it.");
  context.accept_dir(line);
  line.flag("--yes", yes, "accept it: what was done since is lost");
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("recover dirserver", dirserver(context, yes));
}

int run_recover_fileserver(Context& context, const Arguments& args) {
  bool yes = false;
  std::string name;
  CommandLine line("conclave recover fileserver",
                   "Shows whether a file server came back with less than it had, and accepts what it alone holds.");
  context.accept_dir(line);
  line.argument("NAME", name, "as `conclave status` shows it");
  line.flag("--yes", yes, "accept it: what was written since is lost");
  if (const auto code = line.parse(args)) return *code;
  return Context::finish("recover fileserver", fileserver(context, name, yes));
}

}  // namespace conclave::cli
