#include "vault/identity.h"

#include <gtest/gtest.h>

#include "tests/unit/vault/cast.h"

namespace conclave::vault {
namespace {

constexpr unsigned kCheap = 10;

struct IdentityFile : ::testing::Test {
  Cast cast;
  const Identity& alice = cast.people.at("alice");
  std::string file = seal_identity(alice, secret("correct horse"), kCheap, cast.random).value();
};

TEST_F(IdentityFile, OpensWithItsPassphrase) {
  const Identity back = open_identity(file, secret("correct horse")).value();
  EXPECT_EQ(back.person, "alice");
  EXPECT_EQ(back.cluster, cast.cluster);
  EXPECT_EQ(back.device.kid(), alice.device.kid());
  EXPECT_TRUE(back.device.signing.seed == alice.device.signing.seed);
  EXPECT_TRUE(back.device.agreement.secret == alice.device.agreement.secret);
}

TEST_F(IdentityFile, AWrongPassphraseIsSaidPlainly) {
  for (const char* wrong : {"", "correct horsf", "correct horse "}) {
    const auto opened = open_identity(file, secret(wrong));
    EXPECT_EQ(code_of(opened), Errc::kKeyRejected);
    EXPECT_EQ(opened.error().message, "wrong passphrase");
  }
}

TEST_F(IdentityFile, TellsWhoseItIsWithoutThePassphrase) {
  const IdentityLabel label = read_identity_label(file).value();
  EXPECT_EQ(label.person, "alice");
  EXPECT_EQ(label.device, alice.device.public_half());
}

TEST_F(IdentityFile, ContainsNoPrivateKey) {
  std::string text = file.substr(file.find('\n') + 1);
  text = text.substr(0, text.find("-----"));
  std::erase(text, '\n');
  const std::string bytes = string_of(*from_base64(text));
  EXPECT_EQ(bytes.find(text_of(alice.device.signing.seed.view())), std::string::npos);
  EXPECT_EQ(bytes.find(text_of(alice.device.agreement.secret.view())), std::string::npos);
}

TEST_F(IdentityFile, EveryTruncationIsRefused) {
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_EQ(code_of(open_identity(file.substr(0, size), secret("correct horse"))), Errc::kCorrupt) << size;
  }
}

TEST_F(IdentityFile, EveryChangedCharacterIsRefused) {
  // The cost stands at byte 93, so in characters 124 and 125 of the base64 text: another one could take a gigabyte.
  const std::size_t cost = file.find('\n') + 1 + 124 + 1;
  for (std::size_t i = 0; i < file.size(); ++i) {
    if (i == cost || i == cost + 1) continue;
    std::string changed = file;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(open_identity(changed, secret("correct horse"))) << i;
  }
}

TEST_F(IdentityFile, NamesAndCostsOutOfRangeAreRefused) {
  Identity unnamed{cast.cluster, "Not A Name", make_device(cast.random)};
  EXPECT_EQ(code_of(seal_identity(unnamed, secret("p"), kCheap, cast.random)), Errc::kInvalid);
  EXPECT_EQ(code_of(seal_identity(alice, secret("p"), 9, cast.random)), Errc::kInvalid);
}

TEST(Device, ItsPublicHalfRoundTrips) {
  Cast cast;
  const DevicePublic device = cast.device("bob").public_half();
  const Bytes bytes = encode(device);
  EXPECT_EQ(*parse_device(bytes), device);
  EXPECT_EQ(lengths_accepted(bytes, parse_device), 0u);
}

TEST(Device, ItsNameDependsOnBothKeys) {
  Cast cast;
  DevicePublic device = cast.device("bob").public_half();
  const Kid kid = device.kid();
  device.agreement[0] ^= 1;
  EXPECT_NE(device.kid(), kid);
  device.agreement[0] ^= 1;
  device.signing[0] ^= 1;
  EXPECT_NE(device.kid(), kid);
}

TEST(JoinMac, DependsOnEverything) {
  Cast cast;
  const DevicePublic bob = cast.device("bob").public_half();
  const Bytes id = {1, 2};
  const Mac mac = join_mac(secret("0123456789abcdef"), id, "bob", bob);
  EXPECT_EQ(mac, join_mac(secret("0123456789abcdef"), id, "bob", bob));
  EXPECT_NE(mac, join_mac(secret("0123456789abcdeF"), id, "bob", bob));
  EXPECT_NE(mac, join_mac(secret("0123456789abcdef"), Bytes{1, 3}, "bob", bob));
  EXPECT_NE(mac, join_mac(secret("0123456789abcdef"), id, "bobo", bob));
  EXPECT_NE(mac, join_mac(secret("0123456789abcdef"), id, "bob", cast.device("carol").public_half()));
}

TEST(Login, RoundTripsAndNoFlippedByteStands) {
  Cast cast;
  const RosterChain chain = cast.chain();
  const Bytes bytes = encode(cast.login("alice").cert);
  EXPECT_EQ(encode(*parse_login_cert(bytes)), bytes);
  EXPECT_LE(bytes.size(), kMaxLoginCertBytes);
  EXPECT_EQ(lengths_accepted(bytes, parse_login_cert), 0u);
  EXPECT_EQ(flips_accepted(bytes,
                           [&](ByteView flipped) {
                             const auto cert = parse_login_cert(flipped);
                             return cert && check_login(chain.current(), *cert, 0, kNow);
                           }),
            0u);
}

TEST(Login, SpeaksForItsPersonDuringItsHours) {
  Cast cast;
  const LoginCert cert = cast.login("alice").cert;
  const auto at = [&](WallTime when) { return code_of(check_login(cast.roster, cert, kAuthor, when)); };
  EXPECT_EQ(check_login(cast.roster, cert, kAuthor, kNow).value()->name, "alice");
  const WallTime end = kNow + std::chrono::hours(12);
  EXPECT_EQ(at(end + std::chrono::seconds(300)), kDone);  // 5 minutes for clocks that differ
  EXPECT_EQ(at(end + std::chrono::seconds(301)), Errc::kKeyExpired);
  EXPECT_EQ(at(kNow + std::chrono::seconds(-300)), kDone);
  EXPECT_EQ(at(kNow + std::chrono::seconds(-301)), Errc::kKeyRejected);
}

TEST(Login, IsRefusedForWhatThePersonMayNotDo) {
  Cast cast;
  EXPECT_EQ(code_of(check_login(cast.roster, cast.login("bob").cert, kAuthor, kNow)), Errc::kAccess);
}

TEST(Login, OfAnotherClusterOrAnothersNameIsRefused) {
  Cast cast;
  cast.people.at("bob").cluster = ClusterId{9};
  EXPECT_EQ(code_of(check_login(cast.roster, cast.login("bob").cert, 0, kNow)), Errc::kKeyRejected);
  cast.people.at("bob").cluster = cast.cluster;
  cast.people.at("bob").person = "alice";
  EXPECT_EQ(code_of(check_login(cast.roster, cast.login("bob").cert, 0, kNow)), Errc::kKeyRejected);
}

TEST(Login, LastsAWeekAtMost) {
  Cast cast;
  const Login login = make_login(cast.people.at("alice"), kNow, std::chrono::hours(24 * 365), cast.random);
  EXPECT_EQ(login.cert.not_after, kNow + kMaxLogin);
  EXPECT_EQ(code_of(check_login(cast.roster, login.cert, 0, kNow)), kDone);
}

}  // namespace
}  // namespace conclave::vault
