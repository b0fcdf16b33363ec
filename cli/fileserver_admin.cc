// `conclave fileserver list|drain|remove`: the file servers as the directory server knows them.
#include <iostream>
#include <sstream>

#include "cli/column_table.h"
#include "cli/commands.h"
#include "cli/free_port.h"
#include "cli/healing_text.h"
#include "cli/json.h"
#include "dirserver/dir_client.h"

namespace conclave::cli {
namespace {

constexpr auto kLook = std::chrono::seconds(1);   // while waiting for a drain

using Answer = dir::v1::FileServersResponse;
using Ask = std::function<Result<Answer>(dir::DirClient&)>;

Result<Answer> ask(Context& context, const Ask& what) {
  const ClusterFolder folder = TRY(context.cluster_folder());
  const ClusterFile cluster = TRY(context.cluster());
  const auto transport = TRY(context.transport_as_host(folder));
  dir::DirClient dir(*transport, context.clock(), cluster.dir);
  return what(dir);
}

std::string gibibytes(std::uint64_t bytes) {
  std::ostringstream out;
  out.precision(1);
  out << std::fixed << static_cast<double>(bytes) / (1u << 30) << " GiB";
  return out.str();
}

Cell state_of(const dir::v1::Member& member) {
  const std::string down = "down for " + duration_text(std::chrono::seconds(member.silent_s()));
  if (member.draining()) return {member.up() ? "draining" : "draining, " + down, Mark::kWarning};
  return member.up() ? Cell("up", Mark::kGood) : Cell(down, Mark::kBad);
}

void print(const Answer& answer) {
  ColumnTable table({"NAME", "ADDRESS", "STATE", "CHUNKS", "USED", "FREE"});
  for (const auto& one : answer.servers()) {
    const auto& member = one.member();
    const std::uint64_t used = member.total_bytes() - std::min(member.total_bytes(), member.free_bytes());
    table.add({member.name(), address_text(member.host(), static_cast<std::uint16_t>(member.port())), state_of(member),
               std::to_string(one.chunks_in_sync()), gibibytes(used), gibibytes(member.free_bytes())});
  }
  table.print();
  if (const std::string left = healing_text(answer.healing()); !left.empty()) std::cout << "\n" << left << "\n";
}

std::string json(const Answer& answer) {
  JsonList servers;
  for (const auto& one : answer.servers()) {
    const auto& member = one.member();
    JsonObject server;
    server.set("name", member.name()).set("address", address_text(member.host(), static_cast<std::uint16_t>(member.port())));
    server.set("up", member.up()).set("draining", member.draining()).set("silent_s", member.silent_s());
    server.set("chunks", one.chunks_in_sync()).set("total_bytes", member.total_bytes());
    server.set("free_bytes", member.free_bytes());
    servers.add(server);
  }
  JsonObject out;
  out.set("file_servers", servers).set("healing", json_of(answer.healing()));
  return out.text();
}

std::uint64_t chunks_of(const Answer& answer, const std::string& name) {
  for (const auto& one : answer.servers()) {
    if (one.member().name() == name) return one.chunks_in_sync();
  }
  return 0;
}

// Until nothing is in sync there any more.
Status wait_until_empty(Context& context, const std::string& name, Answer answer) {
  std::string said;
  while (chunks_of(answer, name) != 0) {
    const std::string now = std::to_string(chunks_of(answer, name)) + " chunks left on " + name;
    if (now != said) std::cout << now << "\n" << std::flush;
    said = now;
    context.clock().sleep_until(context.clock().now() + kLook);
    answer = TRY(ask(context, [](dir::DirClient& dir) { return dir.file_servers(); }));
  }
  std::cout << "nothing is left on " << name << "; `conclave fileserver remove " << name << "` takes it away\n";
  return {};
}

int shown(const std::string& command, const Result<Answer>& answer) {
  if (!answer) return Context::finish(command, answer.error());
  print(*answer);
  return kDone;
}

}  // namespace

int run_fileserver_list(Context& context, const Arguments& args) {
  bool as_json = false;
  CommandLine line("conclave fileserver list", "Shows the file servers, and what is being copied or moved between them.");
  context.accept_dir(line);
  line.flag("--json", as_json, "for programs");
  if (const auto code = line.parse(args)) return *code;
  const auto answer = ask(context, [](dir::DirClient& dir) { return dir.file_servers(); });
  if (!answer || !as_json) return shown("fileserver list", answer);
  std::cout << json(*answer);
  return kDone;
}

int run_fileserver_drain(Context& context, const Arguments& args) {
  std::string name;
  bool wait = false, stop = false;
  CommandLine line("conclave fileserver drain", "Moves everything away from a file server, which serves meanwhile and gets no new "
                                                "chunks. It can be removed when nothing is left.");
  context.accept_dir(line);
  line.argument("NAME", name, "as `conclave fileserver list` shows it");
  line.flag("--wait", wait, "until nothing is left there");
  line.flag("--stop", stop, "use it again");
  if (const auto code = line.parse(args)) return *code;
  if (wait && stop) return line.wrong("give either --wait or --stop");
  const auto answer = ask(context, [&](dir::DirClient& dir) { return dir.drain(name, stop); });
  if (!answer || !wait) return shown("fileserver drain", answer);
  return Context::finish("fileserver drain", wait_until_empty(context, name, *answer));
}

int run_fileserver_remove(Context& context, const Arguments& args) {
  std::string name;
  bool lose = false;
  CommandLine line("conclave fileserver remove", "Takes a file server away for good: its certificate is taken no more, and what it "
                                                 "had is copied from the others at once.");
  context.accept_dir(line);
  line.argument("NAME", name, "as `conclave fileserver list` shows it");
  line.flag("--lose-only-copies", lose, "also if it has the only copy of something, which is lost then");
  if (const auto code = line.parse(args)) return *code;
  auto answer = ask(context, [&](dir::DirClient& dir) { return dir.remove_server(name, lose); });
  if (!answer && answer.error().code == Errc::kBusy) {
    answer = Error(Errc::kBusy, answer.error().message + " (`conclave fileserver drain " + name + " --wait`); or, knowing that "
                                "they are lost, remove it with --lose-only-copies");
  }
  return shown("fileserver remove", answer);
}

}  // namespace conclave::cli
