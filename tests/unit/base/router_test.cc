#include "base/router.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "conclave/base/v1/event.pb.h"
#include "tests/support/sim_clock.h"

namespace conclave {
namespace {

using base::v1::Event;

class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    router_.unary<Event, Event>("/t.T/Echo", {Role::kUser}, [this](const CallContext& context, const Event& event) {
      op_ = context.op;
      pass_ = std::string(context.pass);
      left_ = context.deadline - clock_.now();
      return answer(event);
    });
    router_.raw("/t.T/Raw", {Role::kUser, Role::kFile}, [](const RawCall& call) -> Result<HttpReply> {
      if (call.body.empty()) return Error(Errc::kCorrupt, "empty");
      return HttpReply{200, {}, std::move(call.body)};
    });
    router_.events("/t.T/Events", {Role::kUser}, [this](const CallContext&, std::string_view request, EventHub::Sink sink) {
      seen_request_ = std::string(request);
      sink_ = std::move(sink);
      return Status();
    });
  }
  static Result<Event> answer(const Event& event) {
    if (event.number() == 13) throw std::bad_alloc();
    if (event.number() == 12) return Error(Errc::kNotEmpty, "twelve");
    return event;
  }
  HttpReply post(const std::string& path, std::string body, std::vector<Header> headers = {{"content-type", "application/proto"}}) {
    return router_.serve(peer_, {path, std::move(headers), std::move(body)});
  }
  static Errc errc_of(const HttpReply& reply) {
    EXPECT_NE(reply.status, 200);
    return error_of(reply).code;
  }
  static std::string body(std::uint64_t number) {
    Event event;
    event.set_number(number);
    event.set_event("\xff");
    return event.SerializeAsString();
  }

  sim::SimClock clock_;
  Router router_{clock_};
  Peer peer_{Role::kUser, "alice", 1, 1, "ab", {}};
  OpId op_;
  std::string pass_, seen_request_;
  Duration left_{};
  EventHub::Sink sink_;
};

TEST_F(RouterTest, ProtobufIsAnsweredInProtobuf) {
  const HttpReply reply = post("/t.T/Echo", body(5));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(header_of(reply.headers, "content-type"), "application/proto");
  EXPECT_EQ(reply.body, body(5));
  EXPECT_EQ(op_, OpId());
  EXPECT_EQ(left_, kCallDeadline);
}

TEST_F(RouterTest, JsonIsAnsweredInJson) {
  const HttpReply reply = post("/t.T/Echo", R"({"number":"5","event":"/w=="})", {{"content-type", "application/json; charset=utf-8"}});
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(header_of(reply.headers, "content-type"), "application/json");
  EXPECT_EQ(reply.body, R"({"number":"5","event":"/w=="})");
}

TEST_F(RouterTest, ErrorsOfHandlersAreReplies) {
  EXPECT_EQ(errc_of(post("/t.T/Echo", body(12))), Errc::kNotEmpty);
  EXPECT_EQ(errc_of(post("/t.T/Echo", body(13))), Errc::kInternal);
  EXPECT_EQ(errc_of(post("/t.T/Raw", "")), Errc::kCorrupt);
}

TEST_F(RouterTest, HeadersBecomeTheContext) {
  EXPECT_EQ(post("/t.T/Echo", body(1),
                 {{"content-type", "application/proto"}, {"conclave-op", "7-1-2-3"}, {"conclave-pass", "AP8"},
                  {"connect-timeout-ms", "1500"}}).status, 200);
  EXPECT_EQ(op_, (OpId{SessionId{7}, 1, 2, 3}));
  EXPECT_EQ(pass_, std::string("\0\xff", 2));
  EXPECT_EQ(left_, std::chrono::milliseconds(1500));
  EXPECT_EQ(post("/t.T/Echo", body(1), {{"content-type", "application/proto"}, {"connect-timeout-ms", "9999999999"}}).status, 200);
  EXPECT_EQ(left_, kMaxCallDeadline);
}

TEST_F(RouterTest, WhatCannotBeReadIsInvalid) {
  using Headers = std::vector<Header>;
  const Header proto = {"content-type", "application/proto"};
  for (const Headers& headers : {Headers{}, Headers{{"content-type", "text/plain"}}, Headers{proto, {"conclave-op", "1-2"}},
                                 Headers{proto, {"conclave-pass", "="}}, Headers{proto, {"connect-timeout-ms", "-1"}},
                                 Headers{proto, {"connect-timeout-ms", "12345678901"}}}) {
    EXPECT_EQ(errc_of(post("/t.T/Echo", body(1), headers)), Errc::kInvalid);
  }
  EXPECT_EQ(errc_of(post("/t.T/Echo", "\x08")), Errc::kInvalid);
  for (const char* json : {"", "{", "[]", "{\"number\":-1}", "{\"unknown\":1}", "{\"event\":\"*\"}"}) {
    EXPECT_EQ(errc_of(post("/t.T/Echo", json, {{"content-type", "application/json"}})), Errc::kInvalid) << json;
  }
  EXPECT_EQ(errc_of(post("/t.T/Echo", "", {proto, {"content-encoding", "gzip"}})), Errc::kNotSupported);
}

TEST_F(RouterTest, UnknownPathsAreUnimplemented) {
  const HttpReply reply = post("/t.T/None", "");
  EXPECT_EQ(reply.status, 501);
  EXPECT_NE(reply.body.find("\"unimplemented\""), reply.body.npos);
}

TEST_F(RouterTest, OnlyTheRolesNamedMayCall) {
  for (const Role role : {Role::kDir, Role::kLock, Role::kFile, Role::kVault, Role::kHost, Role::kUser, Role::kGuest}) {
    peer_.role = role;
    EXPECT_EQ(post("/t.T/Echo", body(1)).status == 200, role == Role::kUser) << name_of(role);
    EXPECT_EQ(post("/t.T/Raw", "x").status == 200, role == Role::kUser || role == Role::kFile) << name_of(role);
    const Status began = router_.serve_events(peer_, {"/t.T/Events", {{"content-type", "application/connect+proto"}}, envelope_of(0, "")}, {});
    EXPECT_EQ(began.has_value(), role == Role::kUser);
  }
}

TEST_F(RouterTest, BodiesBeyondTheLimitAreRefused) {
  EXPECT_EQ(router_.max_body_bytes("/t.T/Raw"), kMaxRawBodyBytes);
  EXPECT_EQ(errc_of(post("/t.T/Raw", std::string(kMaxRawBodyBytes + 1, 'x'))), Errc::kMessageTooBig);
  EXPECT_EQ(post("/t.T/Raw", std::string(kMaxRawBodyBytes, 'x')).status, 200);
  EXPECT_EQ(router_.max_body_bytes("/t.T/Echo"), kUsualBodyBytes);
  EXPECT_EQ(router_.max_body_bytes("/t.T/NoSuch"), kUsualBodyBytes);
  EXPECT_EQ(errc_of(post("/t.T/Echo", std::string(kUsualBodyBytes + 1, 'x'))), Errc::kMessageTooBig);
  router_.take_large("/t.T/Echo");
  EXPECT_EQ(errc_of(post("/t.T/Echo", std::string(kUsualBodyBytes + 1, 'x'))), Errc::kInvalid);   // read, and no message
  EXPECT_EQ(errc_of(post("/t.T/Echo", std::string(kMaxUnaryBodyBytes + 1, 'x'))), Errc::kMessageTooBig);
}

TEST_F(RouterTest, AStreamGetsItsRequestAndSendsNumberedEnvelopes) {
  std::vector<std::string> sent;
  const HttpRequest request{"/t.T/Events", {{"content-type", "application/connect+proto"}}, envelope_of(0, "ask")};
  ASSERT_TRUE(router_.is_stream("/t.T/Events"));
  ASSERT_TRUE(router_.serve_events(peer_, request, [&](std::uint64_t, const std::string& bytes) { sent.push_back(bytes); return true; }));
  EXPECT_EQ(seen_request_, "ask");
  EXPECT_TRUE(sink_(9, "nine"));
  Event event;
  event.set_number(9);
  event.set_event("nine");
  EXPECT_EQ(sent, std::vector<std::string>{envelope_of(0, event.SerializeAsString())});
}

TEST_F(RouterTest, AStreamsRequestMustBeExactlyOneEnvelope) {
  const std::string whole = envelope_of(0, "ask");
  const auto begins = [&](const std::string& bytes) {
    return router_.serve_events(peer_, {"/t.T/Events", {{"content-type", "application/connect+proto"}}, bytes}, {}).has_value();
  };
  EXPECT_TRUE(begins(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(begins(whole.substr(0, size)));
  EXPECT_FALSE(begins(whole + "x"));
  EXPECT_FALSE(begins(envelope_of(1, "ask")));
  EXPECT_EQ(errc_of(post("/t.T/Events", whole)), Errc::kInvalid) << "not as a unary call";
}

}  // namespace
}  // namespace conclave
