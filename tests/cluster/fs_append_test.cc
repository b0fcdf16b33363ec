// Programs on two mounts append records to one file of a simulated cluster: each record is there once, whole, and
// behind the earlier ones of its program.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/cluster/fs_world.h"

namespace conclave::sim {
namespace {

struct Appender {
  int number = 0;
  enum class Fate : std::uint8_t { kUnknown, kAcknowledged, kSynced };   // kUnknown too: an fsync said it may be lost
  struct Record {
    std::string text;
    Fate fate = Fate::kUnknown;
  };
  std::vector<Record> records;

  void settle(bool synced) {
    for (Record& record : records) {
      if (record.fate == Fate::kAcknowledged) record.fate = synced ? Fate::kSynced : Fate::kUnknown;
    }
  }
};

class AppendPrograms {
 public:
  AppendPrograms(FsWorld& world, std::string path) : world_(world), path_(std::move(path)) {
    world_.on_mount(0, [&](SimMount& mount) {
      const auto made = mount.create(path_, O_WRONLY | O_APPEND | O_EXCL);
      ASSERT_TRUE(made) << name_of(made.error().code) << ": " << made.error().message;
      ASSERT_TRUE(mount.fsync(*made));
      mount.close(*made);
      ASSERT_TRUE(mount.sync_directory(""));
    });
  }
  [[nodiscard]] bool running() const { return running_ != 0; }
  void may_fail() { may_fail_ = true; }
  void start(int mount, int records) {
    auto appender = std::make_unique<Appender>();
    appender->number = static_cast<int>(appenders_.size());
    Appender& self = *appender;
    appenders_.push_back(std::move(appender));
    ++running_;
    world_.mount(mount).spawn("appender", [this, mount, records, &self] {
      run(world_.mount(mount), self, records);
      --running_;
    });
  }
  void finish() {
    const MonoTime end = world_.sim.clock.now() + 10min;
    while (running_ != 0 && world_.sim.clock.now() < end) world_.sim.scheduler.sleep_for(100ms);
    EXPECT_EQ(running_, 0) << "programs hang\n" << world_.sim.scheduler.last_events();
  }
  // `lost_power`: what was acknowledged and not synced may be gone.
  void check(bool lost_power) {
    for (std::size_t i = 0; i < world_.mounts.size(); ++i) {
      world_.on_mount(static_cast<int>(i), [&](SimMount& mount) { check_log(read_all(mount), lost_power); });
    }
  }

 private:
  void run(SimMount& mount, Appender& self, int records) {
    std::uint64_t handle = 0;
    for (int i = 0; i < records && !testing::Test::HasFailure(); ++i) {
      if (handle == 0) {
        const auto opened = mount.open(path_, O_WRONLY | O_APPEND);
        if (allow(opened, "open")) handle = *opened;
        if (handle == 0) continue;
      }
      const std::string text = std::to_string(self.number) + "." + std::to_string(i) + ":" +
                               std::string(world_.sim.random.below(3000), static_cast<char>('a' + self.number)) + "\n";
      self.records.push_back({text});
      const auto written = mount.append(handle, view_of(text));
      if (written) self.records.back().fate = Appender::Fate::kAcknowledged;
      EXPECT_TRUE(!written || *written == text.size());
      bool fine = allow(written, "append");
      if (fine && world_.sim.random.chance(0.15)) {
        const Status synced = mount.fsync(handle);
        self.settle(synced.has_value());
        fine = allow(synced, "fsync");
      }
      if (!fine) mount.close(std::exchange(handle, 0));
      world_.sim.scheduler.sleep_for(Duration(static_cast<std::int64_t>(world_.sim.random.below(60'000'000))));
    }
    if (handle != 0) mount.close(handle);
  }
  template <class Outcome>
  bool allow(const Outcome& outcome, const char* call) {
    if (outcome) return true;
    const Errc code = outcome.error().code;
    const bool passing = code == Errc::kUnavailable || code == Errc::kUnknown || code == Errc::kFenced ||
                         code == Errc::kStale || code == Errc::kIo || code == Errc::kOverloaded;
    EXPECT_TRUE(may_fail_ && passing) << call << ": " << name_of(code) << ": " << outcome.error().message;
    world_.sim.scheduler.sleep_for(100ms);
    return false;
  }
  std::string read_all(SimMount& mount) {
    const auto handle = mount.open(path_, O_RDONLY);
    EXPECT_TRUE(handle) << handle.error().message;
    if (!handle) return {};
    std::string all;
    for (;;) {
      const auto bytes = mount.read(*handle, all.size(), 100'000);
      EXPECT_TRUE(bytes) << bytes.error().message;
      if (!bytes || bytes->empty()) break;
      all += *bytes;
    }
    mount.close(*handle);
    const auto attr = mount.stat(path_);
    EXPECT_TRUE(attr && attr->size_bytes() == all.size());
    return all;
  }
  void check_log(const std::string& log, bool lost_power) {
    std::map<std::string, std::size_t> at;   // where each record is
    for (std::size_t from = 0; from < log.size();) {
      const std::size_t end = std::min(log.find('\n', from), log.size() - 1) + 1;
      const std::string record = log.substr(from, end - from);
      EXPECT_TRUE(at.emplace(record, from).second) << record.substr(0, 10) << " is there twice";
      from = end;
    }
    for (const auto& appender : appenders_) check_appender(*appender, at, lost_power);
    for (const auto& [record, where] : at) {
      ADD_FAILURE() << "nobody appended \"" << record.substr(0, 20) << "\" at " << where;
    }
  }
  static void check_appender(const Appender& appender, std::map<std::string, std::size_t>& at, bool lost_power) {
    std::size_t last = 0;
    for (std::size_t i = 0; i < appender.records.size(); ++i) {
      const auto found = at.find(appender.records[i].text);
      const Appender::Fate fate = appender.records[i].fate;
      const bool must = fate == Appender::Fate::kSynced || (fate == Appender::Fate::kAcknowledged && !lost_power);
      EXPECT_TRUE(found != at.end() || !must) << "record " << i << " of appender " << appender.number << " is lost";
      if (found == at.end()) continue;
      EXPECT_GE(found->second, last) << "record " << i << " of appender " << appender.number << " is before another";
      last = found->second;
      at.erase(found);
    }
  }

  FsWorld& world_;
  const std::string path_;
  std::vector<std::unique_ptr<Appender>> appenders_;
  int running_ = 0;
  bool may_fail_ = false;
};

constexpr const char* kPlain = "plain";            // O_APPEND under W
constexpr const char* kLog = "sensors/log";        // class append

void append_undisturbed(std::uint64_t seed, const char* path) {
  FsWorld world(seed, {.mounts = 2});
  AppendPrograms programs(world, path);
  for (const int mount : {0, 0, 1, 1}) programs.start(mount, 30);
  programs.finish();
  programs.check(false);
}

TEST(FsAppend, RecordsOfTwoMountsInAPlainFileAreWholeAndInOrder) {
  for_seeds(3, [](std::uint64_t seed) { append_undisturbed(seed, kPlain); });
}
TEST(FsAppend, RecordsOfTwoMountsInALogAreWholeAndInOrder) {
  for_seeds(3, [](std::uint64_t seed) { append_undisturbed(seed, kLog); });
}

TEST(FsAppend, ARecordIsThereOnceAlthoughMessagesGetLost) {
  for_seeds(3, [](std::uint64_t seed) {
    FsWorld world(seed, {.mounts = 2});
    AppendPrograms programs(world, kLog);
    programs.may_fail();
    world.sim.network.faults = SimFaults::lossy();
    for (const int mount : {0, 0, 1}) programs.start(mount, 30);
    programs.finish();
    world.sim.network.faults = {};
    world.sim.scheduler.sleep_for(5s);
    world.settle();
    programs.check(false);
  });
}

void append_while_servers_restart(std::uint64_t seed, const char* path, bool power) {
  FsWorld world(seed, {.mounts = 2, .file_servers = 3});
  AppendPrograms programs(world, path);
  programs.may_fail();
  for (const int mount : {0, 0, 1}) programs.start(mount, 80);
  for (int i = 0; i < 3 && programs.running(); ++i) {
    world.sim.scheduler.sleep_for(Duration(static_cast<std::int64_t>(world.sim.random.below(1'000'000'000))));
    const auto away = Duration(static_cast<std::int64_t>(world.sim.random.below(6'000'000'000)));
    SimServer& server = *world.files[world.sim.random.below(world.files.size())];
    power ? world.lose_power(server, away) : FsWorld::crash(server, away);
  }
  programs.finish();
  world.sim.scheduler.sleep_for(5s);
  programs.check(power);
}

TEST(FsAppend, AFileServerThatIsKilledLosesNoRecord) {
  for_seeds(3, [](std::uint64_t seed) { append_while_servers_restart(seed, kLog, false); });
}
TEST(FsAppend, AFileServerWithoutPowerLosesNoRecordThatWasSynced) {
  for_seeds(6, [](std::uint64_t seed) { append_while_servers_restart(seed, kLog, true); });
}

// The first mount's record is gone with the power; the second mount's fill the chunk, which sealing then makes durable
// as it is.
TEST(FsAppend, ALogOfSeveralChunksIsReadOnAfterTheLockServersRestart) {
  FsWorld world(1, {.mounts = 1});
  AppendPrograms programs(world, kLog);
  const std::string first = "the first record\n", filling(kMaxIoBytes, 'f');
  const auto begins = [&](SimMount& mount) { return mount.read(*mount.open(kLog, O_RDONLY), 0, first.size()); };
  world.on_mount(0, [&](SimMount& mount) {
    const auto handle = *mount.open(kLog, O_WRONLY | O_APPEND);
    ASSERT_TRUE(mount.append(handle, view_of(first)));
    for (std::uint64_t bytes = 0; bytes <= kChunkBytes; bytes += filling.size()) ASSERT_TRUE(mount.append(handle, view_of(filling)));
    mount.close(handle);
    EXPECT_EQ(*begins(mount), first);
  });
  FsWorld::crash(world.lock, 1s);
  world.settle();
  world.on_mount(0, [&](SimMount& mount) {
    const auto again = begins(mount);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(*again, first);
  });
}

// What lies there (put by somebody who goes around a mount) can be read, and nothing is added.
TEST(FsAppend, NothingIsWrittenBelowChat) {
  FsWorld world(1, {.mounts = 1});
  world.on_mount(0, [&](SimMount& mount) {
    const auto refused = [](const auto& result) { return !result && result.error().code == Errc::kNotSupported; };
    EXPECT_TRUE(refused(mount.create("chat/log", O_WRONLY | O_APPEND)));
    EXPECT_TRUE(refused(mount.make_directory("chat/rooms")));
    dir::v1::CreateRequest request;
    request.set_parent(raw(InodeId(mount.stat("chat")->inode())));
    request.set_name("log");
    request.set_mode(S_IFREG | 0666);
    ASSERT_TRUE(mount.run([&] { return mount.client().servers().dir()->create(request); }));
    EXPECT_TRUE(refused(mount.open("chat/log", O_WRONLY | O_APPEND)));
    EXPECT_TRUE(refused(mount.open("chat/log", O_RDWR)));
    EXPECT_TRUE(refused(mount.truncate("chat/log", 5)));
    EXPECT_FALSE(mount.rename("chat/log", "log"));
    const auto handle = mount.open("chat/log", O_RDONLY);
    ASSERT_TRUE(handle) << handle.error().message;
    EXPECT_EQ(*mount.read(*handle, 0, 100), "");
    mount.close(*handle);
  });
}

// False if the power loss of this seed spared the record.
bool lost_below_a_full_chunk(std::uint64_t seed) {
  FsWorld world(seed, {.mounts = 2});
  AppendPrograms programs(world, kLog);
  std::uint64_t handle = 0;
  const std::string record = "acknowledged, not synced\n";
  bool lost = false;
  world.on_mount(0, [&](SimMount& mount) {
    handle = *mount.open(kLog, O_WRONLY | O_APPEND);
    ASSERT_TRUE(mount.append(handle, view_of(record)));
  });
  for (const auto& server : world.files) world.lose_power(*server, 1s);
  const std::string filling(kMaxIoBytes, 'f');
  world.on_mount(1, [&](SimMount& mount) {
    const auto other = mount.open(kLog, O_WRONLY | O_APPEND);
    ASSERT_TRUE(other) << other.error().message;
    for (std::uint64_t bytes = 0; bytes <= kChunkBytes; bytes += filling.size()) ASSERT_TRUE(mount.append(*other, view_of(filling)));
    EXPECT_TRUE(mount.fsync(*other));
    lost = *mount.read(*mount.open(kLog, O_RDONLY), 0, record.size()) != record;
    mount.close(*other);
  });
  if (!lost) return false;
  world.on_mount(0, [&](SimMount& mount) {
    const Status synced = mount.fsync(handle);
    ASSERT_FALSE(synced) << "the record was said to be safe";
    EXPECT_EQ(synced.error().code, Errc::kIo);
    EXPECT_TRUE(mount.fsync(handle));   // it is said once
    mount.close(handle);
  });
  return true;
}

TEST(FsAppend, AFullChunkIsNoProofForARecordThatWasLostBefore) {
  std::uint64_t seed = 1;
  while (seed <= 20 && !lost_below_a_full_chunk(seed)) ++seed;
  EXPECT_LE(seed, 20u) << "no power loss lost it";
}

}  // namespace
}  // namespace conclave::sim
