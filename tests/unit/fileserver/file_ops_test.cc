// What clients must not get away with, damage that is repaired on the way, and the scrubber.
#include "tests/unit/fileserver/file_world.h"

namespace conclave::file {
namespace {

struct Attempt {
  std::string path = std::string(kWritePath);
  Peer peer = peer_of(Role::kHost, "c");
  std::string token, permit;
  std::vector<Header> more;
  std::string body = "evil";
  std::optional<std::uint64_t> crc;
};

Errc outcome(FileWorld& world, const Attempt& attempt) {
  HttpRequest request{attempt.path, {{"content-type", std::string(kRawType)}}, attempt.body};
  if (!attempt.token.empty()) request.headers.push_back(bytes_header(kTokenHeader, attempt.token));
  if (!attempt.permit.empty()) request.headers.push_back(bytes_header(kPermitHeader, attempt.permit));
  request.headers.push_back(number_header(kCrcHeader, attempt.crc.value_or(crc32c(view_of(attempt.body)))));
  for (const Header& header : attempt.more) request.headers.push_back(header);
  const HttpReply reply = world.at(1).process->front.serve(attempt.peer, std::move(request));
  return reply.status == 200 ? Errc::kInternal : error_of(reply).code;
}

TEST(FileOps, RefusesWhatIsNotAllowedAndStoresNothing) {
  FileWorld world(1);
  const std::string token = world.token(LeaseMode::kWrite);
  const std::string permit = world.where().permit;
  const auto offset = [](std::uint64_t at) { return std::vector<Header>{number_header(kOffsetHeader, at)}; };
  std::string flipped = token;
  flipped.back() = static_cast<char>(flipped.back() ^ 1);
  std::string flipped_permit = permit;
  flipped_permit[20] = static_cast<char>(flipped_permit[20] ^ 1);
  const EpochKeys foreign = test_keys(3, 1);
  const ChunkPermit good = world.dir.permits[kChunk];
  const auto sealed = [&](ChunkPermit changed) { return string_of(test_keys().seal(changed)); };
  const auto with = [&](auto change) {
    Attempt out{.token = token, .permit = permit, .more = offset(0)};
    change(out);
    return out;
  };
  const std::vector<std::tuple<const char*, Errc, Attempt>> attempts = {
      {"no token", Errc::kInvalid, with([](Attempt& a) { a.token.clear(); })},
      {"no permit", Errc::kInvalid, with([](Attempt& a) { a.permit.clear(); })},
      {"wrong mac", Errc::kAccess, with([&](Attempt& a) { a.token = flipped; })},
      {"wrong mac of the permit", Errc::kAccess, with([&](Attempt& a) { a.permit = flipped_permit; })},
      {"cut token", Errc::kAccess, with([&](Attempt& a) { a.token.pop_back(); })},
      {"a token as a permit", Errc::kAccess, with([&](Attempt& a) { a.permit = token; })},
      {"another key", Errc::kAccess, with([&](Attempt& a) { a.token = string_of(foreign.seal(LeaseToken{})); })},
      {"another epoch", Errc::kFenced, with([&](Attempt& a) { a.token = string_of(test_keys(2).seal(LeaseToken{})); })},
      {"another inode's token", Errc::kAccess,
       with([&](Attempt& a) { a.token = world.token(LeaseMode::kWrite, 100, kSession, InodeId{6}); })},
      {"another's token", Errc::kAccess, with([&](Attempt& a) { a.peer = peer_of(Role::kUser, "mallory"); })},
      {"a read lease", Errc::kAccess, with([&](Attempt& a) { a.token = world.token(LeaseMode::kRead); })},
      {"a shared lease", Errc::kAccess, with([&](Attempt& a) { a.token = world.token(LeaseMode::kShared); })},
      {"a directory lease", Errc::kAccess, with([&](Attempt& a) { a.token = world.token(LeaseMode::kDirWrite); })},
      {"another session's operation", Errc::kAccess,
       with([&](Attempt& a) { a.more.emplace_back(kOpHeader, to_text(OpId{SessionId{8}, 1, 0, 1})); })},
      {"not a member", Errc::kStale, with([&](Attempt& a) { a.permit = sealed({kInode, 0, kChunk, 1, {ServerId{2}}}); })},
      {"not the master", Errc::kStale,
       with([&](Attempt& a) { a.permit = sealed({kInode, 0, kChunk, 1, {ServerId{2}, ServerId{1}}}); })},
      {"no chunk", Errc::kInvalid, with([&](Attempt& a) { a.permit = sealed({kInode, 0, ChunkId{0}, 1, good.members}); })},
      {"no offset", Errc::kInvalid, with([](Attempt& a) { a.more.clear(); })},
      {"an odd offset", Errc::kInvalid, with([](Attempt& a) { a.more = {{std::string(kOffsetHeader), "-1"}}; })},
      {"an offset that is text", Errc::kInvalid, with([](Attempt& a) { a.more = {{std::string(kOffsetHeader), "1x"}}; })},
      {"an offset of 2^64", Errc::kInvalid,
       with([](Attempt& a) { a.more = {{std::string(kOffsetHeader), "18446744073709551616"}}; })},
      {"behind the chunk", Errc::kInvalid, with([&](Attempt& a) { a.more = offset(kChunkBytes); })},
      {"across the chunk's end", Errc::kInvalid, with([&](Attempt& a) { a.more = offset(kChunkBytes - 1); })},
      {"an offset near 2^64", Errc::kInvalid, with([&](Attempt& a) { a.more = offset(UINT64_MAX - 1); })},
      {"an empty body", Errc::kInvalid, with([](Attempt& a) { a.body.clear(); })},
      {"too long a body", Errc::kInvalid, with([](Attempt& a) { a.body.resize(kMaxIoBytes + 1); })},
      {"a wrong checksum", Errc::kCorrupt, with([](Attempt& a) { a.crc = 1; })},
      {"a file server at the front", Errc::kAccess, with([&](Attempt& a) { a.peer = peer_of(Role::kFile, "2"); })},
      {"a client at the back", Errc::kNotSupported, with([](Attempt& a) { a.path = kApplyPath; })},
      {"an append without an id", Errc::kInvalid, with([](Attempt& a) { a.path = kAppendPath; })},
      {"too long a read", Errc::kInvalid, with([](Attempt& a) {
         a.path = kReadPath;
         a.more.push_back(number_header(kLengthHeader, kMaxIoBytes + 1));
       })},
  };
  for (const auto& [what, expected, attempt] : attempts) {
    EXPECT_EQ(name_of(outcome(world, attempt)), name_of(expected)) << what;
  }
  EXPECT_EQ(world.at(1).store().head(kChunk)->sequence, 0u);
  EXPECT_EQ(world.at(1).store().counts.writes, 0u);
  EXPECT_EQ(outcome(world, with([](Attempt&) {})), Errc::kInternal);   // and this one is allowed
}

TEST(FileOps, AServerThatStartsRefusesLeasesThatWereOvertakenBefore) {
  FileWorld world(1, 1);
  ASSERT_TRUE(world.client.read(world.where(), world.token(LeaseMode::kRead, 101), 0, 5));
  dir::v1::Floor floor;
  floor.set_inode(raw(kInode));
  floor.set_read(200);   // of a token that D alone was shown
  world.dir.floors.push_back(floor);
  world.at(1).restart();
  EXPECT_EQ(world.client.write(world.where(), world.token(LeaseMode::kWrite, 199), 0, "x").error().code,
            Errc::kOvertaken);
  EXPECT_TRUE(world.client.write(world.where(), world.token(LeaseMode::kWrite, 201), 0, "x"));
  world.dir.members.clear();   // D is started anew, and has everybody register
  world.simulation.scheduler.sleep_for(2s);
  const auto told = std::ranges::find(world.dir.told_floors, raw(kInode), &dir::v1::Floor::inode);
  ASSERT_NE(told, world.dir.told_floors.end());
  EXPECT_EQ(told->write(), 201u);
}

TEST(FileOps, RefusesAFencedSessionAndAnOvertakenLease) {
  FileWorld world(1);
  ASSERT_TRUE(world.write(0, "hello"));
  EXPECT_EQ(world.client.read(world.where(), world.token(LeaseMode::kRead, 99), 0, 5).error().code, Errc::kOvertaken);
  EXPECT_TRUE(world.client.read(world.where(), world.token(LeaseMode::kRead, 101), 0, 5));
  EXPECT_TRUE(world.client.read(world.where(), world.token(LeaseMode::kRead, 103, SessionId{78}), 0, 5));
  EXPECT_TRUE(world.client.read(world.where(), world.token(LeaseMode::kRead, 102), 0, 5));   // readers share
  EXPECT_EQ(world.client.write(world.where(), world.token(LeaseMode::kWrite, 102), 0, "x").error().code,
            Errc::kOvertaken);
  world.dir.fenced.push_back(raw(kSession));
  world.simulation.scheduler.sleep_for(1s);
  EXPECT_EQ(world.client.write(world.where(), world.token(LeaseMode::kWrite, 200), 0, "x").error().code, Errc::kFenced);
  EXPECT_EQ(world.client.read(world.where(), world.token(LeaseMode::kRead, 200), 0, 1).error().code, Errc::kFenced);
  world.at(1).restart();   // an F that comes up knows its fences before its first request
  EXPECT_EQ(world.client.read(world.where(), world.token(LeaseMode::kRead, 200), 0, 1).error().code, Errc::kFenced);
}

TEST(Membership, AFolderThatIsRefusedEndsAndAsksNoMore) {
  FileWorld world(2);
  world.dir.refuses.insert("2");
  world.dir.members.erase(2);
  world.at(2).kill();
  world.at(2).node.start();
  world.at(2).process.emplace(world.simulation, world.at(2).node, world.at(2).disk, 2, world.dir.endpoint(), 0);
  Membership& membership = world.at(2).process->membership;
  int told = 0;
  membership.on_refusal([&] { ++told; });
  EXPECT_TRUE(membership.refusal());
  world.at(2).node.run_duty("heartbeat", membership);
  world.simulation.scheduler.sleep_for(3s);
  EXPECT_EQ(told, 1);
  ASSERT_FALSE(membership.refusal());
  EXPECT_EQ(membership.refusal().error().code, Errc::kNotPermitted);
  EXPECT_FALSE(membership.serving());
}

TEST(FileOps, TheBackPortBelievesOnlyTheMaster) {
  FileWorld world(1, 3);
  const ChunkPlace place = world.where();
  ChunkOp op = op_for(world.dir.permits[kChunk], OpKind::kWrite);
  op.sequence = 1;
  op.length = 4;
  op.body_crc = crc32c(view_of("evil"));
  const auto send = [&](const Peer& peer, const ChunkOp& what, const std::string& body) {
    HttpRequest request{std::string(kApplyPath), {bytes_header(kPermitHeader, place.permit),
                                                  bytes_header(kApplyHeader, text_of(what.encode()))}, body};
    const HttpReply reply = world.at(2).process->back.serve(peer, request);
    return reply.status == 200 ? Errc::kInternal : error_of(reply).code;
  };
  const Peer master = peer_of(Role::kFile, "1");
  EXPECT_EQ(send(peer_of(Role::kFile, "3"), op, "evil"), Errc::kAccess);
  EXPECT_EQ(send(peer_of(Role::kHost, "c"), op, "evil"), Errc::kAccess);
  EXPECT_EQ(send(master, op, "live"), Errc::kCorrupt);
  ChunkOp other = op;
  other.chunk = ChunkId{43};
  EXPECT_EQ(send(master, other, "evil"), Errc::kInvalid);
  other = op;
  other.chainver = 9;
  EXPECT_EQ(send(master, other, "evil"), Errc::kInvalid);
  other = op;
  other.sequence = 2;
  EXPECT_EQ(send(master, other, "evil"), Errc::kMisordered);
  other = op;
  other.length = kChunkBytes + 1;
  EXPECT_EQ(send(master, other, "evil"), Errc::kInvalid);
  other = op;
  other.kind = OpKind::kCopied;
  EXPECT_EQ(send(master, other, "evil"), Errc::kInvalid);
  EXPECT_EQ(world.at(2).store().head(kChunk)->sequence, 0u);
  EXPECT_EQ(send(master, op, "evil"), Errc::kInternal);
}

// Flips a bit of the chunk's data in the file of one member.
void damage(FileWorld& world, std::size_t id, std::uint64_t byte) {
  ASSERT_TRUE(world.at(id).store().checkpoint());
  world.at(id).disk.flip_bit(chunk_path("/data", kChunk), ((256u << 10) + byte) * 8 + 3);
}

TEST(FileOps, AReadRepairsABadBlockFromTheOtherMember) {
  FileWorld world(1);
  const std::string body(200000, 'b');
  ASSERT_TRUE(world.write(0, body));
  damage(world, 1, 100000);
  EXPECT_TRUE(*world.client.read(world.where(), world.token(LeaseMode::kRead, 101), 0, 200000) == body);
  EXPECT_EQ(world.at(1).store().counts.repaired_blocks, 1u);
  EXPECT_TRUE(*world.at(1).content() == body);
}

TEST(FileOps, AWriteIntoABadSectorRepairsItFirst) {
  FileWorld world(1);
  std::string body(200000, 'b');
  ASSERT_TRUE(world.write(0, body));
  damage(world, 1, 100000);
  ASSERT_TRUE(world.write(100001, "x"));
  damage(world, 2, 50000);
  ASSERT_TRUE(world.write(50001, "y"));   // the member cannot repair: it gets a copy
  body[100001] = 'x';
  body[50001] = 'y';
  EXPECT_TRUE(*world.at(1).content() == body);
  EXPECT_TRUE(*world.at(2).content() == body);
  EXPECT_EQ(world.dir.shrinks, 0);
}

TEST(FileOps, ABlockWithoutAGoodCopyIsAnErrorAndDIsTold) {
  FileWorld world(1);
  ASSERT_TRUE(world.write(0, std::string(200000, 'b')));
  damage(world, 1, 100000);
  damage(world, 2, 100000);
  EXPECT_EQ(world.client.read(world.where(), world.token(LeaseMode::kRead, 101), 0, 200000).error().code, Errc::kCorrupt);
  EXPECT_TRUE(world.client.read(world.where(), world.token(LeaseMode::kRead, 101), 0, 50000));
  world.simulation.scheduler.sleep_for(1s);
  EXPECT_TRUE(world.dir.bad.contains(raw(kChunk)));
}

TEST(FileOps, AFullDiskAtTheMasterRefusesTheWrite) {
  FileWorld world(1);
  ASSERT_TRUE(world.write(0, "hello"));
  world.at(1).disk.set_capacity(3u << 20);
  EXPECT_EQ(world.client.write(world.where(), world.token(LeaseMode::kWrite), 100000, "more").error().code, Errc::kNoSpace);
  EXPECT_EQ(*world.client.read(world.where(), world.token(LeaseMode::kWrite), 0, 100), "hello");
  world.at(1).disk.set_capacity(1u << 30);
  EXPECT_TRUE(world.write(100000, "more"));
}

TEST(FileOps, CopiesBetweenChunksItMasters) {
  FileWorld world(1);
  world.place(ChunkId{43}, 1);
  ASSERT_TRUE(world.write(1000, std::string(2000000 - 1000, 'c').substr(0, kMaxIoBytes)));
  const std::string token = world.token(LeaseMode::kWrite);
  const auto copied = world.client.copy(world.where(), token, 500, world.where(ChunkId{43}), token, 7, 1500000);
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_EQ(copied->copied_bytes(), 1500000u);
  std::string expected = world.at(1).content()->substr(500);
  expected.resize(1500000);
  EXPECT_TRUE(world.at(2).content(ChunkId{43})->substr(7) == expected);
}

TEST(Scrubber, FindsAndRepairsDamageAndGoesOnWhereItWas) {
  FileWorld world(1);
  const std::string body(300000, 's');
  ASSERT_TRUE(world.write(0, body));
  damage(world, 1, 250000);
  auto& process = *world.at(1).process;
  Scrubber scrubber(*process.store, process.repair, world.at(1).disk, "/data", world.simulation.clock, process.log, {1u << 20, 1s});
  for (int i = 0; i < 10 && scrubber.rounds() < 2; ++i) scrubber.tick(world.simulation.clock.now());
  EXPECT_GE(scrubber.rounds(), 1u);
  EXPECT_EQ(process.store->counts.repaired_blocks, 1u);
  EXPECT_TRUE(*world.at(1).content() == body);
  EXPECT_TRUE(*world.at(1).disk.exists("/data/scrub"));
}

// It waits for the changes before it, which wait for a member that does not answer.
TEST(FileOps, AWriteThatWaitedIsNotAppliedAfterItsSessionsEnd) {
  FileWorld world(1);
  const SessionId ended{78};
  FileClient late(world.transport, world.simulation.clock, world.simulation.waiter, kCluster, ended, 1);
  late.set_servers(world.known);
  ASSERT_TRUE(world.write(0, "before"));
  const ChunkPlace place = world.where();
  world.at(2).node.pause();
  std::vector<sim::SimScheduler::TaskId> tasks;
  for (int i = 0; i < 2; ++i) {
    tasks.push_back(world.simulation.scheduler.spawn("writer", [&] { EXPECT_TRUE(world.write(10, "others")); }));
    world.simulation.scheduler.sleep_for(50ms);
  }
  std::optional<Errc> answer;
  tasks.push_back(world.simulation.scheduler.spawn("late writer", [&] {
    const auto done = late.write(place, world.token(LeaseMode::kWrite, 100, ended), 0, "after!");
    if (!done) answer = done.error().code;
  }));
  world.simulation.scheduler.sleep_for(100ms);
  world.dir.fenced.push_back(raw(ended));
  for (const auto task : tasks) world.simulation.scheduler.join(task);
  EXPECT_EQ(answer, Errc::kFenced);
  EXPECT_EQ(world.at(1).content()->substr(0, 6), "before");
}

}  // namespace
}  // namespace conclave::file
