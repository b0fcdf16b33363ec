// `conclave ingest host`: this machine's sensors into logs, a round at every interval.
//
//   /sensors/.raw/host/HOST/0.jsonl     the truth: one reading a line, appended with its cursor (the round's time)
//   /sensors/HOST/GROUP/today.csv       derived; closed at midnight UTC as by-day/2026-11-20.csv, read-only
//
// A round is in the raw log whole or not at all, once. What a crash kept from the derived logs is written there from
// the raw log's end at the next start.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/daemon.h"
#include "base/log.h"
#include "streams/host_sensors.h"
#include "streams/sensor_log.h"

namespace conclave::streams {

class HostIngest final : public Duty {
 public:
  struct Options {
    std::string host;                         // as a folder's name
    Duration interval = std::chrono::seconds(1);
    std::uint32_t uid = 0, gid = 0;           // who owns what is made
  };
  HostIngest(LogSession::Seams seams, const ClusterFile& cluster, HostSensors& sensors, Log& log, Options options);

  // The first session and the raw log; what is missing in the derived ones is caught up. An error ends the program.
  Status start();

  // A round. A server that is away is waited for: the rounds meanwhile are kept, kMostWaiting of them, then the
  // oldest are dropped and counted in the log.
  MonoTime next_tick() override { return next_tick_; }
  void tick(MonoTime now) override;
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  static constexpr std::size_t kMostWaiting = 3600;   // an hour at one a second, ~6 MB
  struct Round {
    std::uint64_t time_ns = 0;
    std::string raw;                               // lines
    std::map<std::string, std::string> derived;    // rows by group
  };
  struct Derived {
    SensorLog log;
    std::string day;   // of the rows in it; empty: none yet
  };
  Round round_of(const std::vector<GroupedReading>& readings, WallTime now) const;
  static Status add_line(Round& round, const Reading& reading);
  Status write(Round& round);
  Status write_derived(const std::string& group, const std::string& rows, std::uint64_t time_ns);
  Result<Derived*> derived(const std::string& group);
  Status catch_up();
  Status open_session();
  [[nodiscard]] std::string folder_of_group(const std::string& group) const;

  LogSession::Seams seams_;
  const ClusterFile& cluster_;
  HostSensors& sensors_;
  Log& log_;
  const Options options_;
  std::unique_ptr<LogSession> session_;
  SensorLog raw_;
  std::map<std::string, Derived> derived_;
  std::vector<Round> waiting_;
  std::uint64_t dropped_ = 0;
  MonoTime next_tick_, renewed_;
};

}  // namespace conclave::streams
