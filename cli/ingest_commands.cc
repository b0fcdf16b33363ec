#include <unistd.h>

#include <iostream>

#include "base/daemon.h"
#include "cli/commands.h"
#include "streams/host_ingest.h"

namespace conclave::cli {
namespace {

Status ingest_host(Context& context, const std::string& name, Duration interval) {
  const ClusterFolder folder = TRY(context.cluster_folder());
  const ClusterFile cluster = TRY(context.cluster());
  const auto transport = TRY(context.transport_as_host(folder));
  Log log("ingest host");
  streams::HostSensors sensors(context.files(), name);
  const streams::LogSession::Seams seams{*transport, context.clock(), context.random(), context.waiter()};
  streams::HostIngest ingest(seams, cluster, sensors, log,
                             {.host = name, .interval = interval, .uid = getuid(), .gid = getgid()});
  TRY(ingest.start());
  std::cout << "Readings of " << name << " go to /sensors/" << name << "; Ctrl-C ends it.\n" << std::flush;
  Daemon daemon(context.clock(), log);
  daemon.add_duty("readings", ingest);
  daemon.run();
  return {};
}

}  // namespace

int run_ingest_host(Context& context, const Arguments& args) {
  std::string name = machine_name();
  Duration interval = std::chrono::seconds(1);
  CommandLine line("conclave ingest host", "This machine's load, memory, disks, network and temperatures into /sensors.");
  context.accept_identity(line);
  line.option("--interval", interval, "between readings, 100ms to 1d");
  line.option("--name", name, "the folder's name, and the readings' origin");
  if (const auto code = line.parse(args)) return *code;
  if (interval < std::chrono::milliseconds(100) || interval > std::chrono::hours(24)) {
    return line.wrong("--interval must be 100ms to 1d");
  }
  if (name.empty() || name.find('/') != std::string::npos || name.starts_with('.')) {
    return line.wrong("--name must be a folder's name");
  }
  return Context::finish("ingest host", ingest_host(context, name, interval));
}

}  // namespace conclave::cli
