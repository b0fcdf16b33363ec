// The simulated network: what a caller may conclude from each outcome, and what nodes lose when they die.
#include <gtest/gtest.h>

#include "tests/support/simulation.h"

namespace conclave::sim {
namespace {

using namespace std::chrono_literals;

// A server that counts what happened to it and keeps a hub of events; a client.
struct Pair {
  explicit Pair(std::uint64_t seed) : simulation(seed), router(simulation.clock) {
    router.raw("/count", {Role::kUser}, [this](const RawCall& call) -> Result<HttpReply> {
      ++happened;
      return HttpReply{200, {}, call.body + "!"};
    });
    router.raw("/slow", {Role::kUser}, [this](const RawCall&) -> Result<HttpReply> {
      simulation.clock.sleep_until(simulation.clock.now() + 5s);
      ++happened;
      return HttpReply{};
    });
    router.events("/events", {Role::kUser}, [this](const CallContext&, std::string_view, EventHub::Sink sink) {
      return hub.attach(SessionId{1}, 0, std::move(sink));
    });
    server.listen(1, router);
  }
  Result<HttpReply> call(const std::string& path, Duration timeout = 1s) {
    HttpRequest request;
    request.path = path;
    request.body = "hello";
    return transport.call(server.endpoint(1), request, simulation.clock.now() + timeout);
  }

  Simulation simulation;
  EventHub hub;
  Router router;
  int happened = 0;
  SimNode server{simulation.network, "s", "s.example"};
  SimNode client{simulation.network, "c"};
  SimTransport transport{simulation.network, client, Peer{Role::kUser, "alice", 1000, 1000, {}, {}}};
};

TEST(SimNetwork, AnswersAfterVirtualLatency) {
  Pair pair(1);
  const MonoTime start = pair.simulation.clock.now();
  const auto reply = pair.call("/count");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->body, "hello!");
  EXPECT_GT(pair.simulation.clock.now(), start);
  EXPECT_LT(pair.simulation.clock.now(), start + 1ms);
}

TEST(SimNetwork, LostReplyIsUnknownAndItHappened) {
  Pair pair(1);
  pair.simulation.network.faults.drop_reply = 1;
  EXPECT_EQ(pair.call("/count").error().code, Errc::kUnknown);
  EXPECT_EQ(pair.happened, 1);
}

TEST(SimNetwork, LostRequestIsUnknownAndItDidNotHappen) {
  Pair pair(1);
  pair.simulation.network.faults.drop_request = 1;
  const MonoTime start = pair.simulation.clock.now();
  EXPECT_EQ(pair.call("/count").error().code, Errc::kUnknown);
  EXPECT_LE(pair.simulation.clock.now(), start + 1s + 1ms);
  EXPECT_EQ(pair.happened, 0);
}

TEST(SimNetwork, DuplicateHappensASecondTimeLater) {
  Pair pair(1);
  pair.simulation.network.faults.duplicate = 1;
  ASSERT_TRUE(pair.call("/count"));
  pair.simulation.scheduler.sleep_for(5s);
  EXPECT_EQ(pair.happened, 2);
}

TEST(SimNetwork, SlowAnswerIsUnknownAtTheDeadlineAndHappensLater) {
  Pair pair(1);
  const MonoTime start = pair.simulation.clock.now();
  EXPECT_EQ(pair.call("/slow", 2s).error().code, Errc::kUnknown);
  EXPECT_EQ(pair.simulation.clock.now(), start + 2s);
  EXPECT_EQ(pair.happened, 0);
  pair.simulation.scheduler.sleep_for(5s);
  EXPECT_EQ(pair.happened, 1);
}

TEST(SimNetwork, DeadOrUnknownServerIsUnavailable) {
  Pair pair(1);
  pair.server.kill();
  EXPECT_EQ(pair.call("/count").error().code, Errc::kUnavailable);
  pair.server.start();
  EXPECT_EQ(pair.call("/count").error().code, Errc::kUnavailable);  // nobody listens yet
  pair.server.listen(1, pair.router);
  EXPECT_TRUE(pair.call("/count"));
}

TEST(SimNetwork, ServerKilledInTheMiddleIsUnknownAndDoesNotGoOn) {
  Pair pair(1);
  const auto caller =
      pair.client.spawn("caller", [&] { EXPECT_EQ(pair.call("/slow", 60s).error().code, Errc::kUnknown); });
  pair.simulation.scheduler.sleep_for(1s);
  pair.server.kill();
  pair.simulation.scheduler.join(caller);
  pair.simulation.scheduler.sleep_for(60s);
  EXPECT_EQ(pair.happened, 0);
}

TEST(SimNetwork, ClientKilledInTheMiddleLeavesTheServerWorking) {
  Pair pair(1);
  pair.client.spawn("caller", [&] { static_cast<void>(pair.call("/slow", 60s)); });
  pair.simulation.scheduler.sleep_for(1s);
  pair.client.kill();
  pair.simulation.scheduler.sleep_for(60s);
  EXPECT_EQ(pair.happened, 1);
}

TEST(SimNetwork, PartitionCutsBothWaysUntilHealed) {
  Pair pair(1);
  pair.simulation.network.partition({"s"}, {"c"});
  std::set<Errc> seen;
  for (int i = 0; i < 40; ++i) seen.insert(pair.call("/count").error().code);
  EXPECT_EQ(seen, (std::set<Errc>{Errc::kUnavailable, Errc::kUnknown}));
  EXPECT_EQ(pair.happened, 0);
  pair.simulation.network.heal();
  EXPECT_TRUE(pair.call("/count"));
}

TEST(SimNetwork, PausedServerAnswersTheRequestWhenItGoesOn) {
  Pair pair(1);
  pair.server.pause();
  EXPECT_EQ(pair.call("/count").error().code, Errc::kUnknown);
  EXPECT_EQ(pair.happened, 0);
  pair.server.resume();
  pair.simulation.scheduler.sleep_for(1s);
  EXPECT_EQ(pair.happened, 1);
}

// Reads events into `into` until the stream ends.
SimScheduler::TaskId read_events(Pair& pair, std::vector<std::string>& into, Status& end, int& idle) {
  return pair.client.spawn("reader", [&] {
    EnvelopeReader reader;
    const HttpRequest request{"/events", {{"content-type", std::string(kStreamType)}}, envelope_of(0, "")};
    end = pair.transport.stream(pair.server.endpoint(1), request, [&](std::string_view piece) {
      if (piece.empty()) ++idle;
      reader.feed(piece);
      for (;;) {
        const auto envelope = reader.next();
        if (!envelope || !*envelope) return true;
        into.push_back((*envelope)->flags == kEndOfStream ? "end" : std::string((*envelope)->message));
      }
    });
  });
}

TEST(SimNetwork, StreamDeliversInOrderAcrossAPartitionAndEndsWhenTheServerSaysSo) {
  Pair pair(1);
  std::vector<std::string> seen;
  Status end = Errc::kInternal;
  int idle = 0;
  const auto reader = read_events(pair, seen, end, idle);
  pair.simulation.scheduler.sleep_for(3500ms);
  EXPECT_EQ(idle, 3);
  ASSERT_TRUE(pair.hub.publish(SessionId{1}, "one"));
  pair.simulation.scheduler.sleep_for(10ms);
  EXPECT_EQ(seen.size(), 1u);
  pair.simulation.network.partition({"s"}, {"c"});
  ASSERT_TRUE(pair.hub.publish(SessionId{1}, "two"));
  ASSERT_TRUE(pair.hub.publish(SessionId{1}, "three"));
  pair.simulation.scheduler.sleep_for(10s);
  EXPECT_EQ(seen.size(), 1u);
  pair.simulation.network.heal();
  pair.hub.forget(SessionId{1});
  pair.simulation.scheduler.join(reader);
  EXPECT_TRUE(end);
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_NE(seen[0].find("one"), std::string::npos);
  EXPECT_NE(seen[2].find("three"), std::string::npos);
  EXPECT_EQ(seen[3], "end");
}

TEST(SimNetwork, StreamOfAKilledServerBreaks) {
  Pair pair(1);
  std::vector<std::string> seen;
  Status end;
  int idle = 0;
  const auto reader = read_events(pair, seen, end, idle);
  pair.simulation.scheduler.sleep_for(1s);
  pair.server.kill();
  pair.simulation.scheduler.join(reader);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, Errc::kUnknown);
}

TEST(SimNetwork, DutyOfANodeTicksUntilItIsKilled) {
  struct EverySecond final : Duty {
    explicit EverySecond(SimClock& c) : next(c.now()) {}
    MonoTime next_tick() override { return next; }
    void tick(MonoTime now) override {
      next = now + 1s;
      ++ticks;
    }
    MonoTime next;
    int ticks = 0;
  };
  Simulation simulation(1);
  EverySecond duty(simulation.clock);
  SimNode node(simulation.network, "n");
  node.run_duty("duty", duty);
  simulation.scheduler.sleep_for(4500ms);
  EXPECT_EQ(duty.ticks, 5);
  node.kill();
  simulation.scheduler.sleep_for(10s);
  EXPECT_EQ(duty.ticks, 5);
}

TEST(SimNetwork, PowerLossTakesUnsyncedBytesOfThatNodeOnly) {
  bool lost = false;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Simulation simulation(seed);
    SimFiles one(seed), other(seed);
    SimNode first(simulation.network, "1", {}, &one);
    SimNode second(simulation.network, "2", {}, &other);
    for (SimFiles* disk : {&one, &other}) {
      ASSERT_TRUE(disk->write_all("/a", "old"));
      auto file = disk->open("/a", OpenMode::kReadWrite);
      ASSERT_TRUE((*file)->write_at(0, view_of("new")));
    }
    first.power_loss();
    lost |= *one.read_all("/a", 10) == "old";
    EXPECT_EQ(*other.read_all("/a", 10), "new");
  }
  EXPECT_TRUE(lost);
}

// Everything at once: clients that retry, faults, kills. Its trace must repeat from the seed.
std::uint64_t storm(std::uint64_t seed) {
  Pair pair(seed);
  pair.simulation.network.faults = {.drop_request = 0.1, .drop_reply = 0.1, .duplicate = 0.1};
  std::vector<SimScheduler::TaskId> tasks;
  for (int i = 0; i < 4; ++i) {
    tasks.push_back(pair.client.spawn("caller " + std::to_string(i), [&] {
      for (int calls = 0; calls < 25; ++calls) static_cast<void>(pair.call(calls % 9 == 0 ? "/slow" : "/count"));
    }));
  }
  for (int i = 0; i < 3; ++i) {
    pair.simulation.scheduler.sleep_for(3s);
    pair.server.kill();
    pair.server.start();
    pair.server.listen(1, pair.router);
  }
  for (const auto task : tasks) pair.simulation.scheduler.join(task);
  return pair.simulation.scheduler.trace_hash();
}

TEST(SimNetwork, SameSeedGivesTheSameStorm) {
  const std::uint64_t first = storm(1);
  EXPECT_EQ(storm(1), first);
  EXPECT_NE(storm(2), first);
}

}  // namespace
}  // namespace conclave::sim
