// The one program: a table of commands, each a row. As mount.conclave it is what mount(8) runs for /etc/fstab:
//   /srv/D  /mnt/conclave  conclave  _netdev  0  0
#include <algorithm>
#include <array>
#include <csignal>
#include <iostream>
#include <string_view>

#include "cli/column_table.h"
#include "cli/commands.h"
#include "cli/process.h"
#include "dirserver/dir_main.h"
#include "fuse/fuse_main.h"
#include "fuse/mount_watch.h"
#include "fuse/page_cache_guard.h"
#include "lockserver/lock_main.h"
#include "vault/vault_main.h"

namespace conclave::cli {
namespace {

struct Command {
  std::string_view name;  // one or two words
  int (*run)(Context& context, const Arguments& args);
  std::string_view help;
  std::string_view example;
};

bool asks_for_help(const Arguments& args) {
  return std::any_of(args.begin(), args.end(), [](const std::string& arg) { return arg == "--help" || arg == "-h"; });
}

// A server's main lives with its part and knows nothing of this program.
template <int (*serve)(const Arguments&)>
int in_foreground(Context&, const Arguments& args) {
  if (!asks_for_help(args)) return serve(args);
  std::cout << "Runs in the foreground until SIGTERM or Ctrl-C. docs/operate.md explains every key of its configuration.\n";
  return kDone;
}

constexpr Command kCommands[] = {
    {"up", run_up, "make a cluster if there is none, start it, mount it", "conclave up --dir ~/cluster --mount /mnt/conclave"},
    {"down", run_down, "unmount and stop; the data stay", "conclave down --dir ~/cluster"},
    {"status", run_status, "servers, mounts, sessions, warnings", "conclave status --dir ~/cluster --json"},
    {"mount", run_mount, "one more mount", "conclave mount /mnt/second --dir ~/cluster"},
    {"account create", run_account_create, "invite, join and admit a person whose identity is kept here",
     "conclave account create alice --roles author,requester"},
    {"account invite", run_account_invite, "a token with which a person joins from elsewhere",
     "conclave account invite bob > token"},
    {"account join", run_account_join, "make an identity here with a token", "conclave account join @token"},
    {"account admit", run_account_admit, "sign who has joined into the roster", "conclave account admit bob"},
    {"account list", run_account_list, "who is in the roster", "conclave account list --json"},
    {"login", run_login, "let this machine's mounts speak for a person", "conclave login alice --for 8h"},
    {"logout", run_logout, "end that", "conclave logout"},
    {"policy set", run_policy_set, "who must approve before a folder's secrets open",
     "conclave policy set /secrets/prod --approvers alice,bob,carol --quorum 2 --grant 10m --request 15m"},
    {"policy list", run_policy_list, "the policies in force", "conclave policy list"},
    {"secret list", run_secret_list, "secrets, their versions and quorums, and which need a new version", "conclave secret list --json"},
    {"request", run_request, "ask for a secret to be opened",
     "conclave request /mnt/conclave/secrets/prod/db --reason \"restart of the database\" --wait"},
    {"requests", run_requests, "which requests wait for votes", "conclave requests --json"},
    {"show", run_show, "all of one request, verified", "conclave show 3f9a1c22"},
    {"approve", run_approve, "give your share to a request", "conclave approve 3f9a1c22 --as bob"},
    {"deny", run_deny, "say no to a request", "conclave deny 3f9a1c22 --reason \"not during the freeze\" --as carol"},
    {"audit show", run_audit_show, "the audit log, verified", "conclave audit show"},
    {"audit verify", run_audit_verify, "check the audit log", "conclave audit verify --files /mnt/conclave/.conclave/audit"},
    {"ingest host", run_ingest_host, "this machine's sensors into /sensors", "conclave ingest host --interval 1s"},
    {"init", run_init, "make a cluster's folder and start nothing", "conclave init --dir ~/cluster --address 192.0.2.10"},
    {"token fileserver", run_token_fileserver, "a token with which one file server joins",
     "conclave token fileserver --dir ~/cluster > token"},
    {"recover dirserver", run_recover_dirserver, "accept a directory server's old database",
     "conclave recover dirserver --dir ~/cluster"},
    {"recover fileserver", run_recover_fileserver, "accept a file server's old data", "conclave recover fileserver 1 --yes"},
    {"fileserver list", run_fileserver_list, "the file servers, and what is copied between them",
     "conclave fileserver list --dir ~/cluster"},
    {"fileserver drain", run_fileserver_drain, "move everything away from one while it serves",
     "conclave fileserver drain 3 --wait --dir ~/cluster"},
    {"fileserver remove", run_fileserver_remove, "take one away for good",
     "conclave fileserver remove 3 --dir ~/cluster"},
    {"fileserver", run_fileserver, "run a file server", "conclave fileserver --join @token --data /srv/chunks"},
    {"dirserver", in_foreground<dir::run_dirserver>, "run the directory server",
     "conclave dirserver --config ~/cluster/dirserver/dirserver.toml"},
    {"lockserver", in_foreground<lock::run_lockserver>, "run the lock server",
     "conclave lockserver --config ~/cluster/lockserver/lockserver.toml"},
    {"vault", in_foreground<vault::run_vault>, "run the vault", "conclave vault --config ~/cluster/vault/vault.toml"},
    {"mount-daemon", in_foreground<fuse_fs::run_mount>, "run a mount in the foreground",
     "conclave mount-daemon --config ~/cluster/mount/mount.toml /mnt/conclave"},
};

int print_help() {
  std::cout << "ConclaveFS: a distributed file system that opens by vote.\n\nusage: conclave COMMAND [OPTION]…\n\n";
  ColumnTable table({"COMMAND", ""});
  for (const Command& command : kCommands) table.add({std::string(command.name), std::string(command.help)});
  std::cout << table.text(stdout_has_colour()) << "\n`conclave COMMAND --help` shows a command's options and an example.\n";
  return kDone;
}

// The command that `args` begins with, its name's words taken out of them.
const Command* take_command(Arguments& args) {
  for (const std::size_t words : {2u, 1u}) {
    if (args.size() < words) continue;
    const std::string name = words == 2 ? args[0] + " " + args[1] : args[0];
    const auto found = std::find_if(std::begin(kCommands), std::end(kCommands), [&](const Command& c) { return c.name == name; });
    if (found == std::end(kCommands)) continue;
    args.erase(args.begin(), args.begin() + static_cast<std::ptrdiff_t>(words));
    return found;
  }
  return nullptr;
}

int unknown(const Arguments& args) {
  std::cerr << "conclave: no command '" << printable(args.front()) << "'";
  for (const Command& command : kCommands) {  // "account" alone
    if (command.name.starts_with(args.front() + " ")) std::cerr << "; there is `conclave " << command.name << "`";
  }
  std::cerr << "\nSee conclave --help\n";
  return kUsage;
}

// mount(8) calls mount.TYPE SOURCE FOLDER [-sfnv] [-o OPTIONS]: the cluster's folder is the source.
Arguments from_mount(const Arguments& args) {
  if (args.size() < 2) return {"mount", "--help"};
  Arguments out{"mount", args[1], "--dir", args[0]};
  for (auto arg = args.begin() + 2; arg != args.end(); ++arg) {
    if (*arg == "-o" && arg + 1 != args.end()) out.insert(out.end(), {"-o", *++arg});
  }
  return out;
}

int run(Context& context, Arguments args) {
  if (args.empty() || args[0] == "help" || args[0] == "--help" || args[0] == "-h") return print_help();
  if (args[0] == "mount-watch") return fuse_fs::run_mount_watch({args.begin() + 1, args.end()});  // a mount's child, as the next
  if (args[0] == "page-cache-test") return fuse_fs::run_page_cache_test({args.begin() + 1, args.end()});
  const Command* command = take_command(args);
  if (command == nullptr) return unknown(args);
  const int code = command->run(context, args);
  if (asks_for_help(args) && code == kDone) std::cout << "\nExample:\n  " << command->example << "\n";
  return code;
}

}  // namespace
}  // namespace conclave::cli

int main(int argc, char** argv) {
  using namespace conclave;
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of write(2), here and in every server
  SystemClock clock;
  SystemRandom random;
  SystemFiles files;
  SystemWaiter waiter;
  cli::Context context(clock, random, files, waiter);
  const std::string_view program = argc > 0 ? argv[0] : "";
  cli::Arguments args(argv + std::min(argc, 1), argv + argc);
  try {
    if (const Status noted = cli::note_own_process(files); !noted) {
      std::cerr << "conclave: " << noted.error().message << "\n";
      return cli::kFailed;
    }
    if (program.ends_with("mount.conclave")) args = cli::from_mount(args);
    return cli::run(context, std::move(args));
  } catch (const std::exception& error) {  // the last resort: a library's, or no memory
    std::cerr << "conclave: " << error.what() << "\n";
    return cli::kFailed;
  }
}
