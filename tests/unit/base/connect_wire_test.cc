#include "base/connect_wire.h"

#include <gtest/gtest.h>

#include <random>

#include "base/limits.h"

namespace conclave {
namespace {

TEST(ConnectWire, EveryErrorComesBackAsItself) {
  for (int i = 0; i < kErrcCount; ++i) {
    const auto code = static_cast<Errc>(i);
    const HttpReply reply = reply_of(Error(code, "why: \"\\\n\x01\xc3\xa9\""));
    EXPECT_EQ(reply.status, http_status_of(code));
    EXPECT_NE(reply.body.find("\"code\":\"" + std::string(connect_code_of(code)) + "\""), reply.body.npos) << reply.body;
    const Error error = error_of(reply);
    EXPECT_EQ(error.code, code);
    EXPECT_EQ(error.message, "why: \"\\\n\x01\xc3\xa9\"");
  }
}

TEST(ConnectWire, BytesThatAreNotUtf8BecomeQuestionMarks) {
  EXPECT_EQ(error_of(reply_of(Error(Errc::kExists, "a\xff\xc3z\xe2\x82\xac\xed\xa0\x80\xf0\x9f\x98\x80"))).message,
            "a??z\xe2\x82\xac???\xf0\x9f\x98\x80");
}

TEST(ConnectWire, AnErrorInAnotherWritingIsUnderstood) {
  const std::string json = R"({ "message" : "ol\u00e9 \ud83d\ude00 \/", "x": [1, {"y": null}],
      "details":[{"type":"other","value":"AA"},
                 {"debug":{},"value":"CghOb3RFbXB0eQ==","type":"conclave.base.v1.ErrorDetail"}], "code":"aborted"})";
  const Error error = error_of(HttpReply{400, {}, json});
  EXPECT_EQ(error.code, Errc::kNotEmpty);
  EXPECT_EQ(error.message, "ol\xc3\xa9 \xf0\x9f\x98\x80 /");
}

TEST(ConnectWire, ABodyThatIsNoErrorGivesOneFromTheStatus) {
  EXPECT_EQ(error_of(HttpReply{503, {}, "<html>"}).code, Errc::kUnavailable);
  EXPECT_EQ(error_of(HttpReply{502, {}, ""}).code, Errc::kUnknown);
  EXPECT_EQ(error_of(HttpReply{404, {}, "{}"}).code, Errc::kNotSupported);
  EXPECT_EQ(error_of(HttpReply{401, {}, "{\"code\":\"unauthenticated\"}"}).code, Errc::kUnauthenticated);
}

TEST(ConnectWire, ErrorsCutShortOrFlippedAreStillErrors) {
  const HttpReply whole = reply_of(Error(Errc::kNotFound, "x\"y"));
  for (std::size_t size = 0; size < whole.body.size(); ++size) {
    EXPECT_EQ(error_of(HttpReply{503, {}, whole.body.substr(0, size)}).code, Errc::kUnavailable) << size;
  }
  for (std::size_t bit = 0; bit < whole.body.size() * 8; ++bit) {
    HttpReply flipped = whole;
    flipped.body[bit / 8] = static_cast<char>(flipped.body[bit / 8] ^ 1 << bit % 8);
    (void)error_of(flipped);
  }
}

TEST(ConnectWire, AnOperationIdComesBackAsItself) {
  const OpId id{SessionId{UINT64_MAX}, UINT32_MAX, kSlotsPerSession - 1, UINT64_MAX};
  EXPECT_EQ(to_text(id), "18446744073709551615-4294967295-63-18446744073709551615");
  const auto back = parse_op(to_text(id));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, id);
}

TEST(ConnectWire, OperationIdsThatAreNoneAreRefused) {
  for (const char* text : {"", "1", "1-2-3", "1-2-3-", "1-2-3-4-", "1-2-3-4-5", "-1-2-3-4", "1-2-3-0", "1-2-64-1",
                           "1-4294967296-3-4", "18446744073709551616-2-3-4", "+1-2-3-4", " 1-2-3-4", "1-2-3-4 ", "a-b-c-d"}) {
    EXPECT_FALSE(parse_op(text)) << text;
  }
}

TEST(ConnectWire, EnvelopesComeOutWholeHoweverTheirBytesCome) {
  const std::string bytes = envelope_of(0, "first") + envelope_of(0, "") + envelope_of(kEndOfStream, std::string(70000, 'x'));
  std::mt19937_64 random(1);
  for (int round = 0; round < 200; ++round) {
    EnvelopeReader reader;
    std::vector<std::pair<int, std::size_t>> got;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t size = round == 0 ? 1 : random() % 30000 + 1;
      reader.feed(std::string_view(bytes).substr(at, size));
      at += size;
      while (true) {
        const auto next = reader.next();
        ASSERT_TRUE(next);
        if (!*next) break;
        got.emplace_back((*next)->flags, (*next)->message.size());
      }
    }
    EXPECT_FALSE(reader.in_the_middle());
    EXPECT_EQ(got, (std::vector<std::pair<int, std::size_t>>{{0, 5}, {0, 0}, {kEndOfStream, 70000}}));
  }
}

TEST(ConnectWire, AnEnvelopeBeyondTheLimitIsRefusedBeforeItCame) {
  EnvelopeReader reader;
  reader.feed(std::string_view("\0\x7f\xff\xff\xff", 5));
  const auto next = reader.next();
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().code, Errc::kMessageTooBig);
}

TEST(ConnectWire, AStreamsEndSaysWhy) {
  const auto end_of = [](const Status& reason) { return reason_of_end(end_of_stream(reason).substr(5)); };
  EXPECT_TRUE(end_of({}));
  const Status fenced = end_of(Error(Errc::kFenced, "gone"));
  ASSERT_FALSE(fenced);
  EXPECT_EQ(fenced.error().code, Errc::kFenced);
  EXPECT_EQ(fenced.error().message, "gone");
  EXPECT_FALSE(reason_of_end("no json"));
}

}  // namespace
}  // namespace conclave
