#include "tests/cluster/fs_world.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace conclave::sim {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace

FsWorld::FsWorld(std::uint64_t seed, Shape shape)
    : sim(seed), lock(sim, Role::kLock, "1", seed + 10), dir(sim, Role::kDir, "1", seed + 20) {
  if (shape.vault) vault = std::make_unique<SimVault>(sim, seed + 25);
  lock.start_with(lock_server(shape.term));
  dir.start_with(dir_server(lock.endpoint(), shape.replicas));
  for (int i = 0; i < shape.file_servers; ++i) {
    const auto number = static_cast<std::uint64_t>(i) + 1;
    const double part = shape.drift == 0 ? 0 : static_cast<double>(sim.random.below(2001)) / 1000 - 1;
    const double rate = 1 + shape.drift * part;
    files.push_back(std::make_unique<SimServer>(sim, Role::kFile, std::to_string(number), seed + 30 + number));
    files.back()->start_with(file_server(dir.endpoint(), std::string(16, static_cast<char>('a' + i)), rate));
  }
  for (int i = 0; i < shape.mounts; ++i) {
    mounts.push_back(std::make_unique<SimMount>(
        sim, "mount" + std::to_string(i), cluster(), [this, i] {
          for (auto& [path, history] : histories_) history->lose_session(i);
        }));
  }
  settle();
}

ClusterFile FsWorld::cluster() const {
  ClusterFile out;
  if (vault) out = vault->cluster();
  out.id = kSimCluster;
  out.dir = dir.endpoint();
  out.lock = lock.endpoint();
  return out;
}

FileHistory& FsWorld::history(const std::string& path) {
  auto& slot = histories_[path];
  if (!slot) slot = std::make_unique<FileHistory>(path, sim.clock);
  return *slot;
}

void FsWorld::on_mount(int number, const std::function<void(SimMount&)>& body) {
  SimMount& on = mount(number);
  sim.scheduler.join(on.spawn("program", [&] { body(on); }));
}

void FsWorld::settle() {
  for (int i = 0; i < 60; ++i) {
    bool ready = true;
    for (const auto& one : mounts) ready &= !one->node().alive() || one->session_open();
    if (ready && i >= 2) return;   // file servers register within a second
    sim.scheduler.sleep_for(1s);
  }
  ADD_FAILURE() << "the cluster does not settle";
}

void FsWorld::check_nothing_held() {
  for (const auto& one : mounts) {
    if (!one->node().alive()) continue;
    for (int i = 0; i < 60 && one->held_bytes() != 0; ++i) sim.scheduler.sleep_for(1s);
    EXPECT_EQ(one->held_bytes(), 0u) << one->name() << " holds bytes that it never gets rid of";
  }
}

void FsWorld::lose_power(SimServer& server, Duration away) {
  for (auto& [path, history] : histories_) history->lose_power();
  server.power_loss();
  sim.scheduler.sleep_for(away);
  server.restart();
}

void FsWorld::crash(SimServer& server, Duration away) {
  server.kill();
  if (server.sim().random.below(2) == 0) server.forget_run();
  server.sim().scheduler.sleep_for(away);
  server.restart();
}

// Sanitizers make a scenario about five times as slow.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// Tasks have threads of their own: SCOPED_TRACE would say nothing in them.
void for_seeds(std::uint64_t few, const std::function<void(std::uint64_t seed)>& scenario) {
  const std::uint64_t first = number_from("CONCLAVE_FIRST_SEED", 1);
  const std::uint64_t count = number_from("CONCLAVE_SEEDS", kSanitized ? (few + 1) / 2 : few);
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    scenario(seed);
    if (testing::Test::HasFailure()) FAIL() << "with seed " << seed;
  }
}

}  // namespace conclave::sim
