// CurlTransport against a server that does what a test tells it.
#include "base/curl_transport.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "base/ready_loop.h"
#include "tests/support/pki.h"

namespace conclave {
namespace {

using namespace std::chrono_literals;

class ToldServer {
 public:
  explicit ToldServer(const TlsIdentity& identity)
      : tls_(std::move(TlsServer::make(identity)).value()), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listener_.number(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(listen(listener_.number(), 5), 0);
    socklen_t size = sizeof at;
    EXPECT_EQ(getsockname(listener_.number(), reinterpret_cast<sockaddr*>(&at), &size), 0);
    port_ = ntohs(at.sin_port);
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }

  // The next connection: each request, if one comes, gets the next reply; then, perhaps when one more was read, it is
  // closed. Returns how many requests came.
  int serve(const std::vector<std::string>& replies, bool read_one_more = false) {
    const Descriptor socket(accept(listener_.number(), nullptr, nullptr));
    TlsConnection tls(tls_, socket.number());
    if (tls.handshake() != TlsConnection::Step::kDone) return -1;
    for (std::size_t i = 0; i < replies.size() + (read_one_more ? 1 : 0); ++i) {
      std::array<std::uint8_t, 4096> request;
      std::size_t size = 0;
      if (tls.read(request, size) != TlsConnection::Step::kDone) return static_cast<int>(i);
      if (i == replies.size()) return static_cast<int>(i) + 1;  // the one more
      std::string_view reply = replies[i];
      EXPECT_EQ(tls.write(reply), TlsConnection::Step::kDone);
      EXPECT_EQ(tls.flush(), TlsConnection::Step::kDone);
    }
    return static_cast<int>(replies.size());
  }

 private:
  TlsServer tls_;
  Descriptor listener_;
  std::uint16_t port_ = 0;
};

class CurlTransportTest : public testing::Test {
 protected:
  Result<HttpReply> call() {
    return transport_.call({server_dns_name(Role::kDir, "1", kTestCluster), "127.0.0.1", server_.port()},
                           {"/t.T/Echo", {{"empty", ""}}, "body"}, pki_.clock.now() + 5s);
  }

  Pki pki_;
  ToldServer server_{pki_.server()};
  CurlTransport transport_{pki_.alice(), pki_.clock};
};

const std::string kReply = "HTTP/1.1 200 OK\r\nA-Name:  a value \r\nEmpty:\r\nContent-Length: 2\r\n\r\nok";

TEST_F(CurlTransportTest, RepliesAreReadWithTheirHeaders) {
  std::jthread serving([&] { EXPECT_EQ(server_.serve({kReply}), 1); });
  const auto reply = call();
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->body, "ok");
  EXPECT_EQ(header_of(reply->headers, "a-name"), "a value");
  EXPECT_EQ(header_of(reply->headers, "empty"), "");
  EXPECT_EQ(reply->headers.size(), 3u);
}

TEST_F(CurlTransportTest, ARequestIsNotSentAgainWhenItsKeptConnectionDies) {
  std::jthread serving([&] {
    EXPECT_EQ(server_.serve({kReply}, true), 2) << "the second is read, and not answered";
    EXPECT_EQ(server_.serve({kReply}), 0) << "libcurl connects again, but sends nothing";
    EXPECT_EQ(server_.serve({kReply}), 1);
  });
  ASSERT_TRUE(call());
  const auto lost = call();
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, Errc::kUnknown) << lost.error().message;
  EXPECT_TRUE(call()) << "and the next call is a new one";
}

TEST_F(CurlTransportTest, AReplyCutShortIsUnknown) {
  std::jthread serving([&] { EXPECT_EQ(server_.serve({kReply.substr(0, kReply.size() - 1)}), 1); });
  const auto cut = call();
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, Errc::kUnknown) << cut.error().message;
}

TEST_F(CurlTransportTest, AReplyThatSaysItIsTooLongIsNotRead) {
  std::jthread serving([&] { EXPECT_EQ(server_.serve({"HTTP/1.1 200 OK\r\nContent-Length: 4194305\r\n\r\n"}), 1); });
  const auto big = call();
  ASSERT_FALSE(big);
  EXPECT_EQ(big.error().code, Errc::kMessageTooBig);
}

TEST_F(CurlTransportTest, WhatIsNoHttpIsUnknown) {
  std::jthread serving([&] { EXPECT_EQ(server_.serve({"hello\r\n\r\n"}), 1); });
  const auto odd = call();
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().code, Errc::kUnknown) << odd.error().message;
}

}  // namespace
}  // namespace conclave
