#include "dirserver/dir_chunks.h"

#include <gtest/gtest.h>

#include "dirserver/dir_duties.h"
#include "tests/unit/dirserver/dir_world.h"

namespace conclave::dir {
namespace {

constexpr std::uint64_t kRoot = 1;

class DirChunks : public testing::Test {
 protected:
  sim::SimFiles files;
  DirWorld world{files};
  DirSession host = host_session(world);
  Peer f1 = peer_named(Role::kFile, "1"), f2 = peer_named(Role::kFile, "2"), f3 = peer_named(Role::kFile, "3");

  void add_two_servers() {
    world.add_server("1", "a");
    world.add_server("2", "b");
  }
  ChunkPermit permit_of(const v1::Layout& layout) { return world.keys().open_permit(view_of(layout.permit())).value(); }
  Peer master_of(const v1::Layout& layout) { return peer_named(Role::kFile, std::to_string(layout.members(0))); }
  Result<v1::HeartbeatResponse> beat(const Peer& server, const std::vector<std::uint64_t>& deleted = {}) {
    v1::HeartbeatRequest request;
    request.set_boot(1);
    request.set_total_bytes(100ull << 30);
    request.set_free_bytes(50ull << 30);
    for (const auto chunk : deleted) request.add_deleted(chunk);
    return world.call<v1::HeartbeatResponse>(server, "Heartbeat", request);
  }
  Result<v1::SealResponse> seal(const v1::Layout& layout, std::uint64_t length, const std::string& cursors = "") {
    v1::SealRequest request;
    request.set_permit(layout.permit());
    request.set_length_bytes(length);
    request.set_cursors(cursors);
    return world.call<v1::SealResponse>(master_of(layout), "Seal", request);
  }
  Result<v1::ShrinkResponse> shrink(const Peer& server, const v1::Layout& layout, std::uint32_t lost) {
    v1::ShrinkRequest request;
    request.set_permit(layout.permit());
    request.add_lost(lost);
    return world.call<v1::ShrinkResponse>(server, "Shrink", request);
  }
  Result<v1::RegisterResponse> registered(const Peer& server, const std::string& instance,
                                          const std::vector<v1::Floor>& floors = {}) {
    v1::RegisterRequest request;
    request.set_host("h");
    request.set_port(7200);
    request.set_instance(instance);
    for (const v1::Floor& floor : floors) *request.add_floors() = floor;
    return world.call<v1::RegisterResponse>(server, "Register", request);
  }
  // The orphan sweep with nobody using anything.
  void reap_all() {
    const auto orphans = *world.store().read<std::vector<InodeId>>([](View& view) { return view.orphans(INT64_MAX, kNoInode, 1000); });
    ASSERT_TRUE(world.store().commit_status(true, [&](Change& change) {
      std::size_t next = 0;
      return reap(change, orphans, next, 1000);
    }));
  }
};

TEST_F(DirChunks, PlacesWhatIsMissingAndFindsWhatIsThere) {
  add_two_servers();
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  EXPECT_TRUE(host.place(file, {0}, false)->layouts(0).permit().empty());
  const auto placed = *host.place(file, {0, 5});
  ASSERT_EQ(placed.layouts_size(), 2);
  EXPECT_EQ(placed.layouts(1).start_bytes(), 5 * kChunkBytes);
  EXPECT_EQ(placed.layouts(0).members_size(), 2);
  const ChunkPermit permit = permit_of(placed.layouts(1));
  EXPECT_EQ(raw(permit.inode), file);
  EXPECT_EQ(permit.index, 5u);
  EXPECT_EQ(permit.chainver, 1u);
  EXPECT_NE(permit.chunk, permit_of(placed.layouts(0)).chunk);
  EXPECT_EQ(host.place(file, {0, 5, 0})->layouts(2).permit(), placed.layouts(0).permit());
  EXPECT_EQ(host.place(file, {5}, false)->layouts(0).permit(), placed.layouts(1).permit());
  EXPECT_EQ(world.store().figures().counts.chunks, 2u);
}

TEST_F(DirChunks, FindsTheNextChunkWithData) {
  add_two_servers();
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  ASSERT_TRUE(host.place(file, {7, kLastPosition}));
  v1::PlaceRequest request;
  request.set_inode(file);
  request.set_token(host.lease(file, LeaseMode::kRead));
  request.set_at_or_after(8);
  auto answer = *host.read<v1::PlaceResponse>("Place", request);
  ASSERT_EQ(answer.layouts_size(), 1);
  EXPECT_EQ(answer.layouts(0).index(), kLastPosition);
  request.set_at_or_after(~0ull);
  EXPECT_EQ(host.read<v1::PlaceResponse>("Place", request)->layouts_size(), 0);
}

TEST_F(DirChunks, AByteAtTheEndOfAHugeFileCostsOneRow) {
  add_two_servers();
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  ASSERT_TRUE(host.place(file, {(1ull << 62) / kChunkBytes}));
  ASSERT_TRUE(host.commit(file, (1ull << 62) + 1));
  EXPECT_EQ(world.store().figures().counts.chunks, 1u);
  EXPECT_EQ(code_of(host.place(file, {kLastPosition + 1})), Errc::kFileTooBig);
  EXPECT_EQ(code_of(host.commit(file, kMaxFileBytes + 1)), Errc::kFileTooBig);
}

TEST_F(DirChunks, PlacingNeedsAServerAndAWritersLease) {
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  EXPECT_EQ(code_of(host.place(file, {0})), Errc::kUnavailable);
  add_two_servers();
  v1::PlaceRequest request;
  request.set_inode(file);
  request.add_indexes(0);
  request.set_create(true);
  request.set_token(host.lease(file, LeaseMode::kRead));
  EXPECT_EQ(code_of(host.read<v1::PlaceResponse>("Place", request)), Errc::kAccess);
  for (int i = 0; i < 256; ++i) request.add_indexes(1);
  EXPECT_EQ(code_of(host.read<v1::PlaceResponse>("Place", request)), Errc::kInvalid);
  world.clock().advance(kFileServerDead);
  EXPECT_EQ(code_of(host.place(file, {0})), Errc::kUnavailable);
  ASSERT_TRUE(beat(f1));
  EXPECT_EQ(host.place(file, {0})->layouts(0).members_size(), 1);  // fewer servers, fewer copies
}

TEST_F(DirChunks, NoChunkIsPlacedOnFewerServersThanMustHaveIt) {
  sim::SimFiles disk;
  DirWorld strict(disk, 3, 2);
  DirSession user = host_session(strict);
  strict.add_server("1", "a");
  const auto file = user.make(kRoot, "f", S_IFREG | 0644);
  const auto refused = user.place(file, {0});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kUnavailable);
  auto request = user.create_request(kRoot, "g", S_IFREG | 0644);
  request.set_place_chunks(1);
  EXPECT_FALSE(user.change<v1::CreateResponse>("Create", request)->has_layout());
  strict.add_server("2", "b");
  EXPECT_EQ(user.place(file, {0})->layouts(0).members_size(), 2);
}

TEST_F(DirChunks, CreatePlacesTheFirstChunkIfItCan) {
  auto request = host.create_request(kRoot, "a", S_IFREG | 0644);
  request.set_place_chunks(1);
  EXPECT_FALSE(host.change<v1::CreateResponse>("Create", request)->has_layout());
  add_two_servers();
  request.set_name("b");
  const auto made = host.change<v1::CreateResponse>("Create", request);
  EXPECT_EQ(permit_of(made->layout()).members.size(), 2u);
  EXPECT_EQ(host.place(made->entry().attr().inode(), {0}, false)->layouts(0).permit(), made->layout().permit());
}

TEST_F(DirChunks, CommitSetsSizeAndTimes) {
  const auto file = host.make(kRoot, "f", S_IFREG | 06755);
  v1::CommitRequest request;
  request.set_inode(file);
  request.set_token(host.lease(file, LeaseMode::kWrite));
  request.set_size_bytes(123);
  request.set_allocated_bytes(65536);
  request.set_mtime_ns(77);
  request.set_kill_privileges(true);
  const auto attr = host.change<v1::CommitResponse>("Commit", request)->attr();
  EXPECT_EQ(attr.size_bytes(), 123u);
  EXPECT_EQ(attr.allocated_bytes(), 65536u);
  EXPECT_EQ(attr.mtime_ns(), 77);
  EXPECT_GT(attr.ctime_ns(), 77);              // never goes back
  EXPECT_EQ(attr.mode(), S_IFREG | 0755u);
  request.set_token(host.lease(file, LeaseMode::kRead));
  EXPECT_EQ(code_of(host.change<v1::CommitResponse>("Commit", request)), Errc::kAccess);
}

// Its holder gave it back, or is dead: what it says of the file would undo what was written since.
TEST_F(DirChunks, NothingIsTakenUnderALeaseThatWasOvertaken) {
  add_two_servers();
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  ASSERT_TRUE(host.place(file, {0, 1}));
  ASSERT_TRUE(host.commit(file, 100));
  v1::PlaceRequest place;
  place.set_inode(file);
  place.add_indexes(0);
  place.set_token(host.lease(file, LeaseMode::kRead, 2));
  ASSERT_TRUE(host.read<v1::PlaceResponse>("Place", place)) << "a reader comes after";

  const auto outcomes = [&](std::uint64_t seq) {
    const std::string token = host.lease(file, LeaseMode::kWrite, seq);
    v1::CommitRequest commit;
    commit.set_inode(file);
    commit.set_token(token);
    commit.set_size_bytes(7);
    v1::SetAttrRequest cut;
    *cut.mutable_caller() = host.as;
    cut.set_inode(file);
    cut.set_token(token);
    cut.set_size_bytes(0);
    v1::PunchRequest punch;
    punch.set_inode(file);
    punch.set_token(token);
    punch.set_last(1);
    place.set_token(token);
    place.set_create(true);
    return std::vector<std::optional<Errc>>{code_of(host.change<v1::CommitResponse>("Commit", commit)),
                             code_of(host.change<v1::Entry>("SetAttr", cut)),
                             code_of(host.change<v1::PunchResponse>("Punch", punch)),
                             code_of(host.read<v1::PlaceResponse>("Place", place))};
  };
  EXPECT_EQ(outcomes(1), std::vector<std::optional<Errc>>(4, Errc::kOvertaken));
  EXPECT_EQ(host.attr(file)->size_bytes(), 100u);
  EXPECT_EQ(world.store().figures().counts.chunks, 2u);
  EXPECT_EQ(outcomes(3), std::vector<std::optional<Errc>>(4)) << "and all of it under a newer one";
}

TEST_F(DirChunks, ServersThatStartHearWhichLeasesWereOvertaken) {
  add_two_servers();
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  v1::CommitRequest commit;
  commit.set_inode(file);
  commit.set_token(host.lease(file, LeaseMode::kWrite, 5));
  ASSERT_TRUE(host.change<v1::CommitResponse>("Commit", commit));
  const auto floor_of = [&](const v1::RegisterResponse& answer) {
    v1::Floor found;
    for (const auto& floor : answer.floors()) {
      if (floor.inode() == file) found = floor;
    }
    return found;
  };
  EXPECT_EQ(floor_of(*registered(f1, "1" + std::string(15, '.'))).write(), 5u);

  // What only a file server has seen.
  v1::Floor seen;
  seen.set_inode(file);
  seen.set_read(9);
  const auto told = registered(f3, std::string(16, '3'), {seen});
  ASSERT_TRUE(told) << told.error().message;
  EXPECT_EQ(floor_of(*told).read(), 9u);
  commit.set_token(host.lease(file, LeaseMode::kWrite, 8));
  EXPECT_EQ(code_of(host.change<v1::CommitResponse>("Commit", commit)), Errc::kOvertaken);
}

TEST_F(DirChunks, AnybodysWriteEndsFileCapabilitiesAndOnlyThem) {
  const auto file = host.make(kRoot, "f", S_IFREG | 06755);
  ASSERT_TRUE(host.set_xattr(file, "security.capability", "cap"));
  ASSERT_TRUE(host.set_xattr(file, "user.a", "1"));
  ASSERT_TRUE(host.commit(file, 1));
  EXPECT_EQ(code_of(host.get_xattr(file, "security.capability")), Errc::kNoAttribute);
  ASSERT_TRUE(host.set_xattr(file, "security.capability", "cap"));
  ASSERT_TRUE(host.truncate(file, 0));
  EXPECT_EQ(code_of(host.get_xattr(file, "security.capability")), Errc::kNoAttribute);
  EXPECT_EQ(host.attr(file)->xattrs(), 1u);
  EXPECT_EQ(host.attr(file)->mode(), S_IFREG | 06755u) << "the superuser's";
}

// A cut that was lost with the power, or a commit that was given up: the bytes behind the end would come back with the next growth.
TEST_F(DirChunks, ACommitMakesNoFileShorter) {
  add_two_servers();
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  ASSERT_TRUE(host.place(file, {0, 1}));
  ASSERT_TRUE(host.commit(file, kChunkBytes + 100));
  const auto before = *host.attr(file);
  EXPECT_TRUE(host.commit(file, 50)->longer());
  EXPECT_EQ(host.attr(file)->SerializeAsString(), before.SerializeAsString());
  ASSERT_TRUE(host.truncate(file, 50));
  const auto answer = host.commit(file, 50);
  EXPECT_FALSE(answer->longer());
  EXPECT_EQ(answer->attr().size_bytes(), 50u);
  EXPECT_EQ(world.store().figures().counts.chunks, 1u);
}

TEST_F(DirChunks, FreedChunksAreToldOnceTheirCommitIsSynced) {
  add_two_servers();
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  const auto placed = *host.place(file, {0, 1, 2});
  ASSERT_TRUE(host.sync());
  ASSERT_TRUE(host.truncate(file, kChunkBytes + 1));   // frees the third
  EXPECT_EQ(world.store().figures().counts.chunks, 2u);
  EXPECT_EQ(beat(f1)->remove_size(), 0);               // a power loss could take the truncation back
  ASSERT_TRUE(host.sync());
  const auto told = *beat(f1);
  ASSERT_EQ(told.remove_size(), 1);
  EXPECT_EQ(told.remove(0), raw(permit_of(placed.layouts(2)).chunk));
  EXPECT_EQ(beat(f1)->remove_size(), 1);               // until it says so
  EXPECT_EQ(beat(f1, {told.remove(0)})->remove_size(), 0);
  EXPECT_EQ(beat(f2)->remove_size(), 1);
}

TEST_F(DirChunks, PunchFreesWholeChunks) {
  add_two_servers();
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  ASSERT_TRUE(host.place(file, {0, 1, 2, 3}));
  v1::PunchRequest request;
  request.set_inode(file);
  request.set_token(host.lease(file, LeaseMode::kWrite));
  request.set_first(1);
  request.set_last(~0ull);
  ASSERT_TRUE(host.change<v1::PunchResponse>("Punch", request));
  EXPECT_EQ(world.store().figures().counts.chunks, 1u);
  request.set_first(2);
  request.set_last(1);
  EXPECT_EQ(code_of(host.change<v1::PunchResponse>("Punch", request)), Errc::kInvalid);
}

TEST_F(DirChunks, OrphansKeepTheirChunksUntilReaped) {
  add_two_servers();
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  ASSERT_TRUE(host.place(file, {0, 1}));
  ASSERT_TRUE(host.set_xattr(file, "user.a", "x"));
  ASSERT_TRUE(host.remove(kRoot, "f"));
  EXPECT_FALSE(host.place(file, {0}, false)->layouts(0).permit().empty());
  reap_all();
  EXPECT_EQ(code_of(host.attr(file)), Errc::kStale);
  const auto figures = world.store().figures().counts;
  EXPECT_EQ(figures.chunks, 0u);
  EXPECT_EQ(figures.orphans, 0u);
  EXPECT_EQ(figures.inodes, 4u);
  EXPECT_EQ(beat(f1)->remove_size(), 2);
}

TEST_F(DirChunks, AFileOfManyChunksIsReapedInSlices) {
  add_two_servers();
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  std::vector<std::uint64_t> many(250);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = i;
  ASSERT_TRUE(host.place(file, many));
  ASSERT_TRUE(host.remove(kRoot, "f"));
  std::size_t next = 0;
  for (int slices = 1; next == 0; ++slices) {
    ASSERT_LE(slices, 4);
    ASSERT_TRUE(world.store().commit_status(false, [&](Change& change) { return reap(change, {InodeId{file}}, next, 100); }));
    EXPECT_EQ(world.store().figures().counts.chunks, static_cast<std::uint64_t>(std::max(0, 250 - 100 * slices)));
  }
}

TEST_F(DirChunks, ShrinkTakesTheLostOutAndRaisesTheVersion) {
  add_two_servers();
  const auto file = host.make(kRoot, "f", S_IFREG | 0644);
  const v1::Layout before = host.place(file, {0})->layouts(0);
  const std::uint32_t replica = before.members(1);
  EXPECT_EQ(code_of(shrink(peer_named(Role::kFile, std::to_string(replica)), before, before.members(0))), Errc::kAccess);
  EXPECT_EQ(code_of(shrink(master_of(before), before, before.members(0))), Errc::kInvalid);
  EXPECT_EQ(code_of(shrink(master_of(before), before, 99)), Errc::kInvalid);
  const auto syncs = files.all_syncs();
  const auto after = shrink(master_of(before), before, replica);
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_GT(files.all_syncs(), syncs);
  EXPECT_EQ(permit_of(after->layout()).chainver, 2u);
  EXPECT_EQ(after->layout().members_size(), 1);
  // Asked again because the answer was lost: the same answer, and nothing more happens.
  const auto again = shrink(master_of(before), before, replica);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(permit_of(again->layout()).chainver, 2u);
  EXPECT_EQ(code_of(host.read<v1::HealthResponse>("Health", v1::HealthRequest())), std::nullopt);
  EXPECT_EQ(host.read<v1::HealthResponse>("Health", v1::HealthRequest())->under_replicated(), 1u);
  // The stale copy is freed with the rest.
  ASSERT_TRUE(host.remove(kRoot, "f"));
  reap_all();
  EXPECT_EQ(beat(f1)->remove_size(), 1);
  EXPECT_EQ(beat(f2)->remove_size(), 1);
}

TEST_F(DirChunks, SealedChunksAreFollowedByTheNextWithTheirCursors) {
  add_two_servers();
  const auto sensors = host.look(kRoot, "sensors")->attr().inode();
  const auto log = host.make(sensors, "log", S_IFREG | 0644);
  v1::PlaceRequest tail;
  tail.set_inode(log);
  tail.set_tail(true);
  tail.set_create(true);
  tail.set_token(host.lease(log, LeaseMode::kShared));
  const v1::Layout first = host.read<v1::PlaceResponse>("Place", tail)->layouts(0);
  EXPECT_EQ(first.start_bytes(), 0u);
  const auto next = seal(first, 1000, "cursors");
  ASSERT_TRUE(next) << next.error().message;
  EXPECT_EQ(next->next().index(), 1u);
  EXPECT_EQ(next->next().start_bytes(), 1000u);
  EXPECT_EQ(next->next().cursors(), "cursors");
  EXPECT_EQ(seal(first, 1000, "cursors")->next().permit(), next->next().permit());  // asked again
  EXPECT_EQ(code_of(seal(first, 999)), Errc::kStale);
  const v1::Layout newest = host.read<v1::PlaceResponse>("Place", tail)->layouts(0);
  EXPECT_EQ(newest.permit(), next->next().permit());
  EXPECT_EQ(newest.cursors(), "cursors");
  EXPECT_EQ(host.attr(log)->size_bytes(), 1000u);
  EXPECT_EQ(seal(newest, kChunkBytes)->next().start_bytes(), 1000u + kChunkBytes);
  EXPECT_EQ(host.place(log, {0}, false)->layouts(0).sealed_bytes(), 1000u);
  EXPECT_EQ(code_of(host.place(log, {9})), Errc::kNotPermitted);
  ASSERT_TRUE(host.commit(log, 3));
  EXPECT_GT(host.attr(log)->size_bytes(), 3u);                                        // logs never get shorter
  const auto plain = host.make(kRoot, "f", S_IFREG | 0644);
  EXPECT_EQ(code_of(seal(host.place(plain, {0})->layouts(0), 10)), Errc::kInvalid);
}

TEST_F(DirChunks, ATokenServesOneDataFolder) {
  world.add_server("1");
  v1::RegisterRequest other;
  other.set_host("h");
  other.set_port(1);
  other.set_instance(std::string(16, 'x'));
  const auto refused = world.call<v1::RegisterResponse>(f1, "Register", other);
  EXPECT_EQ(code_of(refused), Errc::kNotPermitted);
  EXPECT_NE(refused.error().message.find("another data folder"), std::string::npos) << refused.error().message;
  other.set_instance("1" + std::string(15, '.'));
  EXPECT_EQ(code_of(world.call<v1::RegisterResponse>(f2, "Register", other)), Errc::kNotPermitted);
  EXPECT_EQ(world.call<v1::RegisterResponse>(f1, "Register", other)->id(), 1u);   // a new address
  EXPECT_EQ(world.call<v1::ServersResponse>(f1, "Servers", v1::ServersRequest())->members(0).host(), "h");
}

TEST_F(DirChunks, ServersRegisterAgainAfterARestartOfD) {
  add_two_servers();
  ASSERT_TRUE(beat(f1));
  world.start();
  EXPECT_EQ(code_of(beat(f1)), Errc::kStale);
  EXPECT_EQ(code_of(beat(f3)), Errc::kStale);
  world.add_server("1", "a");
  const auto answer = beat(f1);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->members_size(), 2);
  EXPECT_TRUE(answer->members(0).up());
  EXPECT_FALSE(answer->members(1).up());
  EXPECT_EQ(answer->epoch(), 1u);
  EXPECT_EQ(answer->key(), std::string(32, '\1'));
}

TEST_F(DirChunks, StatFsCountsServersThatAreUp) {
  add_two_servers();
  auto answer = *host.read<v1::StatFsResponse>("StatFs", v1::StatFsRequest());
  EXPECT_EQ(answer.total_bytes(), 100ull << 30);
  EXPECT_EQ(answer.free_bytes(), 50ull << 30);
  EXPECT_EQ(answer.inodes(), 4u);
  world.clock().advance(kFileServerDead);
  EXPECT_EQ(host.read<v1::StatFsResponse>("StatFs", v1::StatFsRequest())->total_bytes(), 0u);
}

}  // namespace
}  // namespace conclave::dir
