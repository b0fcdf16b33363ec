#include "streams/host_sensors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace conclave::streams {
namespace {

constexpr std::string_view kDisks =
    " 254       0 vda 9000 10 2000 50 700 20 4000 30 0 60 80 0 0 0 0\n"
    " 254       1 vda1 9000 10 1000 50 700 20 1000 30 0 60 80 0 0 0 0\n"
    " 259       0 nvme0n1 1 0 8 0 1 0 16 0 0 0 0\n"
    " 259       1 nvme0n1p1 1 0 8 0 1 0 16 0 0 0 0\n"
    "   7       0 loop0 1 0 8 0 1 0 16 0 0 0 0\n";
constexpr std::string_view kNet =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
    "    lo: 99 1 0 0 0 0 0 0 99 1 0 0 0 0 0 0\n"
    "  eth0:1000 10 0 0 0 0 0 0 2000 20 0 0 0 0 0 0\n";

TEST(HostSensors, LoadAveragesAreTheFirstThreeNumbers) {
  const auto load = parse_loadavg("0.52 0.58 0.59 1/467 12345\n");
  ASSERT_TRUE(load);
  EXPECT_DOUBLE_EQ(load->one, 0.52);
  EXPECT_DOUBLE_EQ(load->fifteen, 0.59);
  EXPECT_FALSE(parse_loadavg("0.52 0.58"));
}

TEST(HostSensors, MemoryIsInBytesAndMustMakeSense) {
  const auto memory = parse_meminfo("MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  250 kB\n");
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->total_bytes, 1024000u);
  EXPECT_EQ(memory->available_bytes, 256000u);
  EXPECT_FALSE(parse_meminfo("MemTotal: 10 kB\nMemAvailable: 20 kB\n"));
  EXPECT_FALSE(parse_meminfo(""));
}

TEST(HostSensors, WholeDisksAreCountedAndPartitionsAreNot) {
  const Counters expected = {{"vda/read", 2000u * 512}, {"vda/written", 4000u * 512},
                             {"nvme0n1/read", 8u * 512}, {"nvme0n1/written", 16u * 512}};
  EXPECT_EQ(parse_diskstats(kDisks), expected);
}

TEST(HostSensors, InterfacesButLoopbackAreCounted) {
  const Counters expected = {{"eth0/received", 1000}, {"eth0/sent", 2000}};
  EXPECT_EQ(parse_net_dev(kNet), expected);
}

class HostSensorsOnFakeRoot : public testing::Test {
 protected:
  HostSensorsOnFakeRoot() {
    root_ = std::filesystem::temp_directory_path() / ("sensors-" + std::to_string(::getpid()));
    std::filesystem::create_directories(root_ / "proc/net");
    std::filesystem::create_directories(root_ / "sys/class/hwmon/hwmon0");
    put("proc/loadavg", "1.5 1.0 0.5 1/1 1\n");
    put("proc/net/dev", std::string(kNet));
    put("sys/class/hwmon/hwmon0/temp1_input", "42500\n");
  }
  ~HostSensorsOnFakeRoot() override { std::filesystem::remove_all(root_); }

  void put(const std::string& path, const std::string& content) { std::ofstream(root_ / path) << content; }
  static const Reading* find(const std::vector<GroupedReading>& all, const std::string& name) {
    const auto at = std::find_if(all.begin(), all.end(), [&](const auto& g) { return g.reading.name == name; });
    return at == all.end() ? nullptr : &at->reading;
  }

  std::filesystem::path root_;
  SystemFiles files_;
};

TEST_F(HostSensorsOnFakeRoot, RatesComeFromTheSecondSampleOn) {
  HostSensors sensors(files_, "db1", root_.string() + "/");
  EXPECT_EQ(find(sensors.sample(WallTime{1'000'000'000}), "eth0/received"), nullptr);
  std::string later(kNet);
  later.replace(later.find(":1000"), 5, ":5000");
  put("proc/net/dev", later);
  const auto second = sensors.sample(WallTime{3'000'000'000});
  ASSERT_NE(find(second, "eth0/received"), nullptr);
  EXPECT_DOUBLE_EQ(find(second, "eth0/received")->value, 2000.0);  // 4,000 bytes in 2 s
  EXPECT_DOUBLE_EQ(find(second, "eth0/sent")->value, 0.0);
}

TEST_F(HostSensorsOnFakeRoot, ACounterThatWentBackGivesNoRate) {
  HostSensors sensors(files_, "db1", root_.string() + "/");
  (void)sensors.sample(WallTime{1'000'000'000});
  std::string later(kNet);
  later.replace(later.find(":1000"), 5, ":0001");
  put("proc/net/dev", later);
  EXPECT_EQ(find(sensors.sample(WallTime{2'000'000'000}), "eth0/received"), nullptr);
}

TEST_F(HostSensorsOnFakeRoot, TemperaturesAreInCelsiusAndMissingSourcesAreLeftOut) {
  HostSensors sensors(files_, "db1", root_.string() + "/");
  const auto all = sensors.sample(WallTime{1'000'000'000});
  ASSERT_NE(find(all, "hwmon0/temp1"), nullptr);
  EXPECT_DOUBLE_EQ(find(all, "hwmon0/temp1")->value, 42.5);
  EXPECT_EQ(find(all, "available"), nullptr);  // no /proc/meminfo there
  EXPECT_EQ(find(all, "load1")->origin, "host:db1");
}

TEST_F(HostSensorsOnFakeRoot, EveryReadingSurvivesItsLine) {
  HostSensors sensors(files_, "db1");  // of this machine
  (void)sensors.sample(WallTime{1'000'000'000});
  const auto all = sensors.sample(WallTime{2'000'000'000});
  ASSERT_NE(find(all, "load1"), nullptr);
  for (const auto& grouped : all) {
    const auto back = parse_line(line_of(grouped.reading));
    ASSERT_TRUE(back) << line_of(grouped.reading) << back.error().message;
    EXPECT_EQ(*back, grouped.reading);
  }
}

}  // namespace
}  // namespace conclave::streams
