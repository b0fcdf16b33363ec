#include "streams/host_sensors.h"

#include <charconv>
#include <sstream>

namespace conclave::streams {
namespace {

constexpr std::size_t kMaxProcFileBytes = 1 << 20;  // /proc/diskstats of a machine with 5,000 disks
constexpr std::uint64_t kSectorBytes = 512;         // the unit of /proc/diskstats whatever the disk's sector is
constexpr double kNs = 1e9;

// Calls `take` with the white-space separated fields of each line.
template <class Take>
void each_line(std::string_view text, Take take) {
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::vector<std::string> fields;
    for (std::string word; words >> word;) fields.push_back(word);
    if (!fields.empty()) take(fields);
  }
}

std::optional<std::uint64_t> number(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_whole_disk(const std::string& name) {
  if (name.starts_with("loop") || name.starts_with("ram") || name.starts_with("dm-")) return false;
  const bool numbered = name.starts_with("nvme") || name.starts_with("mmcblk");
  if (numbered) return name.find('p') == std::string::npos;
  return name.find_first_of("0123456789") == std::string::npos || name.starts_with("sr") || name.starts_with("md");
}

}  // namespace

std::optional<LoadAverages> parse_loadavg(std::string_view text) {
  std::istringstream in{std::string(text)};
  LoadAverages out;
  if (!(in >> out.one >> out.five >> out.fifteen)) return std::nullopt;
  return out;
}

std::optional<Memory> parse_meminfo(std::string_view text) {
  Memory out;
  each_line(text, [&](const std::vector<std::string>& fields) {
    if (fields.size() < 2) return;
    const std::uint64_t bytes = number(fields[1]).value_or(0) * 1024;
    if (fields[0] == "MemTotal:") out.total_bytes = bytes;
    if (fields[0] == "MemAvailable:") out.available_bytes = bytes;
  });
  if (out.total_bytes == 0 || out.available_bytes > out.total_bytes) return std::nullopt;
  return out;
}

Counters parse_diskstats(std::string_view text) {
  Counters out;
  each_line(text, [&](const std::vector<std::string>& fields) {
    if (fields.size() < 10 || !is_whole_disk(fields[2])) return;
    const auto read = number(fields[5]), written = number(fields[9]);
    if (!read || !written) return;
    out[fields[2] + "/read"] = *read * kSectorBytes;
    out[fields[2] + "/written"] = *written * kSectorBytes;
  });
  return out;
}

Counters parse_net_dev(std::string_view text) {
  Counters out;
  std::string spaced(text);  // "eth0:123" has no space after the colon on old kernels
  for (char& c : spaced) {
    if (c == ':') c = ' ';
  }
  each_line(spaced, [&](const std::vector<std::string>& fields) {
    if (fields.size() < 17 || fields[0] == "lo") return;
    const auto received = number(fields[1]), sent = number(fields[9]);
    if (!received || !sent) return;
    out[fields[0] + "/received"] = *received;
    out[fields[0] + "/sent"] = *sent;
  });
  return out;
}

HostSensors::HostSensors(Files& files, std::string host, std::string root)
    : files_(files), host_(std::move(host)), root_(std::move(root)) {}

std::string HostSensors::read(const std::string& path) {
  return files_.read_all(root_ + path, kMaxProcFileBytes).value_or("");
}

void HostSensors::add(std::string group, std::string name, std::string unit, double value) {
  out_.push_back({std::move(group), Reading{std::move(name), std::move(unit), value, now_, now_, "host:" + host_}});
}

void HostSensors::add_rates(const std::string& group, const Counters& now, Counters& before, double seconds) {
  for (const auto& [name, bytes] : now) {
    const auto old = before.find(name);
    const bool comparable = old != before.end() && bytes >= old->second && seconds > 0;  // not across a reset
    if (comparable) add(group, name, "B/s", static_cast<double>(bytes - old->second) / seconds);
  }
  before = now;
}

void HostSensors::add_temperatures() {
  const std::string folder = "sys/class/hwmon";
  for (const std::string& chip : files_.list(root_ + folder).value_or({})) {
    const std::string base = folder + "/" + chip;
    for (const std::string& file : files_.list(root_ + base).value_or({})) {
      if (!file.starts_with("temp") || !file.ends_with("_input")) continue;
      std::istringstream in(read(base + "/" + file));
      double milli_celsius = 0;
      if (in >> milli_celsius) add("temperature", chip + "/" + file.substr(0, file.size() - 6), "Cel", milli_celsius / 1000);
    }
  }
}

std::vector<GroupedReading> HostSensors::sample(WallTime now) {
  out_.clear();
  now_ = now;
  if (const auto load = parse_loadavg(read("proc/loadavg"))) {
    add("load", "load1", "1", load->one);
    add("load", "load5", "1", load->five);
    add("load", "load15", "1", load->fifteen);
  }
  if (const auto memory = parse_meminfo(read("proc/meminfo"))) {
    add("memory", "available", "B", static_cast<double>(memory->available_bytes));
    add("memory", "used", "%", 100.0 * static_cast<double>(memory->total_bytes - memory->available_bytes) /
                                   static_cast<double>(memory->total_bytes));
  }
  if (const auto space = files_.space(root_)) {
    add("disk", "root/free", "B", static_cast<double>(space->free_bytes));
  }
  const double seconds = static_cast<double>(now.ns - last_.ns) / kNs;
  add_rates("disk", parse_diskstats(read("proc/diskstats")), disks_, seconds);
  add_rates("network", parse_net_dev(read("proc/net/dev")), interfaces_, seconds);
  add_temperatures();
  last_ = now;
  return std::move(out_);
}

}  // namespace conclave::streams
