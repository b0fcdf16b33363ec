#include "tests/cluster/log_feeders.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace conclave::sim {
namespace {

constexpr std::uint64_t kMostPerRound = 4;
constexpr std::uint64_t kMostPauseMs = 60;
constexpr auto kAfterError = 100ms;

Error gone() { return {Errc::kIo, "the process is gone"}; }   // no retry

}  // namespace

Result<HttpReply> MortalTransport::call(const Endpoint& to, const HttpRequest& request, MonoTime deadline) {
  if (request.path == last_) alive_ = false;
  if (!alive_) return gone();
  auto reply = network_.call(to, request, deadline);
  if (!alive_) return gone();
  return reply;
}

Status MortalTransport::stream(const Endpoint& to, const HttpRequest& request,
                               const std::function<bool(std::string_view piece)>& take) {
  if (!alive_) return gone();
  return network_.stream(to, request, [&](std::string_view piece) { return alive_ && take(piece); });
}

std::string LogSource::record(std::uint64_t number) const {
  const std::string head = path + " " + std::to_string(number) + " ";
  return head + std::string(least_bytes + number * 7919 % (most_bytes - least_bytes), static_cast<char>('a' + number % 26)) + "\n";
}

LogFeeder::LogFeeder(FsWorld& world, LogSource& source, const std::string& name)
    : world_(world), source_(source), cluster_(world.cluster()), node_(world.sim.network, name),
      transport_(world.sim.network, node_, sim_peer(Role::kHost, name)) {}

void LogFeeder::start() {
  life_ = std::make_shared<MortalTransport>(transport_);
  node_.spawn("feed", [this, life = life_] {
    while (life->alive() && !testing::Test::HasFailure()) {
      if (feed_all(*life)) {
        done_ = true;
        return;
      }
      world_.sim.scheduler.sleep_for(kAfterError);   // and again under a new session, as ingest does
    }
  });
}

Status LogFeeder::feed_all(Transport& transport) {
  const auto session = TRY(streams::LogSession::open(
      {transport, world_.sim.clock, world_.sim.random, world_.sim.waiter}, cluster_, "feeder", 0, 0));
  const std::uint64_t known = source_.acknowledged;
  streams::SensorLog log = TRY(session->open_log("/" + source_.path));
  EXPECT_GE(log.cursor, known) << source_.path << ": the cursor went back";
  MonoTime renewed = world_.sim.clock.now();
  while (log.cursor < source_.records) {
    std::vector<streams::LogSession::Record> round;
    const std::uint64_t last = std::min(source_.records, log.cursor + 1 + world_.sim.random.below(kMostPerRound));
    for (std::uint64_t number = log.cursor + 1; number <= last; ++number) round.push_back({&log, source_.record(number), number});
    const Status appended = session->append(round);
    source_.acknowledged = std::max(source_.acknowledged, log.cursor);
    TRY(appended);
    world_.sim.scheduler.sleep_for(std::chrono::milliseconds(world_.sim.random.below(kMostPauseMs)));
    if (world_.sim.clock.now() < renewed + streams::LogSession::kRenewEvery) continue;
    renewed = world_.sim.clock.now();
    TRY(session->renew());
  }
  return {};
}

void check_log(FsWorld& world, int mount, const LogSource& source) {
  world.on_mount(mount, [&](SimMount& on) {
    const auto handle = on.open(source.path, O_RDONLY);
    ASSERT_TRUE(handle) << handle.error().message;
    std::string text;
    std::uint64_t at = 0, number = 0;   // of what was compared already
    while (number < source.records) {
      const std::string expected = source.record(++number);
      while (text.size() < expected.size()) {
        const auto piece = on.read(*handle, at + text.size(), kMaxIoBytes);
        ASSERT_TRUE(piece) << piece.error().message;
        ASSERT_FALSE(piece->empty()) << source.path << " ends before record " << number;
        text += *piece;
      }
      ASSERT_EQ(text.substr(0, std::min<std::size_t>(40, expected.size())), expected.substr(0, 40)) << "in place of record " << number;
      ASSERT_TRUE(text.starts_with(expected)) << "record " << number << " is not whole";
      text.erase(0, expected.size());
      at += expected.size();
    }
    EXPECT_EQ(text, "") << "behind the last record";
    EXPECT_EQ(on.stat(source.path)->size_bytes(), at);
    on.close(*handle);
  });
}

}  // namespace conclave::sim
