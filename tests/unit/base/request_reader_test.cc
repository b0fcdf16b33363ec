#include "base/request_reader.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "base/limits.h"

namespace conclave {
namespace {

using Progress = RequestReader::Progress;

// Hands over `bytes` in pieces of at most `piece` and reads until something is to be said.
class Fed {
 public:
  explicit Fed(std::string bytes, std::size_t piece = SIZE_MAX) : bytes_(std::move(bytes)), piece_(piece) {}

  Result<Progress> next() {
    while (true) {
      const auto progress = reader.parse();
      if (!progress || *progress != Progress::kNeedsMore || at_ == bytes_.size()) return progress;
      const ByteSpan room = reader.room();
      const std::size_t size = std::min({room.size(), bytes_.size() - at_, piece_});
      std::memcpy(room.data(), bytes_.data() + at_, size);
      reader.came(size);
      at_ += size;
    }
  }
  RequestReader reader;

 private:
  std::string bytes_;
  std::size_t piece_;
  std::size_t at_ = 0;
};

const std::string kCall =
    "POST /a.B/C HTTP/1.1\r\nHost: x\r\nContent-Type: application/proto\r\nCONCLAVE-Op: 1-2-3-4\r\nContent-Length: 5\r\n\r\nhello";

TEST(RequestReader, ALineWithoutAnEndIsRefusedAndNotKept) {
  const std::string head = "POST /a.B/C HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string trailers = "0\r\n";
  while (trailers.size() < 4 * kMaxHeaderBytes) trailers += "x: y\r\n";
  for (const std::string& rest : {"1;" + std::string(4 * kMaxHeaderBytes, 'a'), trailers}) {
    Fed fed(head + rest, 1000);
    ASSERT_EQ(*fed.next(), Progress::kHeader);
    const auto refused = fed.next();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::kMessageTooBig);
  }
}

TEST(RequestReader, ARequestComesOutWholeHoweverItsBytesCome) {
  for (const std::size_t piece : {1ul, 2ul, 7ul, 60ul, 1000ul}) {
    Fed fed(kCall + kCall, piece);
    for (int i = 0; i < 2; ++i) {
      ASSERT_EQ(*fed.next(), Progress::kHeader);
      EXPECT_TRUE(fed.reader.is_post());
      EXPECT_EQ(fed.reader.path(), "/a.B/C");
      EXPECT_EQ(fed.reader.body_bytes(), 5u);
      EXPECT_FALSE(fed.reader.wants_continue());
      ASSERT_EQ(*fed.next(), Progress::kDone);
      EXPECT_TRUE(fed.reader.keep_alive());
      const HttpRequest request = fed.reader.take();
      EXPECT_EQ(request.path, "/a.B/C");
      EXPECT_EQ(request.body, "hello");
      EXPECT_EQ(header_of(request.headers, "conclave-op"), "1-2-3-4");
    }
    EXPECT_FALSE(fed.reader.begun());
    EXPECT_EQ(*fed.next(), Progress::kNeedsMore);
  }
}

TEST(RequestReader, ChunksAreJoined) {
  Fed fed("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", 3);
  ASSERT_EQ(*fed.next(), Progress::kHeader);
  EXPECT_EQ(fed.reader.body_bytes(), std::nullopt);
  ASSERT_EQ(*fed.next(), Progress::kDone);
  EXPECT_EQ(fed.reader.take().body, "abcde");
}

TEST(RequestReader, BodiesBeyondTheLimitAreTooBigHoweverTheyCome) {
  for (const std::string how : {"Content-Length: 6\r\n\r\nabcdef", "Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n",
                                 "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"}) {
    Fed fed("POST / HTTP/1.1\r\n" + how);
    ASSERT_EQ(*fed.next(), Progress::kHeader);
    if (fed.reader.body_bytes()) continue;  // the caller sees that it is too long
    fed.reader.limit_body(5);
    const auto done = fed.next();
    ASSERT_FALSE(done) << how;
    EXPECT_EQ(done.error().code, Errc::kMessageTooBig);
  }
}

TEST(RequestReader, HeadersBeyondTheLimitAreTooBig) {
  Fed fed("POST / HTTP/1.1\r\nA: " + std::string(kMaxHeaderBytes, 'x'));
  const auto header = fed.next();
  ASSERT_FALSE(header);
  EXPECT_EQ(header.error().code, Errc::kMessageTooBig);
}

TEST(RequestReader, WhatIsNoHttpIsInvalid) {
  for (const char* text : {"\r\n\r\n", "hello\r\n\r\n", "POST  / HTTP/1.1\r\n\r\n", "POST / HTTP/2.0\r\n\r\n",
                           "POST / HTTP/1.1\r\nno colon\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
                           "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                           "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                           "\x16\x03\x01\x02\x00\x01"}) {
    const auto header = Fed(text).next();
    ASSERT_FALSE(header) << text;
    EXPECT_EQ(header.error().code, Errc::kInvalid) << text;
  }
}

TEST(RequestReader, EveryTruncationNeedsMore) {
  for (std::size_t size = 0; size < kCall.size(); ++size) {
    Fed fed(kCall.substr(0, size));
    auto progress = fed.next();
    ASSERT_TRUE(progress) << size;
    if (*progress == Progress::kHeader) progress = fed.next();
    EXPECT_EQ(*progress, Progress::kNeedsMore) << size;
    EXPECT_EQ(fed.reader.begun(), size > 0);
  }
}

TEST(RequestReader, FlippedBytesEndInSomeAnswer) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = round % 2 == 0 ? kCall : "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for (std::uint64_t flips = random() % 3 + 1; flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    Fed fed(bytes, random() % 20 + 1);
    for (int step = 0; step < 4; ++step) {
      const auto progress = fed.next();
      if (!progress || *progress == Progress::kNeedsMore) break;
      if (*progress == Progress::kDone) (void)fed.reader.take();
    }
  }
}

TEST(HttpReply, IsWrittenWithItsLength) {
  EXPECT_EQ(head_of({404, {{"a", "b"}}, "xyz"}, true), "HTTP/1.1 404 Not Found\r\na: b\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(head_of({200, {}, ""}, false), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(chunk_of(std::string(17, 'x')), "11\r\n" + std::string(17, 'x') + "\r\n");
  EXPECT_EQ(chunk_of(""), "0\r\n\r\n");
}

}  // namespace
}  // namespace conclave
