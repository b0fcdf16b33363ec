// What this machine says of itself: load, memory, disks, network, temperatures, as the kernel shows them under /proc
// and /sys (Documentation/filesystems/proc.rst, Documentation/hwmon/sysfs-interface.rst). The parsers are pure; rates
// come from the difference of two samples.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "streams/reading.h"

namespace conclave::streams {

// A group is one log of its own: /sensors/HOST/load, …
struct GroupedReading {
  std::string group;   // "load", "memory", "disk", "network", "temperature"
  Reading reading;
};

// Counters that only rates are made of: name ("sda/read") → bytes since boot.
using Counters = std::map<std::string, std::uint64_t>;

struct LoadAverages {
  double one = 0, five = 0, fifteen = 0;
};
std::optional<LoadAverages> parse_loadavg(std::string_view text);
struct Memory {
  std::uint64_t total_bytes = 0, available_bytes = 0;
};
std::optional<Memory> parse_meminfo(std::string_view text);
// Whole disks only, no partitions, loops or RAM disks; bytes read and written.
Counters parse_diskstats(std::string_view text);
// All interfaces but lo; bytes received and sent.
Counters parse_net_dev(std::string_view text);

class HostSensors {
 public:
  // `host` names the origin. `root` is "/" but for tests.
  HostSensors(Files& files, std::string host, std::string root = "/");
  // Reads everything once. A source that is missing or unreadable gives no readings; the first call gives no rates.
  std::vector<GroupedReading> sample(WallTime now);

 private:
  void add(std::string group, std::string name, std::string unit, double value);
  void add_rates(const std::string& group, const Counters& now, Counters& before, double seconds);
  void add_temperatures();
  std::string read(const std::string& path);

  Files& files_;
  const std::string host_;
  const std::string root_;
  WallTime last_, now_;
  Counters disks_, interfaces_;
  std::vector<GroupedReading> out_;
};

}  // namespace conclave::streams
