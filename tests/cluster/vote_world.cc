#include "tests/cluster/vote_world.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace conclave::sim {
namespace {

constexpr auto kLogin = std::chrono::hours(12);
constexpr double kLooksAway = 0.2;   // an approver at a request

std::string content(std::uint64_t number) { return std::to_string(number) + std::string(number * 97 % 4000, '.'); }

// What a call may say while messages get lost or servers restart.
bool is_passing(Errc code) {
  return code == Errc::kUnavailable || code == Errc::kUnknown || code == Errc::kFenced || code == Errc::kStale ||
         code == Errc::kIo || code == Errc::kOverloaded;
}

// What a vote may say because others were quicker, or time was.
bool is_late(Errc code) { return code == Errc::kExists || code == Errc::kAccess || code == Errc::kTimedOut; }

}  // namespace

VoteWorld::VoteWorld(std::uint64_t seed, int mounts, Rules rules)
    : fs(seed, {.mounts = mounts, .file_servers = 2, .vault = true}) {
  for (const char* name : {"ada", "bob", "carol", "dave"}) {
    people_[name] = std::make_unique<SimPerson>(fs.sim, *fs.vault, name);
  }
  InodeId folder{};
  fs.on_mount(0, [&](SimMount& mount) {
    ASSERT_TRUE(mount.make_directory("secrets/prod"));
    folder = InodeId{mount.stat("secrets/prod")->inode()};
  });
  vault::Policy policy = fs.vault->people().policy(kQuorum);
  policy.directory = folder;
  policy.request_lifetime = rules.request_lifetime;
  policy.longest_grant = rules.grant;
  policy.disclose = rules.disclose;
  policy.most_openings = 1;   // so that each opening needs a request of its own
  run(person("ada").spawn([&] { ASSERT_TRUE(person("ada").put_policy(policy)); }));
  for (int i = 0; i < mounts; ++i) log_in(i);
  fs.on_mount(0, [&](SimMount&) { expect_passing(write_secret(0), "write"); });
}

void VoteWorld::log_in(int mount) {
  fs.on_mount(mount, [&](SimMount& on) { ASSERT_TRUE(on.log_in(fs.vault->people().login("alice"))); });
}

Status VoteWorld::read_secret(int mount) {
  SimMount& on = fs.mount(mount);
  const MonoTime asked = fs.sim.clock.now();
  const std::uint64_t handle = TRY(on.open(kSecret, O_RDONLY));
  votes.opened();
  const auto text = on.read(handle, 0, 10'000);
  on.close(handle);
  if (!text) return text.error();
  check_content(*text, asked);
  return {};
}

// One of those written, and none that was replaced for sure before it was asked for.
void VoteWorld::check_content(const std::string& text, MonoTime asked) const {
  const std::uint64_t number = std::strtoull(text.c_str(), nullptr, 10);
  ASSERT_LT(number, writes_.size()) << text.substr(0, 20);
  EXPECT_EQ(text, content(number));
  const auto stored = writes_[number].stored;
  for (std::size_t other = 0; stored && other < writes_.size(); ++other) {
    const Write& write = writes_[other];
    EXPECT_FALSE(write.stored && write.begun > *stored && *write.stored < asked)
        << "read content " << number << ", which " << other << " had replaced";
  }
}

Status VoteWorld::write_secret(int mount) {
  SimMount& on = fs.mount(mount);
  const std::size_t number = writes_.size();
  writes_.push_back({fs.sim.clock.now(), {}});
  const std::uint64_t handle = TRY(number == 0 ? on.create(kSecret, O_WRONLY) : on.open(kSecret, O_WRONLY | O_TRUNC));
  const Status stored = [&]() -> Status {
    TRY(on.write(handle, 0, view_of(content(number))));
    return on.fsync(handle);
  }();
  on.close(handle);
  if (stored) writes_[number].stored = fs.sim.clock.now();
  return stored;
}

Status VoteWorld::vote(const std::string& name, const cli::CheckedRequest& request, bool approval) {
  const Hash rd = request.a_case.rd;
  votes.sends(rd, name, approval);
  const auto after = approval ? person(name).approve(request) : person(name).deny(request);
  if (!after) return after.error();
  votes.acknowledged(rd, name, approval);
  return {};
}

void VoteWorld::expect_passing(const Status& status, const char* call) const {
  if (status) return;
  const Errc code = status.error().code;
  EXPECT_TRUE(may_fail_ && is_passing(code)) << call << ": " << name_of(code) << ": " << status.error().message;
}

void VoteWorld::repeat(SimNode& node, const std::string& what, MonoTime end, std::uint64_t most_ms, std::function<void()> step) {
  ++running_;
  node.spawn(what, [this, end, most_ms, step = std::move(step)] {
    while (fs.sim.clock.now() < end && !testing::Test::HasFailure()) {
      step();
      pause(most_ms);
    }
    --running_;
  });
}

void VoteWorld::start_reader(int mount, MonoTime end) {
  repeat(fs.mount(mount).node(), "reader", end, 6000, [this, mount] {
    const Status read = read_secret(mount);
    if (!read && read.error().code == Errc::kTimedOut) return;
    if (!read && read.error().code == Errc::kAccess && votes.may_be_denied()) return;
    expect_passing(read, "read");
  });
}

void VoteWorld::start_writer(int mount, MonoTime end) {
  repeat(fs.mount(mount).node(), "writer", end, 15'000, [this, mount] { expect_passing(write_secret(mount), "write"); });
}

void VoteWorld::start_approver(const std::string& name, MonoTime end, double denies) {
  repeat(person(name).node(), "approver", end, 5000, [this, name, denies] {
    const auto waiting = person(name).requests(false);
    expect_passing(waiting ? Status() : Status(waiting.error()), "requests");
    if (!waiting) return;
    for (const cli::CheckedRequest& request : *waiting) {
      if (fs.sim.random.chance(kLooksAway)) continue;
      const Status voted = vote(name, request, !fs.sim.random.chance(denies));
      if (!voted && !is_late(voted.error().code)) expect_passing(voted, "vote");
    }
    const auto given = person(name).disclose_due();   // as the next command does
    if (!given && !is_late(given.error().code)) expect_passing(Status(given.error()), "disclose");
  });
}

void VoteWorld::finish() {
  const MonoTime limit = fs.sim.clock.now() + 10min;
  while (running_ != 0 && fs.sim.clock.now() < limit) fs.sim.scheduler.sleep_for(100ms);
  EXPECT_EQ(running_, 0) << "somebody hangs\n" << fs.sim.scheduler.last_events();
}

void VoteWorld::check() {
  fs.sim.network.faults = {};
  may_fail_ = false;
  fs.sim.scheduler.sleep_for(5s);
  SimPerson& ada = person("ada");
  run(ada.spawn([&] {
    const auto log = ada.read_log();
    ASSERT_TRUE(log) << log.error().message;
    const auto requests = ada.requests(true);
    ASSERT_TRUE(requests) << requests.error().message;
    votes.check(*log, *requests);
  }));
}

}  // namespace conclave::sim
