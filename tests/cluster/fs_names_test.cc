// Programs on two mounts make, remove, rename and list the names of one directory of a simulated cluster.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/cluster/fs_world.h"
#include "tests/cluster/name_history.h"

namespace conclave::sim {
namespace {

constexpr std::uint64_t kNames = 6;

class NamePrograms {
 public:
  NamePrograms(FsWorld& world, bool may_fail) : world_(world), history_(world.sim.clock), may_fail_(may_fail) {
    world_.on_mount(0, [](SimMount& mount) {
      ASSERT_TRUE(mount.make_directory("d"));
      ASSERT_TRUE(mount.sync_directory(""));
    });
  }
  NameHistory& history() { return history_; }
  [[nodiscard]] bool running() const { return running_ != 0; }

  void start(int mount, int steps) {
    ++running_;
    world_.mount(mount).spawn("program", [this, mount, steps] {
      for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
        step(world_.mount(mount));
        world_.sim.scheduler.sleep_for(Duration(static_cast<std::int64_t>(below(30'000'000))));
      }
      --running_;
    });
  }
  void finish() {
    const MonoTime end = world_.sim.clock.now() + 10min;
    while (running_ != 0 && world_.sim.clock.now() < end) world_.sim.scheduler.sleep_for(100ms);
    EXPECT_EQ(running_, 0) << "programs hang\n" << world_.sim.scheduler.last_events();
  }
  // What is there at the end, the same on every mount.
  void check_end() {
    for (std::size_t i = 0; i < world_.mounts.size(); ++i) {
      world_.on_mount(static_cast<int>(i), [&](SimMount& mount) {
        const auto there = listed(mount);
        ASSERT_TRUE(there) << there.error().message;
        for (const std::string& name : names()) history_.check_balance(name, there->contains(name));
      });
    }
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return world_.sim.random.below(bound); }
  static std::vector<std::string> names() {
    std::vector<std::string> out;
    for (std::uint64_t i = 0; i < kNames; ++i) out.push_back("n" + std::to_string(i));
    return out;
  }
  void step(SimMount& mount) {
    const std::string name = names()[below(kNames)];
    const std::uint64_t dice = below(100);
    if (dice < 30) {
      make(mount, name);
    } else if (dice < 55) {
      remove(mount, name);
    } else if (dice < 65) {
      rename(mount, name, names()[below(kNames)]);
    } else if (dice < 80) {
      look(mount, name);
    } else if (dice < 92) {
      (void)listed(mount);
    } else {
      const MonoTime asked = world_.sim.clock.now();
      const Status synced = mount.sync_directory("d");
      if (synced) history_.acknowledge_sync(asked);
      allow(synced, {}, "fsync");
    }
  }
  void make(SimMount& mount, const std::string& name) {
    const auto number = history_.begin(name, "");
    const auto made = mount.create("d/" + name, O_WRONLY | O_EXCL);
    if (made) mount.close(*made);
    settle(number, made, Errc::kExists, true, "create");
  }
  void remove(SimMount& mount, const std::string& name) {
    const auto number = history_.begin("", name);
    settle(number, mount.unlink("d/" + name), Errc::kNotFound, false, "unlink");
  }
  void rename(SimMount& mount, const std::string& from, const std::string& to) {
    if (from == to) return;
    const auto number = history_.begin(to, from);
    settle(number, mount.rename("d/" + from, "d/" + to), Errc::kNotFound, false, "rename");
  }
  template <class Outcome>
  void settle(NameHistory::Number number, const Outcome& outcome, Errc refusal, bool exclusive, const char* call) {
    if (outcome) return history_.acknowledge(number, exclusive);
    if (outcome.error().code == refusal) history_.forget(number);
    allow(outcome, refusal, call);
  }
  void look(SimMount& mount, const std::string& name) {
    const MonoTime asked = world_.sim.clock.now();
    const auto attr = mount.stat("d/" + name);
    if (attr || attr.error().code == Errc::kNotFound) history_.check(name, attr.has_value(), asked);
    allow(attr, Errc::kNotFound, "stat");
  }
  Result<std::set<std::string>> listed(SimMount& mount) {
    const MonoTime asked = world_.sim.clock.now();
    const auto all = mount.list("d");
    allow(all, {}, "readdir");
    if (!all) return all.error();
    const std::set<std::string> there(all->begin(), all->end());
    EXPECT_EQ(there.size(), all->size()) << "a name is listed twice";
    for (const std::string& name : names()) history_.check(name, there.contains(name), asked);
    return there;
  }
  template <class Outcome>
  void allow(const Outcome& outcome, std::optional<Errc> refusal, const char* call) {
    if (outcome || outcome.error().code == refusal) return;
    const Errc code = outcome.error().code;
    const bool passing = code == Errc::kUnavailable || code == Errc::kUnknown || code == Errc::kFenced ||
                         code == Errc::kStale || code == Errc::kOverloaded;
    EXPECT_TRUE(may_fail_ && passing) << call << ": " << name_of(code) << ": " << outcome.error().message;
    world_.sim.scheduler.sleep_for(100ms);
  }

  FsWorld& world_;
  NameHistory history_;
  const bool may_fail_;
  int running_ = 0;
};

TEST(FsNames, EachOfTwoMountsSeesTheNamesThatTheOtherMakesAndRemoves) {
  for_seeds(4, [](std::uint64_t seed) {
    FsWorld world(seed, {.mounts = 2});
    NamePrograms programs(world, false);
    for (const int mount : {0, 0, 1, 1}) programs.start(mount, 60);
    programs.finish();
    programs.check_end();
  });
}

TEST(FsNames, NoNameIsLostOrMadeTwiceAlthoughMessagesGetLost) {
  for_seeds(4, [](std::uint64_t seed) {
    FsWorld world(seed, {.mounts = 2});
    NamePrograms programs(world, true);
    world.sim.network.faults = SimFaults::lossy();
    for (const int mount : {0, 0, 1}) programs.start(mount, 40);
    programs.finish();
    world.sim.network.faults = {};
    world.sim.scheduler.sleep_for(5s);
    world.settle();
    programs.check_end();
  });
}

// A directory server that starts again, with or without what its disk was not synced to keep.
void restart_while_names_change(std::uint64_t seed, bool power) {
  FsWorld world(seed, {.mounts = 2});
  NamePrograms programs(world, true);
  for (const int mount : {0, 0, 1}) programs.start(mount, 60);
  for (int i = 0; i < 3 && programs.running(); ++i) {
    world.sim.scheduler.sleep_for(Duration(static_cast<std::int64_t>(world.sim.random.below(700'000'000))));
    const auto away = Duration(static_cast<std::int64_t>(world.sim.random.below(3'000'000'000)));
    if (power) {
      programs.history().lose_power();
      world.lose_power(world.dir, away);
    } else {
      FsWorld::crash(world.dir, away);
    }
  }
  programs.finish();
  world.settle();
  programs.check_end();
}

TEST(FsNames, ADirectoryServerThatIsKilledLosesNoName) {
  for_seeds(4, [](std::uint64_t seed) { restart_while_names_change(seed, false); });
}

TEST(FsNames, ADirectoryServerWithoutPowerLosesNoNameThatWasSynced) {
  for_seeds(4, [](std::uint64_t seed) { restart_while_names_change(seed, true); });
}

}  // namespace
}  // namespace conclave::sim
