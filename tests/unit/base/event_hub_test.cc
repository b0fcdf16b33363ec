#include "base/event_hub.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/limits.h"

namespace conclave {
namespace {

constexpr SessionId kSession{5};

// A stream's other end: what came, and whether the stream has ended.
struct Stream {
  std::vector<std::pair<std::uint64_t, std::string>> got;
  bool works = true;
  std::weak_ptr<int> end;

  EventHub::Sink sink() {
    const auto held = std::make_shared<int>();
    end = held;
    return [this, held](std::uint64_t number, const std::string& event) {
      if (works) got.emplace_back(number, event);
      return works;
    };
  }
  [[nodiscard]] bool ended() const { return end.expired(); }
  [[nodiscard]] std::string text() const {
    std::string out;
    for (const auto& [number, event] : got) out += std::to_string(number) + event + " ";
    return out;
  }
};

void publish(EventHub& hub, std::string event) { ASSERT_TRUE(hub.publish(kSession, std::move(event))); }

TEST(EventHub, EventsOfBeforeAndAfterAttachingComeInOrder) {
  EventHub hub;
  publish(hub, "a");
  publish(hub, "b");
  Stream stream;
  ASSERT_TRUE(hub.attach(kSession, 0, stream.sink()));
  publish(hub, "c");
  EXPECT_EQ(stream.text(), "1a 2b 3c ");
  EXPECT_EQ(hub.newest(kSession), 3u);
  EXPECT_EQ(hub.newest(SessionId{6}), 0u);
}

TEST(EventHub, AStreamThatBrokeIsResumedAfterTheLastSeen) {
  EventHub hub;
  Stream first, second;
  ASSERT_TRUE(hub.attach(kSession, 0, first.sink()));
  publish(hub, "a");
  first.works = false;
  publish(hub, "b");
  EXPECT_TRUE(first.ended());
  publish(hub, "c");
  ASSERT_TRUE(hub.attach(kSession, 1, second.sink()));
  EXPECT_EQ(second.text(), "2b 3c ");
}

TEST(EventHub, ANewStreamEndsTheOldOne) {
  EventHub hub;
  Stream first, second;
  ASSERT_TRUE(hub.attach(kSession, 0, first.sink()));
  ASSERT_TRUE(hub.attach(kSession, 0, second.sink()));
  EXPECT_TRUE(first.ended());
  publish(hub, "a");
  EXPECT_EQ(first.text(), "");
  EXPECT_EQ(second.text(), "1a ");
}

TEST(EventHub, AcknowledgedEventsAreDroppedAndCannotBeAskedFor) {
  EventHub hub;
  for (const char* event : {"a", "b", "c"}) publish(hub, event);
  hub.acknowledge(kSession, 2);
  Stream stream;
  const Status early = hub.attach(kSession, 1, stream.sink());
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, Errc::kStale);
  EXPECT_TRUE(stream.ended());
  ASSERT_TRUE(hub.attach(kSession, 2, stream.sink()));
  EXPECT_EQ(stream.text(), "3c ");
}

TEST(EventHub, AcknowledgingMoreThanAStreamWasSentSkipsIt) {
  EventHub hub;
  Stream stream;
  for (const char* event : {"a", "b"}) publish(hub, event);
  hub.acknowledge(kSession, 99);
  EXPECT_EQ(hub.newest(kSession), 2u);
  ASSERT_TRUE(hub.attach(kSession, 2, stream.sink()));
  publish(hub, "c");
  hub.acknowledge(kSession, 99);
  publish(hub, "d");
  EXPECT_EQ(stream.text(), "3c 4d ");
}

TEST(EventHub, ANumberThisServerHasNotGivenOutIsStale) {
  EventHub hub;
  publish(hub, "a");
  Stream stream;
  const Status late = hub.attach(kSession, 2, stream.sink());
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::kStale);
}

TEST(EventHub, ASessionThatDoesNotReadIsOverloaded) {
  EventHub hub;
  for (std::size_t i = 0; i < kMaxEventsKept; ++i) publish(hub, "x");
  const auto full = hub.publish(kSession, "x");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Errc::kOverloaded);
  hub.acknowledge(kSession, 1);
  publish(hub, "y");
}

TEST(EventHub, ForgettingEndsTheStreamAndTheNumbers) {
  EventHub hub;
  Stream stream;
  ASSERT_TRUE(hub.attach(kSession, 0, stream.sink()));
  publish(hub, "a");
  hub.forget(kSession);
  EXPECT_TRUE(stream.ended());
  EXPECT_EQ(hub.newest(kSession), 0u);
}

TEST(EventHub, APublisherInsideASinkDoesNotOvertake) {
  EventHub hub;
  std::vector<std::uint64_t> got;
  const auto sink = [&](std::uint64_t number, const std::string& event) {
    if (event == "ask") publish(hub, "answer");
    got.push_back(number);
    return true;
  };
  ASSERT_TRUE(hub.attach(kSession, 0, sink));
  publish(hub, "ask");
  EXPECT_EQ(got, (std::vector<std::uint64_t>{1, 2}));
}

TEST(EventHub, ManyPublishersAreHandedOverInOrderByOneAtATime) {
  EventHub hub;
  std::atomic<int> inside = 0;
  std::uint64_t last = 0;
  const auto sink = [&](std::uint64_t number, const std::string&) {
    EXPECT_EQ(++inside, 1);
    EXPECT_EQ(number, last + 1);
    last = number;
    --inside;
    return true;
  };
  ASSERT_TRUE(hub.attach(kSession, 0, sink));
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 1000; ++j) publish(hub, "x");
      });
    }
  }
  EXPECT_EQ(last, 4000u);
}

}  // namespace
}  // namespace conclave
