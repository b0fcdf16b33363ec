#include "base/tcp_listens.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace conclave {
namespace {

TEST(TcpListens, TellsAnAddressWhereSomebodyListensFromOneWhereNobodyDoes) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), 0);
  const std::uint16_t port = ntohs(address.sin_port);
  EXPECT_EQ(tcp_listens("127.0.0.1", port, std::chrono::seconds(5)).value(), false) << "bound, and nobody listens";
  ASSERT_EQ(listen(fd, 1), 0);
  EXPECT_EQ(tcp_listens("127.0.0.1", port, std::chrono::seconds(5)).value(), true);
  ASSERT_EQ(close(fd), 0);
  EXPECT_EQ(tcp_listens("127.0.0.1", port, std::chrono::seconds(5)).value(), false);
}

TEST(TcpListens, ANameThatNobodyKnowsSaysNothing) {
  const auto listens = tcp_listens("no-such-host.invalid", 1, std::chrono::seconds(5));
  ASSERT_FALSE(listens);
  EXPECT_EQ(listens.error().code, Errc::kUnavailable);
}

}  // namespace
}  // namespace conclave
