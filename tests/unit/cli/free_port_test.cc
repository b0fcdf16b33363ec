#include "cli/free_port.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>

namespace conclave::cli {
namespace {

TEST(FreePorts, AreDifferentAndBelowTheEphemeralRange) {
  SystemRandom random;
  const auto ports = free_ports("127.0.0.1", 20, random);
  ASSERT_TRUE(ports);
  EXPECT_EQ(std::set<std::uint16_t>(ports->begin(), ports->end()).size(), 20u);
  for (const auto port : *ports) EXPECT_TRUE(port >= 10000 && port < 30000) << port;
}

// Answers with one port twice, then with another.
class TwoPorts final : public Random {
 public:
  explicit TwoPorts(std::uint16_t first) : first_(first) {}
  void fill(ByteSpan out) override {
    const std::uint64_t value = (calls_++ < 2 ? first_ : first_ + 1u) - 10000u;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(value >> (8 * i));
  }

 private:
  std::uint16_t first_;
  int calls_ = 0;
};

TEST(FreePorts, APortThatIsTakenIsPassedOver) {
  SystemRandom random;
  const std::uint16_t taken = (*free_ports("127.0.0.1", 1, random))[0];
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(taken);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(socket, 1), 0);
  TwoPorts two(taken);
  const auto ports = free_ports("127.0.0.1", 1, two);
  close(socket);
  ASSERT_TRUE(ports);
  EXPECT_NE((*ports)[0], taken);
}

TEST(FreePorts, AnAddressOfAnotherMachineIsRefused) {
  SystemRandom random;
  const auto ports = free_ports("192.0.2.1", 1, random);  // RFC 5737: nobody's
  ASSERT_FALSE(ports);
  EXPECT_EQ(ports.error().code, Errc::kInvalid);
  EXPECT_FALSE(free_ports("no such address", 1, random));
}

TEST(AddressTowards, LoopbackLeavesFromLoopback) { EXPECT_EQ(*address_towards("127.0.0.1", 7000), "127.0.0.1"); }

TEST(AddressText, BracketsIpv6) {
  EXPECT_EQ(address_text("10.0.0.1", 80), "10.0.0.1:80");
  EXPECT_EQ(address_text("::1", 80), "[::1]:80");
}

}  // namespace
}  // namespace conclave::cli
