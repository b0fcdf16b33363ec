// New members: a copy is made while writes go on, and becomes a member in the master's turn, when nothing is missing.
//
// The master raises the chunk's chainver on its own disk before it asks D for the newcomer, and tells all members of it
// with a change that changes no byte. So whoever was a member, wherever it was started again in between, takes nothing
// under the older permits, which would pass the newcomer over. D gives the next chainver to a current permit in any case.
#include <algorithm>

#include "conclave/file/v1/file.pb.h"
#include "fileserver/file_wire.h"
#include "fileserver/replicator.h"

namespace conclave::file {
namespace {

constexpr Duration kPatience = 2s;
constexpr std::size_t kFewBlocks = 32;   // 2 MiB: sent while writers wait
// Only D says that the copy is not wanted any more.
Error of_newcomer(const Error& error) {
  return {error.code == Errc::kStale ? Errc::kUnavailable : error.code, error.message};
}

constexpr int kRounds = 5;               // of what has changed meanwhile, before writers wait for the rest

}  // namespace

// Blocks that change while a copy of the chunk is made.
class Replicator::Copying {
 public:
  Copying(Replicator& replicator, ChunkId chunk) : replicator_(replicator), chunk_(chunk) {
    const std::lock_guard lock(replicator_.mutex_);
    replicator_.changed_[chunk_];
  }
  ~Copying() {
    const std::lock_guard lock(replicator_.mutex_);
    replicator_.changed_.erase(chunk_);
  }
  Copying(const Copying&) = delete;
  BlockSet take() {
    const std::lock_guard lock(replicator_.mutex_);
    return std::exchange(replicator_.changed_[chunk_], {});
  }
  std::size_t count() {
    const std::lock_guard lock(replicator_.mutex_);
    return replicator_.changed_[chunk_].count();
  }

 private:
  Replicator& replicator_;
  const ChunkId chunk_;
};

// With the turn to apply: before the next change, or a copy's last look.
void Replicator::note_changed(const ChunkOp& op) {
  const std::lock_guard lock(mutex_);
  const auto found = changed_.find(op.chunk);
  if (found == changed_.end()) return;
  const bool cut = op.kind == OpKind::kTruncate;
  if (!cut && op.kind != OpKind::kWrite && op.kind != OpKind::kZero) return;
  const std::uint64_t end = cut ? kChunkBytes : op.offset + op.length;
  for (std::uint64_t at = op.offset / kBlockBytes; at * kBlockBytes < end; ++at) found->second.set(at);
}

// Sequence 0 where nothing is there, or no whole copy.
Result<Replicator::Position> Replicator::position_at(ServerId server, ChunkId chunk) {
  const auto standing = TRY(parts_.membership.serving());
  ConnectClient client(parts_.transport, parts_.clock, TRY(standing->back_of(server, parts_.membership.own().cluster)));
  v1::FetchRequest request;
  request.set_chunk(raw(chunk));
  const auto there = client.call<v1::FetchResponse>(kFetchPath, request, {kPatience, {}, {}});
  const bool none = !there && (there.error().code == Errc::kNotFound || there.error().code == Errc::kCorrupt);
  if (none) return Position{};
  if (!there) return of_newcomer(there.error());
  return Position{there->sequence(), there->link(), there->boot()};
}

Status Replicator::bring_in(const SealedPermit& chunk, const SealedPermit& with_newcomer, ServerId newcomer,
                            const ChunkCopy::Pace& pace) {
  TRY(check_newest(chunk.permit));
  const ChunkId id = chunk.permit.chunk;
  const std::uint64_t key = raw(id);
  ChunkCopy copy(parts_.store, with_newcomer.permit, [&](const ChunkOp& op, std::string body) -> Result<std::uint64_t> {
    const Answer answer = send(newcomer, request_for(with_newcomer, op, std::move(body)));
    if (!answer.status) return of_newcomer(answer.status.error());
    return answer.boot;
  });
  Copying copying(*this, id);
  const auto is_same = [&](const ChunkHead& head, const Position& there) {
    return head.sequence == there.sequence && head.link == there.link;
  };
  bool same = is_same(TRY(parts_.store.head(id)), TRY(position_at(newcomer, id)));
  if (!same) {
    TRY(repair_here(chunk));
    TRY(copy.begin(kAnyClaim));
    TRY(copy.blocks(BlockSet().set(), pace));
    for (int round = 0; round < kRounds && copying.count() > kFewBlocks; ++round) TRY(copy.blocks(copying.take(), pace));
  }
  std::optional<Turns::Turn> applying(applying_.take(key));
  const auto sending = sending_.take(key);   // what was applied here has been sent
  TRY(check_newest(chunk.permit));
  const ChunkHead head = TRY(parts_.store.head(id));
  Position there{head.sequence, head.link, copy.boot()};
  if (same) {
    there = TRY(position_at(newcomer, id));
    if (!is_same(head, there)) return Error(Errc::kUnavailable, "the chunk was changed meanwhile: a copy is needed");
  } else {
    TRY(copy.blocks(copying.take(), {}));
    TRY(copy.finish(head));
  }
  TRY(make_durable_at(newcomer, with_newcomer, head));
  return make_member(chunk, newcomer, head, there);
}

Result<bool> Replicator::has_what_others_have(const SealedPermit& chunk, const MemberStarts& took) {
  const auto standing = TRY(parts_.membership.serving());
  const std::uint64_t key = raw(chunk.permit.chunk);
  std::optional<Turns::Turn> applying(applying_.take(key));
  const auto sending = sending_.take(key);   // what was applied here has been sent
  const ChunkHead head = TRY(parts_.store.head(chunk.permit.chunk));
  applying.reset();
  for (const ServerId member : others(chunk.permit, standing->id)) {
    const auto there = position_at(member, chunk.permit.chunk);
    if (!there || there->boot == 0 || there->boot != took.boot_of(member)) continue;
    if (there->sequence > head.sequence) return give_way(chunk, Error(Errc::kNotEmpty, "it has more changes"));
    return there->sequence == head.sequence && there->link == head.link;
  }
  return false;
}

// What it has now survives power loss there.
Status Replicator::make_durable_at(ServerId newcomer, const SealedPermit& with_newcomer, const ChunkHead& head) {
  const auto standing = TRY(parts_.membership.serving());
  ConnectClient client(parts_.transport, parts_.clock,
                       TRY(standing->back_of(newcomer, parts_.membership.own().cluster)));
  v1::CommitBackRequest request;
  request.add_permits(with_newcomer.sealed);
  request.add_sequences(head.sequence);
  const auto durable = client.call<v1::CommitBackResponse>(kCommitBackPath, request, {kCallDeadline, {}, {}});
  return durable ? Status() : Status(of_newcomer(durable.error()));
}

// With both turns.
Status Replicator::make_member(const SealedPermit& chunk, ServerId newcomer, const ChunkHead& head,
                               const Position& there) {
  ChunkPermit next = chunk.permit;
  ++next.chainver;
  next.members.push_back(newcomer);
  const auto raised = TRY(parts_.store.apply(op_for(next, OpKind::kMembers), {}, BodySums::of(0, {})));
  const ChunkId ids[] = {next.chunk};
  TRY(parts_.store.sync(ids));
  dir::v1::AdmitRequest request;
  request.set_permit(chunk.sealed);
  request.set_server(raw(newcomer));
  request.set_bytes(TRY(parts_.store.extents(next.chunk)).allocated_bytes);
  const auto answer = TRY(parts_.dir.admit(request));
  const auto standing = TRY(parts_.membership.serving());
  SealedPermit now{TRY(standing->keys->open_permit(view_of(answer.layout().permit()))), answer.layout().permit()};
  {
    const std::lock_guard lock(mutex_);
    chains_[next.chunk].newest = now;
  }
  note_whole(head, newcomer, there.boot);
  parts_.log.info("a chunk has a new member", {{"chunk", raw(next.chunk)}, {"member", raw(newcomer)}});
  TRY(replicate(now, raised.op, "", false));
  return {};
}

// A master that is new knows nothing of what the others have: who has other changes than it has gets a copy, and all
// refuse older permits from now on.
Status Replicator::tell_members(const SealedPermit& chunk) {
  TRY(check_newest(chunk.permit));
  const std::uint64_t key = raw(chunk.permit.chunk);
  std::optional<Turns::Turn> applying(applying_.take(key));
  const auto told = TRY(parts_.store.apply(op_for(chunk.permit, OpKind::kMembers), {}, BodySums::of(0, {})));
  const auto sending = sending_.take(key);
  applying.reset();
  TRY(replicate(chunk, told.op, "", false));
  dir::v1::AdmitRequest request;   // of nobody: it is done
  request.set_permit(newest(chunk).sealed);
  TRY(parts_.dir.admit(request));
  return {};
}

}  // namespace conclave::file
