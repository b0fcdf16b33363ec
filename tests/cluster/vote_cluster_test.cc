// A secret of a simulated cluster opens by vote and only so, while messages get lost and the vault loses its power.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "tests/cluster/vote_world.h"

namespace conclave::sim {
namespace {

constexpr Errc kDone = Errc::kInternal;   // no error
template <class Outcome>
Errc code_of(const Outcome& outcome) { return outcome ? kDone : outcome.error().code; }

// Alice reads on every mount, and all three approvers vote.
void start_all(VoteWorld& world, Duration length, double denies) {
  const MonoTime end = world.fs.sim.clock.now() + length;
  for (std::size_t i = 0; i < world.fs.mounts.size(); ++i) world.start_reader(static_cast<int>(i), end);
  for (const char* name : {"bob", "carol", "dave"}) world.start_approver(name, end + 30s, denies);
}

TEST(VoteCluster, ASecretOpensByTwoOfThreeAndADenialEndsARequest) {
  std::size_t openings = 0, denials = 0;
  for_seeds(2, [&](std::uint64_t seed) {
    VoteWorld world(seed, 2, {});
    start_all(world, 40s, 0.1);
    world.finish();
    world.check();
    openings += world.votes.openings();
    denials += world.votes.denials();
  });
  EXPECT_GT(openings, 0u);
  EXPECT_GT(denials, 0u);
}

// Shares follow their votes once each approver's device has seen enough of them in the log.
TEST(VoteCluster, ASecretOpensAlthoughSharesFollowTheQuorum) {
  std::size_t openings = 0, denials = 0;
  for_seeds(2, [&](std::uint64_t seed) {
    VoteWorld world(seed, 2, {.disclose = vault::Disclose::kAfterQuorum});
    start_all(world, 40s, 0.1);
    world.finish();
    world.check();
    openings += world.votes.openings();
    denials += world.votes.denials();
  });
  EXPECT_GT(openings, 0u);
  EXPECT_GT(denials, 0u);
}

// One spoiled 537 numbers of secrets to come, and buried the present one under a version without a payload.
TEST(VoteCluster, AnAuthorWhoSpeaksToTheVaultAlonePutsNothing) {
  VoteWorld world(1, 1, {});
  InodeId db{};
  world.fs.on_mount(0, [&](SimMount& mount) { db = InodeId{mount.stat(VoteWorld::kSecret)->inode()}; });
  SimPerson alice(world.fs.sim, *world.fs.vault, "alice");
  world.fs.sim.scheduler.join(alice.spawn([&] {
    EXPECT_EQ(code_of(alice.put_version(InodeId{raw(db) + 1}, 1, "/secrets/prod/next")), Errc::kInvalid);
    EXPECT_EQ(code_of(alice.put_version(db, 2, "/secrets/prod/db")), Errc::kInvalid);
  }));
  world.fs.on_mount(0, [&](SimMount&) { EXPECT_EQ(code_of(world.write_secret(0)), kDone); });
  world.check();
}

// The one request that waits, as `name` sees it.
cli::CheckedRequest waiting_request(VoteWorld& world, const std::string& name) {
  std::optional<cli::CheckedRequest> out;
  world.fs.sim.scheduler.join(world.person(name).spawn([&] {
    auto waiting = world.person(name).requests(false);
    ASSERT_TRUE(waiting) << waiting.error().message;
    ASSERT_EQ(waiting->size(), 1u);
    out = std::move(waiting->front());
  }));
  return std::move(out).value();
}

TEST(VoteCluster, OfTwoApprovalsAndADenialAtOnceEitherAllCountsOrTheDenial) {
  std::size_t opened = 0, denied = 0;
  for_seeds(3, [&](std::uint64_t seed) {
    VoteWorld world(seed, 1, {});
    Simulation& sim = world.fs.sim;
    for (int round = 0; round < 6; ++round) {
      Status read;
      const auto reader = world.fs.mount(0).spawn("reader", [&] { read = world.read_secret(0); });
      sim.scheduler.sleep_for(1s);
      const cli::CheckedRequest request = waiting_request(world, "bob");
      std::map<std::string, Status> voted;
      std::vector<SimScheduler::TaskId> voters;
      for (const char* name : {"bob", "carol", "dave"}) {
        voters.push_back(world.person(name).spawn([&, name] {
          sim.scheduler.sleep_for(std::chrono::microseconds(sim.random.below(500)));
          voted[name] = world.vote(name, request, name != std::string("dave"));
        }));
      }
      for (const auto voter : voters) sim.scheduler.join(voter);
      sim.scheduler.join(reader);
      EXPECT_EQ(code_of(read), voted["dave"] ? Errc::kAccess : kDone);
      EXPECT_EQ(read.has_value(), voted["bob"] && voted["carol"]);
      ++(read ? opened : denied);
      sim.scheduler.sleep_for(5s);   // the verdict lingers
    }
    world.check();
  });
  EXPECT_GT(opened, 0u);
  EXPECT_GT(denied, 0u);
}

TEST(VoteCluster, ARequestAndAGrantEndInTime) {
  VoteWorld world(1, 1, {.request_lifetime = 20s, .grant = 10s});
  Simulation& sim = world.fs.sim;
  Status read;
  const auto reader = world.fs.mount(0).spawn("reader", [&] { read = world.read_secret(0); });
  sim.scheduler.sleep_for(1s);
  const cli::CheckedRequest request = waiting_request(world, "bob");
  const auto vote_of = [&](const std::string& name) {
    Status out;
    sim.scheduler.join(world.person(name).spawn([&] { out = world.vote(name, request, true); }));
    return out;
  };
  EXPECT_TRUE(vote_of("bob"));
  sim.scheduler.join(reader);
  EXPECT_EQ(code_of(read), Errc::kTimedOut);
  EXPECT_EQ(code_of(vote_of("carol")), Errc::kTimedOut);

  for (const char* name : {"bob", "carol"}) world.start_approver(name, sim.clock.now() + 30s, 0);
  world.fs.on_mount(0, [&](SimMount& mount) {
    sim.scheduler.sleep_for(5s);   // the verdict lingers
    const auto handle = mount.open(VoteWorld::kSecret, O_RDONLY);
    ASSERT_TRUE(handle) << handle.error().message;
    world.votes.opened();
    EXPECT_TRUE(mount.read(*handle, 0, 100));
    sim.scheduler.sleep_for(10s);
    EXPECT_EQ(code_of(mount.read(*handle, 0, 100)), Errc::kKeyExpired);
    mount.close(*handle);
  });
  world.finish();
  world.check();
}

TEST(VoteCluster, ASecretThatIsReplacedMeanwhileIsReadAsItIsNow) {
  for_seeds(3, [](std::uint64_t seed) {
    VoteWorld world(seed, 2, {});
    Simulation& sim = world.fs.sim;
    for (const char* name : {"bob", "carol"}) world.start_approver(name, sim.clock.now() + 3min, 0);
    for (int round = 0; round < 8; ++round) {
      const auto writer = world.fs.mount(1).spawn("writer", [&] { EXPECT_TRUE(world.write_secret(1)); });
      sim.scheduler.sleep_for(std::chrono::microseconds(sim.random.below(8'000)));
      world.fs.on_mount(0, [&](SimMount&) {
        const Status read = world.read_secret(0);
        EXPECT_TRUE(read) << name_of(read.error().code) << ": " << read.error().message;
      });
      sim.scheduler.join(writer);
    }
    world.finish();
    world.check();
  });
}

TEST(VoteCluster, VotesCountOnceAlthoughMessagesGetLostAndComeTwice) {
  std::size_t openings = 0;   // of all runs: on such a network one may have none
  for_seeds(3, [&](std::uint64_t seed) {
    VoteWorld world(seed, 2, {});
    world.may_fail();
    world.fs.sim.network.faults = SimFaults::lossy();
    world.start_writer(0, world.fs.sim.clock.now() + 40s);
    start_all(world, 40s, 0.1);
    world.finish();
    world.check();
    openings += world.votes.openings();
  });
  EXPECT_GT(openings, 0u);
}

// The vault stops now and then, anywhere in what it does, and starts again.
std::size_t vote_while_the_vault_restarts(std::uint64_t seed, bool power) {
  VoteWorld world(seed, 1, {});
  world.may_fail();
  SimServer& vault = world.fs.vault->server();
  world.start_writer(0, world.fs.sim.clock.now() + 40s);
  start_all(world, 40s, 0.1);
  for (int i = 0; i < 4; ++i) {
    world.fs.sim.scheduler.sleep_for(std::chrono::milliseconds(world.fs.sim.random.below(15'000)));
    if (power) {
      vault.disk().cut_power_at_sync(1 + world.fs.sim.random.below(4));
      while (vault.disk().has_power() && world.running()) world.fs.sim.scheduler.sleep_for(10ms);
    }
    power ? vault.power_loss() : vault.kill();
    world.fs.sim.scheduler.sleep_for(std::chrono::milliseconds(world.fs.sim.random.below(5'000)));
    vault.restart();
  }
  world.finish();
  world.check();
  return world.votes.openings();
}

TEST(VoteCluster, AVaultThatIsKilledLosesNoVoteAndReleasesOnce) {
  std::size_t openings = 0;
  for_seeds(3, [&](std::uint64_t seed) { openings += vote_while_the_vault_restarts(seed, false); });
  EXPECT_GT(openings, 0u);
}
TEST(VoteCluster, AVaultWithoutPowerLosesNoVoteAndReleasesOnce) {
  std::size_t openings = 0;
  for_seeds(3, [&](std::uint64_t seed) { openings += vote_while_the_vault_restarts(seed, true); });
  EXPECT_GT(openings, 0u);
}

// One has written its payload, and its put waits for the vault to come back. Before that is known, another writes the same
// version's payload, and dies before its own put.
TEST(VoteCluster, AWriterThatDiesDamagesNoVersionOfAnother) {
  for_seeds(4, [](std::uint64_t seed) {
    VoteWorld world(seed, 2, {});
    world.may_fail();
    Simulation& sim = world.fs.sim;
    SimServer& vault = world.fs.vault->server();
    for (const char* name : {"bob", "carol"}) world.start_approver(name, sim.clock.now() + 3min, 0);
    for (int round = 0; round < 4; ++round) {
      const auto ours = world.fs.mount(0).spawn("writer", [&] { static_cast<void>(world.write_secret(0)); });
      sim.scheduler.sleep_for(std::chrono::microseconds(sim.random.below(10'000)));
      FsWorld::crash(vault, 1s);
      world.fs.mount(1).spawn("writer", [&] { static_cast<void>(world.write_secret(1)); });
      sim.scheduler.sleep_for(std::chrono::microseconds(sim.random.below(15'000)));
      world.fs.mount(1).kill();
      sim.scheduler.join(ours);
      world.fs.on_mount(0, [&](SimMount&) {
        const Status read = world.read_secret(0);
        EXPECT_TRUE(read) << name_of(read.error().code) << ": " << read.error().message;
      });
      world.fs.mount(1).restart();
      world.fs.settle();
      world.log_in(1);
    }
    world.finish();
    world.check();
  });
}

// Its last close has to wait for the lease that another mount's look at it took.
TEST(VoteCluster, AnEmptySecretIsStoredAtItsLastClose) {
  VoteWorld world(1, 2, {});
  world.fs.on_mount(0, [&](SimMount& mount) {
    const auto handle = mount.create("secrets/prod/empty", O_WRONLY);
    ASSERT_TRUE(handle) << handle.error().message;
    SimMount& other = world.fs.mount(1);
    world.fs.sim.scheduler.join(other.spawn("look", [&] { EXPECT_TRUE(other.stat("secrets/prod/empty")); }));
    mount.close(*handle);
  });
  for (const char* name : {"bob", "carol"}) world.start_approver(name, world.fs.sim.clock.now() + 1min, 0);
  world.fs.sim.scheduler.sleep_for(1s);
  world.fs.on_mount(0, [&](SimMount& mount) {
    const auto handle = mount.open("secrets/prod/empty", O_RDONLY);
    ASSERT_TRUE(handle) << handle.error().message;
    EXPECT_EQ(mount.read(*handle, 0, 100).value_or("?"), "");
    mount.close(*handle);
  });
  world.finish();
}

}  // namespace
}  // namespace conclave::sim
