// The real client against the real server over loopback TLS, with certificates made as `conclave init` makes them.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <latch>
#include <thread>

#include "base/connect_client.h"
#include "base/connect_server.h"
#include "base/curl_transport.h"
#include "base/limits.h"
#include "conclave/base/v1/event.pb.h"
#include "tests/support/pki.h"

namespace conclave {
namespace {

using base::v1::Event;

// A client that says over TLS whatever bytes a test wants to say.
class RawClient {
 public:
  RawClient(const TlsIdentity& identity, std::uint16_t port) : context_(SSL_CTX_new(TLS_client_method())) {
    use(identity.own);
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    const timeval limit{10, 0};  // a server that says nothing fails the test instead of stopping it
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  }
  ~RawClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    close(socket_);
  }
  RawClient(const RawClient&) = delete;

  bool handshake() {
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, socket_);
    return SSL_connect(ssl_) == 1;
  }
  void say(std::string_view bytes) {
    EXPECT_EQ(SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())), static_cast<int>(bytes.size()));
  }
  void say_plainly(std::string_view bytes) {
    EXPECT_EQ(send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  // Until the server closes or `enough` came.
  std::string hear(const std::string& enough = "\n\n\n") {
    std::string out;
    std::array<char, 4096> part{};
    while (out.find(enough) == out.npos) {
      const int size = ssl_ != nullptr ? SSL_read(ssl_, part.data(), static_cast<int>(part.size()))
                                       : static_cast<int>(recv(socket_, part.data(), part.size(), 0));
      if (size <= 0) return out;
      out.append(part.data(), static_cast<std::size_t>(size));
    }
    return out;
  }

 private:
  void use(const CertifiedKey& own) {
    BIO* const chain = BIO_new_mem_buf(own.chain_pem.data(), static_cast<int>(own.chain_pem.size()));
    X509* const leaf = PEM_read_bio_X509(chain, nullptr, nullptr, nullptr);
    EXPECT_EQ(SSL_CTX_use_certificate(context_, leaf), 1);
    X509_free(leaf);
    while (X509* const above = PEM_read_bio_X509(chain, nullptr, nullptr, nullptr)) SSL_CTX_add0_chain_cert(context_, above);
    BIO_free(chain);
    BIO* const pem = BIO_new_mem_buf(own.key_pem.view().data(), static_cast<int>(own.key_pem.size()));
    EVP_PKEY* const key = PEM_read_bio_PrivateKey(pem, nullptr, nullptr, nullptr);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context_, key), 1);
    EVP_PKEY_free(key);
    BIO_free(pem);
  }
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
  int socket_ = -1;
};

class Connect : public testing::Test {
 protected:
  Connect() {
    (void)signal(SIGPIPE, SIG_IGN);   // raw clients write to what the server has closed
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
    router_.unary<Event, Event>("/t.T/Wait", {Role::kUser}, [this](const CallContext&, const Event& event) -> Result<Event> {
      waiting_.count_down();
      release_.wait();
      return event;
    });
    router_.raw("/t.T/Raw", {Role::kUser}, [](const RawCall& call) -> Result<HttpReply> {
      return HttpReply{200, {{"x-offset", std::string(header_of(call.headers, "x-offset"))}}, std::move(call.body)};
    });
    router_.raw("/t.T/Big", {Role::kUser}, [](const RawCall&) -> Result<HttpReply> {
      return HttpReply{200, {}, std::string(kMaxUnaryBodyBytes + 1, 'x')};
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
    return {server_dns_name(Role::kDir, name, kTestCluster), "127.0.0.1", server_->port()};
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
  std::latch waiting_{1}, release_{1};  // of /t.T/Wait
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

TEST_F(Connect, CallsOfOneThreadShareOneConnection) {
  CurlTransport transport(pki_.alice(), pki_.clock);
  ConnectClient client(transport, pki_.clock, endpoint());
  for (std::uint64_t i = 0; i < 50; ++i) ASSERT_TRUE(echo(client, i));
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < 50; ++i) {
        const auto answer = echo(client, i);
        EXPECT_TRUE(answer && answer->number() == i);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(calls_, 450);
}

TEST_F(Connect, AClientOfAnotherCaIsRefusedAndTold) {
  Pki other;
  TlsIdentity stranger = other.alice();
  stranger.ca_pem = pki_.ca.chain_pem;
  const Error error = refusal(stranger, endpoint());
  EXPECT_EQ(error.code, Errc::kUnavailable) << error.message;
  EXPECT_NE(error.message.find("refused our certificate"), error.message.npos) << error.message;
}

TEST_F(Connect, AnExpiredCertificateIsRefusedAndTold) {
  const WallTime yesterday{pki_.clock.wall().ns - std::chrono::nanoseconds(2 * Pki::kDay).count()};
  const Error error = refusal(pki_.identity(pki_.users, Role::kUser, "alice", yesterday), endpoint());
  EXPECT_EQ(error.code, Errc::kUnavailable) << error.message;
  EXPECT_NE(error.message.find("refused our certificate (expired?"), error.message.npos) << error.message;
}

TEST_F(Connect, AServersCertificateFromTheIssuerOfUsersIsRefused) {
  const Error error = refusal(pki_.identity(pki_.users, Role::kFile, "1", pki_.clock.wall()), endpoint());
  EXPECT_EQ(error.code, Errc::kUnavailable) << error.message;
}

TEST_F(Connect, AServerOfAnotherNameIsNotBelieved) {
  const Error error = refusal(pki_.alice(), endpoint("2"));
  EXPECT_EQ(error.code, Errc::kUnavailable);
  EXPECT_NE(error.message.find("does not prove to be dir-2."), error.message.npos) << error.message;
}

TEST_F(Connect, AServerOfAnotherCaIsNotBelieved) {
  Pki other;
  TlsIdentity alice = pki_.alice();
  alice.ca_pem = other.ca.chain_pem;
  const Error error = refusal(alice, endpoint());
  EXPECT_EQ(error.code, Errc::kUnavailable);
  EXPECT_NE(error.message.find("does not prove to be dir-1."), error.message.npos) << error.message;
}

TEST_F(Connect, ARoleThatIsNotAllowedGetsAnAnswer) {
  const TlsIdentity guest = pki_.identity(pki_.users, Role::kGuest, "knocker", pki_.clock.wall());
  CurlTransport transport(guest, pki_.clock);
  ConnectClient client(transport, pki_.clock, endpoint());
  const auto refused = echo(client, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kAccess);
  EXPECT_TRUE(client.call<Event>("/t.T/Who", Event()));
}

TEST_F(Connect, ACertificateOfAnotherClusterUnderTheSameCaIsUnauthenticated) {
  TlsIdentity odd = pki_.alice();
  constexpr ClusterId kOther = {9};
  odd.own = std::move(issue(pki_.ca, kOther, {Role::kHost, "h"}, pki_.clock.wall(), Pki::kDay, pki_.random)).value();
  const Error error = refusal(odd, endpoint());
  EXPECT_EQ(error.code, Errc::kUnauthenticated) << error.message;
}

TEST_F(Connect, NobodyListeningIsUnavailable) {
  const Endpoint to = endpoint();
  halt();
  CurlTransport transport(pki_.alice(), pki_.clock);
  ConnectClient client(transport, pki_.clock, to);
  EXPECT_EQ(echo(client, 1).error().code, Errc::kUnavailable);
}

TEST_F(Connect, APortInUseIsBusy) {
  const auto second = ConnectServer::listen({"127.0.0.1", server_->port()}, pki_.server(), router_, log_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kBusy);
  EXPECT_EQ(second.error().message, "127.0.0.1:" + std::to_string(server_->port()) + " is in use by another program");
  EXPECT_EQ(ConnectServer::listen({"nowhere", 0}, pki_.server(), router_, log_).error().code, Errc::kInvalid);
  TlsIdentity mixed = pki_.server();
  mixed.own.key_pem = pki_.ca.key_pem.clone();
  EXPECT_EQ(ConnectServer::listen({"127.0.0.1", 0}, mixed, router_, log_).error().code, Errc::kInvalid);
}

TEST_F(Connect, AKeptConnectionSurvivesTheServersRestart) {
  CurlTransport transport(pki_.alice(), pki_.clock);
  const Endpoint to = endpoint();
  ConnectClient client(transport, pki_.clock, to);
  ASSERT_TRUE(echo(client, 1));
  restart(pki_.server(), to.port);
  const auto again = echo(client, 2);
  EXPECT_TRUE(again) << again.error().message;
}

TEST_F(Connect, ADeadlineAfterSendingIsUnknown) {
  CurlTransport transport(pki_.alice(), pki_.clock);
  ConnectClient client(transport, pki_.clock, endpoint());
  ASSERT_TRUE(echo(client, 1));
  CallOptions options;
  options.timeout = 50ms;
  const auto result = client.call<Event>("/t.T/Wait", Event(), options);
  release_.count_down();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kUnknown) << result.error().message;
  EXPECT_TRUE(echo(client, 2));
}

TEST_F(Connect, ADeadlineThatHasPassedIsUnavailable) {
  CurlTransport transport(pki_.alice(), pki_.clock);
  EXPECT_EQ(transport.call(endpoint(), {"/t.T/Echo", {}, ""}, pki_.clock.now()).error().code, Errc::kUnavailable);
}

TEST_F(Connect, StoppingLetsARunningRequestFinish) {
  CurlTransport transport(pki_.alice(), pki_.clock);
  ConnectClient client(transport, pki_.clock, endpoint());
  std::jthread caller([&] {
    const auto result = client.call<Event>("/t.T/Wait", Event());
    EXPECT_TRUE(result) << result.error().message;
  });
  waiting_.wait();
  server_->stop();
  release_.count_down();
  caller.join();
  halt();
}

TEST_F(Connect, ANewIdentityIsUsedForWhatComesNext) {
  CurlTransport transport(pki_.alice(), pki_.clock);
  ConnectClient client(transport, pki_.clock, endpoint());
  EXPECT_EQ(client.call<Event>("/t.T/Who", Event())->event(), "alice ");
  transport.set_identity(pki_.identity(pki_.users, Role::kUser, "bob", pki_.clock.wall()));
  EXPECT_EQ(client.call<Event>("/t.T/Who", Event())->event(), "bob ");
}

TEST_F(Connect, BodiesBeyondTheLimitAreRefusedBothWays) {
  CurlTransport transport(pki_.alice(), pki_.clock);
  ConnectClient client(transport, pki_.clock, endpoint());
  const auto up = client.raw("/t.T/Raw", {}, std::string(kMaxRawBodyBytes + 1, 'x'));
  ASSERT_FALSE(up);
  EXPECT_EQ(up.error().code, Errc::kMessageTooBig) << up.error().message;
  EXPECT_TRUE(client.raw("/t.T/Raw", {}, std::string(kMaxRawBodyBytes, 'x')));
  const auto down = client.raw("/t.T/Big", {}, "");
  ASSERT_FALSE(down);
  EXPECT_EQ(down.error().code, Errc::kMessageTooBig) << down.error().message;
}

TEST_F(Connect, RequestsThatAreNoHttpGetAConnectErrorAndTheEnd) {
  const std::string long_header = "POST /t.T/Echo HTTP/1.1\r\nX: " + std::string(kMaxHeaderBytes, 'x') + "\r\n\r\n";
  for (const std::string& bytes : {std::string("nonsense\r\n\r\n"), std::string("POST /t.T/Echo HTTP/9.9\r\n\r\n"),
                                   std::string("POST /t.T/Echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
                                   std::string("POST /t.T/Echo HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"),
                                   std::string("POST /t.T/Echo HTTP/1.1\r\nContent-Length: 4194305\r\n\r\n"),
                                   std::string("POST /t.T/Echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
                                   std::string("GET /t.T/Echo HTTP/1.1\r\n\r\n"), long_header}) {
    RawClient client(pki_.alice(), server_->port());
    ASSERT_TRUE(client.handshake());
    client.say(bytes);
    const std::string answer = client.hear();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 ")) << bytes.substr(0, 60) << " → " << answer;
    EXPECT_NE(answer.find("application/json"), answer.npos) << answer;
    EXPECT_NE(answer.find("\"code\":\""), answer.npos) << answer;
    EXPECT_NE(answer.find("Connection: close"), answer.npos) << answer;
  }
  EXPECT_EQ(calls_, 0);
}

TEST_F(Connect, RequestsInPiecesChunkedAndPipelinedAreServed) {
  RawClient client(pki_.alice(), server_->port());
  ASSERT_TRUE(client.handshake());
  const std::string head = "POST /t.T/Echo HTTP/1.1\r\nContent-Type: application/json\r\n";
  for (const char c : head + "Content-Length: 2\r\n\r\n{}") client.say({&c, 1});
  EXPECT_TRUE(client.hear("{}").ends_with("{}"));
  client.say(head + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n");
  EXPECT_TRUE(client.hear("{}").ends_with("{}"));
  const std::string one = head + "Content-Length: 14\r\n\r\n{\"number\":\"7\"}";
  client.say(one + one);
  std::string both = client.hear("{\"number\":\"7\"}");
  if (both.find("HTTP/1.1", 1) == both.npos) both += client.hear("{\"number\":\"7\"}");
  EXPECT_EQ(calls_, 4);
}

TEST_F(Connect, ClientsThatLeaveInTheMiddleHarmNobody) {
  { RawClient says_nothing(pki_.alice(), server_->port()); }
  {
    RawClient no_tls(pki_.alice(), server_->port());
    no_tls.say_plainly("POST / HTTP/1.1\r\n\r\n");
    EXPECT_EQ(no_tls.hear().find("HTTP"), std::string::npos);
  }
  {
    RawClient leaves(pki_.alice(), server_->port());
    ASSERT_TRUE(leaves.handshake());
    leaves.say("POST /t.T/Echo HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc");
  }
  CurlTransport transport(pki_.alice(), pki_.clock);
  ConnectClient client(transport, pki_.clock, endpoint());
  EXPECT_TRUE(echo(client, 1));
  EXPECT_EQ(calls_, 1);
}

// Connections are accepted in the order in which they were made: once a later one is through, the earlier ones are there.
TEST_F(Connect, OfTooManyStrangersTheOldestGoes) {
  RawClient oldest(pki_.alice(), server_->port());
  std::vector<std::unique_ptr<RawClient>> strangers;
  for (std::size_t i = 0; i + 1 < kMaxStrangers; ++i) strangers.push_back(std::make_unique<RawClient>(pki_.alice(), server_->port()));
  RawClient alice(pki_.alice(), server_->port());
  ASSERT_TRUE(alice.handshake());
  EXPECT_FALSE(oldest.handshake());
  EXPECT_TRUE(strangers.back()->handshake());
}

TEST_F(Connect, OneClientsBodiesLeaveRoomForOthers) {
  const std::string head = "POST /t.T/Raw HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: " + std::to_string(kMaxRawBodyBytes) + "\r\n\r\n";
  std::vector<std::unique_ptr<RawClient>> greedy;
  for (std::size_t taken = 0; taken + kMaxRawBodyBytes <= kMaxBodiesPerClientBytes; taken += kMaxRawBodyBytes) {
    greedy.push_back(std::make_unique<RawClient>(pki_.alice(), server_->port()));
    ASSERT_TRUE(greedy.back()->handshake());
    greedy.back()->say(head);
    ASSERT_NE(greedy.back()->hear("\r\n\r\n").find("100 Continue"), std::string::npos);
  }
  RawClient more(pki_.alice(), server_->port());
  ASSERT_TRUE(more.handshake());
  more.say(head);
  EXPECT_NE(more.hear().find("resource_exhausted"), std::string::npos);
  const TlsIdentity bob = pki_.identity(pki_.users, Role::kUser, "bob", pki_.clock.wall());
  CurlTransport transport(bob, pki_.clock);
  ConnectClient client(transport, pki_.clock, endpoint());
  EXPECT_TRUE(client.raw("/t.T/Raw", {}, std::string(kMaxIoBytes, 'x')));
}

TEST_F(Connect, AStreamIsResumedAfterTheLastSeen) {
  CurlTransport transport(pki_.alice(), pki_.clock);
  ConnectClient client(transport, pki_.clock, endpoint());
  const auto read_until = [&](std::uint64_t after, std::uint64_t last) {
    Event request;
    request.set_number(after);
    std::string got;
    const Status status = client.events("/t.T/Events", request, {}, [&](std::uint64_t number, std::string_view event) {
      if (number != 0) got += std::to_string(number) + std::string(event) + " ";
      return number != last;
    });
    EXPECT_TRUE(status) << status.error().message;
    return got;
  };
  ASSERT_TRUE(hub_.publish(SessionId{1}, "a"));
  std::jthread publisher([&] {
    for (const char* event : {"b", "c", "d"}) EXPECT_TRUE(hub_.publish(SessionId{1}, event));
  });
  EXPECT_EQ(read_until(0, 3), "1a 2b 3c ");
  publisher.join();
  EXPECT_EQ(read_until(2, 4), "3c 4d ");
}

TEST_F(Connect, AStreamThatCannotBeginSaysWhy) {
  CurlTransport transport(pki_.alice(), pki_.clock);
  ConnectClient client(transport, pki_.clock, endpoint());
  Event request;
  request.set_number(99);
  const Status stale = client.events("/t.T/Events", request, {}, [](std::uint64_t, std::string_view) { return true; });
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().code, Errc::kStale) << stale.error().message;
}

TEST_F(Connect, ForgettingASessionEndsItsStream) {
  CurlTransport transport(pki_.alice(), pki_.clock);
  ConnectClient client(transport, pki_.clock, endpoint());
  ASSERT_TRUE(hub_.publish(SessionId{1}, "a"));
  const Status ended = client.events("/t.T/Events", Event(), {}, [&](std::uint64_t number, std::string_view) {
    if (number == 1) hub_.forget(SessionId{1});
    return true;
  });
  EXPECT_TRUE(ended) << ended.error().message;
}

TEST_F(Connect, AStreamWhoseServerStopsEnds) {
  CurlTransport transport(pki_.alice(), pki_.clock);
  ConnectClient client(transport, pki_.clock, endpoint());
  ASSERT_TRUE(hub_.publish(SessionId{1}, "a"));
  const Status ended = client.events("/t.T/Events", Event(), {}, [&](std::uint64_t number, std::string_view) {
    if (number == 1) server_->stop();
    return true;
  });
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, Errc::kUnknown);
}

TEST_F(Connect, AReaderThatStopsReadingLosesItsStreamAndNothingElse) {
  RawClient reader(pki_.alice(), server_->port());
  ASSERT_TRUE(reader.handshake());
  const std::string request = envelope_of(0, "");
  reader.say("POST /t.T/Events HTTP/1.1\r\nContent-Type: application/connect+proto\r\nContent-Length: " +
             std::to_string(request.size()) + "\r\n\r\n" + request);
  ASSERT_NE(reader.hear("\r\n\r\n").find("200 OK"), std::string::npos);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(hub_.publish(SessionId{1}, std::string(64 << 10, 'x')));
  CurlTransport transport(pki_.alice(), pki_.clock);
  ConnectClient client(transport, pki_.clock, endpoint());
  EXPECT_TRUE(echo(client, 1));
}

}  // namespace
}  // namespace conclave
