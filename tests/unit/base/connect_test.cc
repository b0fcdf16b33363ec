// The real client against the real server over loopback TLS, with certificates made as `conclave init` makes them.
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <set>
#include <thread>

#include "base/connect_client.h"
#include "base/connect_server.h"
#include "base/curl_transport.h"
#include "base/limits.h"
#include "conclave/base/v1/event.pb.h"

namespace conclave {
namespace {

using base::v1::Event;

constexpr ClusterId kCluster = {1, 2, 3};
constexpr auto kDay = std::chrono::hours(24);

struct Pki {
  SystemRandom random;
  SystemClock clock;
  CertifiedKey ca = make_ca(kCluster, clock.wall(), kDay, random);
  CertifiedKey users = std::move(make_user_issuer(ca, kCluster, clock.wall(), kDay, random)).value();

  TlsIdentity identity(const CertifiedKey& issuer, Role role, const std::string& name, WallTime now,
                       std::chrono::hours lifetime = kDay) {
    const CertificateSubject subject{role, name, 1001, 1002, "abcd"};
    return {kCluster, ca.chain_pem, std::move(issue(issuer, kCluster, subject, now, lifetime, random)).value()};
  }
  TlsIdentity server() { return identity(ca, Role::kDir, "1", clock.wall()); }
  TlsIdentity alice() { return identity(users, Role::kUser, "alice", clock.wall()); }
};

class Connect : public testing::Test {
 protected:
  Connect() {
    router_.unary<Event, Event>("/t.T/Echo", {Role::kUser, Role::kHost},
                                [this](const CallContext& context, const Event& event) -> Result<Event> {
                                  ++calls_;
                                  if (event.number() == 404) return Error(Errc::kNotEmpty, "not empty: \"\xff\"");
                                  Event out = event;
                                  out.set_number(event.number() + context.op.sequence);
                                  return out;
                                });
    router_.unary<Event, Event>("/t.T/Who", {Role::kUser, Role::kGuest},
                                [](const CallContext& context, const Event&) -> Result<Event> {
                                  Event out;
                                  out.set_number(context.peer.uid);
                                  out.set_event(context.peer.name + " " + std::string(context.pass));
                                  return out;
                                });
    router_.raw("/t.T/Raw", {Role::kUser}, [](const RawCall& call) -> Result<HttpReply> {
      return HttpReply{200, {{"x-offset", std::string(header_of(call.headers, "x-offset"))}}, std::move(call.body)};
    });
    router_.events("/t.T/Events", {Role::kUser}, [this](const CallContext&, std::string_view request, EventHub::Sink sink) {
      Event event;
      if (!event.ParseFromArray(request.data(), static_cast<int>(request.size()))) return Status(Errc::kInvalid);
      return hub_.attach(SessionId{1}, event.number(), std::move(sink));
    });
    restart(pki_.server(), 0);
  }
  ~Connect() override { halt(); }

  void restart(const TlsIdentity& identity, std::uint16_t port) {
    halt();
    server_ = std::move(ConnectServer::listen({"127.0.0.1", port}, identity, router_, log_)).value();
    for (int i = 0; i < 2; ++i) pool_.emplace_back([this] { server_->run(); });
  }
  void halt() {
    if (!server_) return;
    server_->stop();
    pool_.clear();
    server_.reset();
  }
  Endpoint endpoint(const std::string& name = "1") const {
    return {server_dns_name(Role::kDir, name, kCluster), "127.0.0.1", server_->port()};
  }
  static Result<Event> echo(ConnectClient& client, std::uint64_t number, const CallOptions& options = {}) {
    Event event;
    event.set_number(number);
    return client.call<Event>("/t.T/Echo", event, options);
  }
  Error refusal(const TlsIdentity& identity, const Endpoint& to) {
    CurlTransport transport(identity, pki_.clock);
    ConnectClient client(transport, pki_.clock, to);
    const auto result = echo(client, 1);
    EXPECT_FALSE(result);
    EXPECT_EQ(calls_, 0);
    return result ? Error(Errc::kInternal) : result.error();
  }

  Pki pki_;
  Log log_{"test", LogLevel::kError};
  Router router_{pki_.clock};
  EventHub hub_;
  std::atomic<int> calls_ = 0;
  std::unique_ptr<ConnectServer> server_;
  std::vector<std::jthread> pool_;
};

TEST_F(Connect, AUserWithACertificateIsServedAndKnown) {
  CurlTransport transport(pki_.alice(), pki_.clock);
  ConnectClient client(transport, pki_.clock, endpoint());
  CallOptions options;
  options.pass = "pass\x01\xff";
  const auto who = client.call<Event>("/t.T/Who", Event(), options);
  ASSERT_TRUE(who) << who.error().message;
  EXPECT_EQ(who->number(), 1001u);
  EXPECT_EQ(who->event(), "alice pass\x01\xff");
}

TEST_F(Connect, AnErrorArrivesAsItWasSent) {
  CurlTransport transport(pki_.alice(), pki_.clock);
  ConnectClient client(transport, pki_.clock, endpoint());
  const auto result = echo(client, 404);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kNotEmpty);
  EXPECT_EQ(result.error().message, "not empty: \"?\"");
}

TEST_F(Connect, RawBytesOfAMebibyteComeBack) {
  CurlTransport transport(pki_.alice(), pki_.clock);
  ConnectClient client(transport, pki_.clock, endpoint());
  std::string body(kMaxIoBytes, 'x');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 7 + i / 256);
  const auto reply = client.raw("/t.T/Raw", {{"x-offset", "17"}}, body);
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->body, body);
  EXPECT_EQ(header_of(reply->headers, "x-offset"), "17");
}

}  // namespace
}  // namespace conclave
