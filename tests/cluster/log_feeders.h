// Programs that feed sensor logs of a simulated cluster, and what their logs must hold: each record of a source once,
// whole, in the source's order, however often its feeders died and messages got lost.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "streams/sensor_log.h"
#include "tests/cluster/fs_world.h"

namespace conclave::sim {

// What is to be fed: records 1 to `records`, the same for whoever asks. The log's cursor is the newest record's number.
struct LogSource {
  std::string path;               // of its log, from the root
  std::uint64_t records = 0;
  std::uint64_t most_bytes = 3000;   // of one record, and more than
  std::uint64_t least_bytes = 0;
  std::uint64_t acknowledged = 0;    // the newest that an append was answered for
  [[nodiscard]] std::string record(std::uint64_t number) const;
};

// A process's way to the network, which ends with the process: what was sent may still happen, nothing more is sent, and no
// answer arrives.
class MortalTransport final : public Transport {
 public:
  explicit MortalTransport(Transport& network) : network_(network) {}
  void die() { alive_ = false; }
  void die_at(std::string path) { last_ = std::move(path); }   // in place of the first call of it
  [[nodiscard]] bool alive() const { return alive_; }
  Result<HttpReply> call(const Endpoint& to, const HttpRequest& request, MonoTime deadline) override;
  Status stream(const Endpoint& to, const HttpRequest& request,
                const std::function<bool(std::string_view piece)>& take) override;

 private:
  Transport& network_;
  std::string last_;
  bool alive_ = true;
};

// A process that feeds a source from where its log's cursor stands, in rounds of a few records under a new session after
// each error. It may be killed and started again; two of one source do no harm.
class LogFeeder {
 public:
  LogFeeder(FsWorld& world, LogSource& source, const std::string& name);
  ~LogFeeder() { kill(); }
  LogFeeder(const LogFeeder&) = delete;

  void kill() { life_->die(); }
  void kill_at(const std::string& path) { life_->die_at(path); }
  [[nodiscard]] bool alive() const { return life_->alive(); }
  void start();   // at first, or after kill()
  [[nodiscard]] bool done() const { return done_; }

 private:
  Status feed_all(Transport& transport);

  FsWorld& world_;
  LogSource& source_;
  const ClusterFile cluster_;
  bool done_ = false;
  SimNode node_;
  SimTransport transport_;
  std::shared_ptr<MortalTransport> life_;
};

// Everything that a mount reads from the source's log is the source's records from 1 to its last.
void check_log(FsWorld& world, int mount, const LogSource& source);

}  // namespace conclave::sim
