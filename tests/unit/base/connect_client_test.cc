#include "base/connect_client.h"

#include <gtest/gtest.h>

#include <deque>
#include <thread>

#include "base/connect_wire.h"
#include "conclave/base/v1/event.pb.h"
#include "tests/support/sim_clock.h"

namespace conclave {
namespace {

using base::v1::Event;
using namespace std::chrono_literals;

// Answers what a test laid out, and remembers what was asked.
class ScriptedTransport final : public Transport {
 public:
  std::deque<Result<HttpReply>> replies;
  std::vector<HttpRequest> requests;
  std::vector<MonoTime> deadlines;
  std::vector<std::string> pieces;
  Status ending;

  Result<HttpReply> call(const Endpoint&, const HttpRequest& request, MonoTime deadline) override {
    requests.push_back(request);
    deadlines.push_back(deadline);
    if (replies.size() == 1) return replies.front();
    auto next = replies.front();
    replies.pop_front();
    return next;
  }
  Status stream(const Endpoint&, const HttpRequest& request, const std::function<bool(std::string_view)>& take) override {
    requests.push_back(request);
    for (const auto& piece : pieces) {
      if (!take(piece)) return {};
    }
    return ending;
  }
};

HttpReply answer(std::uint64_t number) {
  Event event;
  event.set_number(number);
  return {200, {{"content-type", "application/proto"}}, event.SerializeAsString()};
}

class Client : public testing::Test {
 protected:
  Result<Event> until_known(Duration timeout) {
    CallOptions options;
    options.timeout = timeout;
    options.op = {SessionId{7}, 1, 2, 3};
    return client_.call_until_known<Event>("/t.T/Echo", Event(), options);
  }
  Status events() {
    got_.clear();
    return client_.events("/t.T/Events", Event(), {}, [this](std::uint64_t number, std::string_view event) {
      got_ += std::to_string(number) + std::string(event) + " ";
      return event != "stop";
    });
  }
  static std::string event(std::uint64_t number, const std::string& bytes) {
    Event out;
    out.set_number(number);
    out.set_event(bytes);
    return envelope_of(0, out.SerializeAsString());
  }

  sim::SimClock clock_;
  ScriptedTransport transport_;
  ConnectClient client_{transport_, clock_, {"n", "h", 1}};
  std::string got_;
};

TEST_F(Client, AnAnswerThatCannotBeReadIsUnknown) {
  for (const HttpReply& reply : {HttpReply{200, {{"content-type", "text/html"}}, ""},
                                 HttpReply{200, {{"content-type", "application/proto"}}, "\x08"}}) {
    transport_.replies = {reply};
    const auto result = client_.call<Event>("/t.T/Echo", Event());
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::kUnknown);
  }
}

TEST_F(Client, ACallIsRepeatedUnderTheSameIdUntilItsAnswerIsKnown) {
  transport_.replies = {Errc::kUnknown, Errc::kUnavailable, reply_of(Error(Errc::kOverloaded)), answer(9)};
  const auto result = until_known(10s);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->number(), 9u);
  ASSERT_EQ(transport_.requests.size(), 4u);
  for (const auto& request : transport_.requests) EXPECT_EQ(header_of(request.headers, "conclave-op"), "7-1-2-3");
}

TEST_F(Client, AnAnswerThatIsAnErrorEndsTheRepeating) {
  transport_.replies = {Errc::kUnknown, reply_of(Error(Errc::kExists, "x")), answer(9)};
  const auto result = until_known(10s);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kExists);
}

TEST_F(Client, ARefusalOfTheSessionSaysNothingOfACallThatMayHaveBeenCarriedOut) {
  transport_.replies = {Errc::kUnknown, reply_of(Error(Errc::kFenced, "x"))};
  EXPECT_EQ(until_known(10s).error().code, Errc::kUnknown);
  transport_.replies = {Errc::kUnavailable, reply_of(Error(Errc::kFenced, "x"))};
  EXPECT_EQ(until_known(10s).error().code, Errc::kFenced);
}

TEST_F(Client, RepeatingEndsWithTheTimeGiven) {
  const MonoTime begin = clock_.now();
  transport_.replies = {Errc::kUnavailable};
  const auto result = until_known(5s);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kUnavailable);
  EXPECT_LE(clock_.now() - begin, 5s);
  EXPECT_GE(clock_.now() - begin, 3s);
  for (const MonoTime deadline : transport_.deadlines) EXPECT_LE(deadline, begin + 5s);
}

TEST_F(Client, WhatMayHaveHappenedOnceStaysUnknown) {
  transport_.replies = {Errc::kUnknown, Errc::kUnavailable};
  const auto result = until_known(5s);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kUnknown);
}

TEST_F(Client, EventsAreHandedOverUntilTheReceiverStops) {
  const std::string all = event(1, "a") + event(0, "") + event(2, "stop") + event(3, "c");
  transport_.pieces = {all.substr(0, 3), "", all.substr(3)};
  EXPECT_TRUE(events());
  EXPECT_EQ(got_, "0 1a 0 2stop ");
}

TEST_F(Client, AStreamsEndIsItsReason) {
  transport_.pieces = {event(1, "a"), end_of_stream(Error(Errc::kFenced, "gone"))};
  const Status fenced = events();
  ASSERT_FALSE(fenced);
  EXPECT_EQ(fenced.error().code, Errc::kFenced);

  transport_.pieces = {end_of_stream({})};
  EXPECT_TRUE(events());

  transport_.pieces = {event(1, "a")};
  transport_.ending = Error(Errc::kUnavailable);
  EXPECT_EQ(events().error().code, Errc::kUnavailable);

  transport_.ending = Status();
  EXPECT_EQ(events().error().code, Errc::kUnknown) << "cut off without an end";

  transport_.pieces = {envelope_of(0, "\x08"), event(1, "a")};
  EXPECT_EQ(events().error().code, Errc::kUnknown);
  EXPECT_EQ(got_, "");
}

TEST(SlotPoolTest, NumbersOfASlotRiseUnlessNotUsed) {
  SystemWaiter waiter;
  SlotPool pool(SessionId{7}, 3, waiter);
  { EXPECT_EQ(pool.acquire().id(), (OpId{SessionId{7}, 3, 0, 1})); }
  {
    auto lease = pool.acquire();
    EXPECT_EQ(lease.id(), (OpId{SessionId{7}, 3, 0, 2}));
    lease.not_used();
    EXPECT_EQ(pool.acquire().id(), (OpId{SessionId{7}, 3, 1, 1}));
  }
  { EXPECT_EQ(pool.acquire().id().sequence, 2u); }
}

TEST(SlotPoolTest, WhoeverComesWhenAllSlotsAreOutGetsTheFirstBack) {
  SystemWaiter waiter;
  SlotPool pool(SessionId{7}, 1, waiter);
  std::deque<SlotPool::Lease> held;
  for (std::uint32_t i = 0; i < kSlotsPerSession; ++i) held.push_back(pool.acquire());
  OpId got;
  std::jthread waiting([&] { got = pool.acquire().id(); });
  const OpId returned = held[5].id();
  { const SlotPool::Lease gone = std::move(held[5]); }
  waiting.join();
  EXPECT_EQ(got.slot, returned.slot);
  EXPECT_EQ(got.sequence, returned.sequence + 1);
}

}  // namespace
}  // namespace conclave
