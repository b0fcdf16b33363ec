#include "dirserver/session_gate.h"

#include <gtest/gtest.h>

#include "tests/unit/dirserver/dir_world.h"

namespace conclave::dir {
namespace {

class Gate : public testing::Test {
 protected:
  const ClusterId cluster{};
  SessionGate gate{cluster};
  const Peer peer = peer_named(Role::kHost, "host");
  const MonoTime start = MonoTime(Duration(1'000'000));

  static EpochKeys keys_of(std::uint32_t epoch) {
    return EpochKeys(ClusterId{}, {epoch, SecretBytes::copy_of(view_of(std::string(32, static_cast<char>(epoch))))});
  }
  static lock::v1::SyncResponse sync_of(std::uint32_t epoch, std::uint32_t previous, const std::vector<std::uint64_t>& live) {
    lock::v1::SyncResponse out;
    out.set_epoch(epoch);
    out.set_key(std::string(32, static_cast<char>(epoch)));
    out.set_previous_epoch(previous);
    if (previous != 0) out.set_previous_key(std::string(32, static_cast<char>(previous)));
    for (const auto id : live) out.add_live(id);
    return out;
  }
  std::string pass(std::uint32_t epoch, std::uint64_t session) const {
    return string_of(keys_of(epoch).seal(SessionPass{SessionId{session}, 1, holder_of(peer.fingerprint), epoch}));
  }
  std::optional<Errc> admit(const std::string& sealed, MonoTime now, const OpId& op = {}) {
    return code_of(gate.admit(peer, sealed, op, now));
  }
};

TEST_F(Gate, NobodyIsAdmittedBeforeTheKeysAreHere) {
  EXPECT_EQ(admit(pass(1, 5), start), Errc::kUnavailable);
  ASSERT_TRUE(gate.take(sync_of(1, 0, {5}), start));
  EXPECT_EQ(admit(pass(1, 5), start), std::nullopt);
}

TEST_F(Gate, PassesOfOthersAreRefused) {
  ASSERT_TRUE(gate.take(sync_of(2, 0, {5}), start));
  EXPECT_EQ(admit("", start), Errc::kUnauthenticated);
  EXPECT_EQ(admit("nonsense", start), Errc::kUnauthenticated);
  EXPECT_EQ(admit(pass(1, 5), start), Errc::kFenced) << "of an older epoch: the session is over";
  EXPECT_EQ(admit(pass(3, 5), start), Errc::kUnavailable) << "of an epoch that D has yet to hear of";
  EXPECT_EQ(code_of(gate.admit(peer_named(Role::kHost, "other"), pass(2, 5), {}, start)), Errc::kUnauthenticated);
  std::string flipped = pass(2, 5);
  flipped[10] = static_cast<char>(flipped[10] ^ 1);
  EXPECT_EQ(admit(flipped, start), Errc::kUnauthenticated);
  EXPECT_EQ(admit(pass(2, 5), start, {SessionId{6}, 1, 0, 1}), Errc::kUnauthenticated);
  EXPECT_EQ(admit(pass(2, 5), start, {SessionId{5}, 2, 0, 1}), Errc::kUnauthenticated);
  EXPECT_EQ(admit(pass(2, 5), start, {SessionId{5}, 1, 0, 1}), std::nullopt);
}

TEST_F(Gate, ThePreviousEpochsPassesHoldDuringGrace) {
  ASSERT_TRUE(gate.take(sync_of(1, 0, {5}), start));
  ASSERT_TRUE(gate.take(sync_of(2, 1, {5}), start + 1s));
  EXPECT_EQ(admit(pass(1, 5), start + 1s), std::nullopt);
  ASSERT_TRUE(gate.take(sync_of(2, 0, {5}), start + 2s));
  EXPECT_EQ(admit(pass(1, 5), start + 2s), Errc::kFenced);
}

TEST_F(Gate, ASessionThatIsNewerThanTheListIsKept) {
  ASSERT_TRUE(gate.take(sync_of(1, 0, {}), start));
  EXPECT_EQ(admit(pass(1, 5), start + 10ms), std::nullopt);
  EXPECT_TRUE(gate.take(sync_of(1, 0, {}), start + 5ms)->ended.empty());      // asked before it came
  EXPECT_EQ(gate.take(sync_of(1, 0, {}), start + 20ms)->ended, std::vector{SessionId{5}});
  EXPECT_EQ(admit(pass(1, 5), start + 30ms), Errc::kFenced);                  // a late message of it
  EXPECT_TRUE(gate.take(sync_of(1, 0, {}), start + 40ms)->ended.empty());     // said once
}

TEST_F(Gate, SessionsOfTheDatabaseEndToo) {
  gate.know({SessionId{5}, SessionId{6}}, start);
  EXPECT_EQ(gate.take(sync_of(1, 0, {6}), start + 1ms)->ended, std::vector{SessionId{5}});
}

TEST_F(Gate, FencedSessionsAreRefusedOnceConfirmed) {
  auto sync = sync_of(1, 0, {});
  sync.add_fenced(5);
  sync.set_newest_fence(3);
  const auto news = gate.take(sync, start);
  ASSERT_TRUE(news);
  EXPECT_EQ(news->fenced, std::vector{SessionId{5}});
  EXPECT_EQ(gate.newest_fence(), 0u);
  gate.confirm(*news);
  EXPECT_EQ(gate.newest_fence(), 3u);
  EXPECT_EQ(admit(pass(1, 5), start), Errc::kFenced);
  EXPECT_TRUE(gate.take(sync, start)->fenced.empty());
}

TEST_F(Gate, AnswersWithoutKeysAreRefused) {
  auto sync = sync_of(1, 0, {});
  sync.set_key("short");
  EXPECT_EQ(code_of(gate.take(sync, start)), Errc::kInvalid);
  EXPECT_EQ(code_of(gate.take(lock::v1::SyncResponse(), start)), Errc::kInvalid);
}

TEST_F(Gate, HostsAreBelievedUsersAreThemselves) {
  v1::Caller caller;
  caller.set_uid(5);
  caller.add_groups(9);
  const auto by_host = subject_of(peer, caller);
  EXPECT_EQ(by_host->uid, 5u);
  EXPECT_TRUE(by_host->kernel_checked);
  EXPECT_TRUE(by_host->in_group(9));
  const auto by_user = subject_of(peer_named(Role::kUser, "u", 7, 70), caller);
  EXPECT_EQ(by_user->uid, 7u);
  EXPECT_EQ(by_user->gid, 70u);
  EXPECT_FALSE(by_user->kernel_checked);
  EXPECT_FALSE(by_user->in_group(9));
}

}  // namespace
}  // namespace conclave::dir
