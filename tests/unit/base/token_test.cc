#include "base/token.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/limits.h"

namespace conclave {
namespace {

constexpr ClusterId kCluster = {1, 2, 3};

EpochKeys::Key key_of(std::uint32_t epoch) {
  return {epoch, SecretBytes::copy_of(sha256(view_of(std::to_string(epoch))))};
}
EpochKeys keys_of(std::uint32_t epoch) { return {kCluster, key_of(epoch)}; }

const LeaseToken kLease{SessionId{7}, 0x1122334455667788, InodeId{42}, LeaseMode::kWrite, (3ull << 32) + 9};
const SessionPass kPass{SessionId{7}, 2, 0x1122334455667788, 3};
const Ticket kTicket{SessionId{7}, InodeId{42}, kTicketRead | kTicketWrite};
const ChunkPermit kPermit{InodeId{42}, 5, ChunkId{99}, 4, {ServerId{1}, ServerId{2}}};

// Each kind of thing, sealed, and what opening some bytes as that kind says.
struct Kind {
  std::string name;
  Bytes sealed;
  std::function<Errc(const EpochKeys&, ByteView)> open;  // kInternal stands for success
  [[nodiscard]] Errc earlier() const { return name == "lease" ? Errc::kFenced : Errc::kStale; }
};

template <class T>
Errc code_of(const Result<T>& result) {
  return result ? Errc::kInternal : result.error().code;
}
constexpr Errc kOpened = Errc::kInternal;

std::vector<Kind> kinds(const EpochKeys& keys) {
  return {
      {"lease", keys.seal(kLease), [](const EpochKeys& k, ByteView b) { return code_of(k.open_lease(b)); }},
      {"pass", keys.seal(kPass), [](const EpochKeys& k, ByteView b) { return code_of(k.open_pass(b)); }},
      {"ticket", keys.seal(kTicket), [](const EpochKeys& k, ByteView b) { return code_of(k.open_ticket(b)); }},
      {"permit", keys.seal(kPermit), [](const EpochKeys& k, ByteView b) { return code_of(k.open_permit(b)); }},
  };
}

TEST(Token, RoundTrips) {
  const EpochKeys keys = keys_of(3);
  const LeaseToken lease = keys.open_lease(keys.seal(kLease)).value();
  EXPECT_EQ(lease.session, kLease.session);
  EXPECT_EQ(lease.holder, kLease.holder);
  EXPECT_EQ(lease.inode, kLease.inode);
  EXPECT_EQ(lease.mode, kLease.mode);
  EXPECT_EQ(lease.seq, kLease.seq);
  const SessionPass pass = keys.open_pass(keys.seal(kPass)).value();
  EXPECT_EQ(pass.session, kPass.session);
  EXPECT_EQ(pass.generation, kPass.generation);
  EXPECT_EQ(pass.holder, kPass.holder);
  EXPECT_EQ(pass.epoch, kPass.epoch);
  const Ticket ticket = keys.open_ticket(keys.seal(kTicket)).value();
  EXPECT_EQ(ticket.session, kTicket.session);
  EXPECT_EQ(ticket.inode, kTicket.inode);
  EXPECT_EQ(ticket.rights, kTicket.rights);
  const ChunkPermit permit = keys.open_permit(keys.seal(kPermit)).value();
  EXPECT_EQ(permit.inode, kPermit.inode);
  EXPECT_EQ(permit.index, kPermit.index);
  EXPECT_EQ(permit.chunk, kPermit.chunk);
  EXPECT_EQ(permit.chainver, kPermit.chainver);
  EXPECT_EQ(permit.members, kPermit.members);
}

TEST(Token, EveryTruncationAndAdditionIsRefused) {
  const EpochKeys keys = keys_of(3);
  for (const Kind& kind : kinds(keys)) {
    for (std::size_t size = 0; size < kind.sealed.size(); ++size) {
      EXPECT_NE(kind.open(keys, ByteView(kind.sealed).first(size)), kOpened) << kind.name << " " << size;
    }
    Bytes longer = kind.sealed;
    longer.push_back(0);
    EXPECT_NE(kind.open(keys, longer), kOpened) << kind.name;
  }
}

TEST(Token, EveryFlippedBitIsRefused) {
  const EpochKeys keys = keys_of(3);
  for (const Kind& kind : kinds(keys)) {
    for (std::size_t bit = 0; bit < kind.sealed.size() * 8; ++bit) {
      Bytes flipped = kind.sealed;
      flipped[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
      // The first 4 bytes are the epoch, 3: two of their bits make it an earlier one.
      const Errc other_epoch = bit == 24 || bit == 25 ? kind.earlier() : Errc::kUnavailable;
      const Errc expected = bit < 32 ? other_epoch : Errc::kAccess;
      EXPECT_EQ(kind.open(keys, flipped), expected) << kind.name << " " << bit;
    }
  }
}

TEST(Token, AnEarlierEpochIsStaleUnlessItIsThePreviousOneAndALaterOneWillCome) {
  const EpochKeys third = keys_of(3);
  const EpochKeys fourth(kCluster, key_of(4), key_of(3));
  const EpochKeys fifth(kCluster, key_of(5), key_of(4));
  for (const Kind& kind : kinds(third)) {
    EXPECT_EQ(kind.open(fourth, kind.sealed), kOpened) << kind.name;
    EXPECT_EQ(kind.open(fifth, kind.sealed), kind.earlier()) << kind.name;
    EXPECT_EQ(kind.open(keys_of(2), kind.sealed), Errc::kUnavailable) << kind.name;
  }
}

TEST(Token, AnotherKeyOrClusterIsRefused) {
  const EpochKeys keys = keys_of(3);
  const EpochKeys other_key(kCluster, {3, SecretBytes(32)});
  const EpochKeys other_cluster(ClusterId{9}, key_of(3));
  for (const Kind& kind : kinds(keys)) {
    EXPECT_EQ(kind.open(other_key, kind.sealed), Errc::kAccess) << kind.name;
    EXPECT_EQ(kind.open(other_cluster, kind.sealed), Errc::kAccess) << kind.name;
  }
}

TEST(Token, OneKindIsNeverTakenForAnother) {
  const EpochKeys keys = keys_of(3);
  const std::vector<Kind> all = kinds(keys);
  for (const Kind& made : all) {
    for (const Kind& read : all) {
      if (&made == &read) continue;
      EXPECT_EQ(read.open(keys, made.sealed), Errc::kAccess) << made.name << " as " << read.name;
    }
  }
}

TEST(Token, APermitHasOneToEightMembers) {
  const EpochKeys keys = keys_of(3);
  ChunkPermit permit = kPermit;
  permit.members.assign(kMaxReplicas, ServerId{1});
  EXPECT_TRUE(keys.open_permit(keys.seal(permit)));
  permit.members.push_back(ServerId{1});
  EXPECT_EQ(keys.open_permit(keys.seal(permit)).error().code, Errc::kInvalid);
  permit.members.clear();
  EXPECT_EQ(keys.open_permit(keys.seal(permit)).error().code, Errc::kInvalid);
}

TEST(Token, ALeaseOfAnUnknownModeIsRefused) {
  const EpochKeys keys = keys_of(3);
  LeaseToken token = kLease;
  token.mode = static_cast<LeaseMode>(7);
  EXPECT_EQ(keys.open_lease(keys.seal(token)).error().code, Errc::kInvalid);
}

}  // namespace
}  // namespace conclave
