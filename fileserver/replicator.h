// The master's side of replication. A change is applied here, then sent to every other member of the permit, in the
// order of its number; the caller is answered when all of them have it. A member that cannot be reached, or has no
// room, is taken out of the chunk's members by D before anybody is answered with fewer.
//
// Here first, then there: numbers come from the store, which must have applied what it numbers; and one change can
// be written here while the one before it travels. A master that dies in between has a change that others lack, and
// nobody was answered. Its client repeats it: as a further change, or for an append as the same one. Either way the
// next change finds out what a member lacks, or has otherwise (ReplicaLog), and that member gets a copy of the chunk.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <span>

#include "base/guarded.h"
#include "base/parallel_calls.h"
#include "dirserver/dir_client.h"
#include "fileserver/block_repair.h"
#include "fileserver/chunk_copy.h"
#include "fileserver/member_starts.h"
#include "fileserver/membership.h"

namespace conclave::file {

struct SealedPermit {
  ChunkPermit permit;
  std::string sealed;
};

class Replicator {
 public:
  struct Parts {
    ChunkStore& store;
    Membership& membership;
    dir::DirClient& dir;
    Transport& transport;
    Clock& clock;
    Waiter& waiter;
    ParallelCalls& calls;
    BlockRepair& repair;
    Log& log;
  };
  explicit Replicator(Parts parts);

  struct Done {
    ChunkStore::Applied applied;
    bool moved = false;            // the permit is not current any more
    MemberStarts starts;           // who has it
  };
  // `op` without numbers; `sums` are the body's at op.offset; the body is moved from unless nothing happened. `check`
  // is asked when it is this change's turn: it may have waited for others. Errors of it and of ChunkStore::apply:
  // nothing happened. kUnknown: it is here and perhaps not everywhere; repeat it. Blocks.
  using Check = std::function<Status()>;
  Result<Done> apply(const SealedPermit& chunk, ChunkOp op, std::string& body, const BodySums& sums,
                     const Check& check);

  // What was answered survives power loss at every member. One that was restarted since it took something is brought up
  // first. One that cannot be is taken out. kStale: the members have changed.
  Status commit(std::span<const SealedPermit> chunks);
  // A member that is the same start as in `took` has the same changes as this master. Where it has more, this master gives
  // way: kStale, or kCorrupt if it cannot. Blocks.
  Result<bool> has_what_others_have(const SealedPermit& chunk, const MemberStarts& took);

  // Makes `newcomer`, which is none yet, a member: a copy is made there under `with_newcomer` while changes go on, unless it
  // has the same already; then D is asked to admit it (replicator_members.cc). kStale: the permit is not current. Blocks.
  Status bring_in(const SealedPermit& chunk, const SealedPermit& with_newcomer, ServerId newcomer,
                  const ChunkCopy::Pace& pace);
  // This server became the chunk's master: the others are brought to what it has. Blocks. Errors as apply().
  Status tell_members(const SealedPermit& chunk);

  // They were removed from here.
  void forget(std::span<const ChunkId> chunks);
  // Of how many chunks something is known beside what the store has.
  [[nodiscard]] std::size_t known_chunks() const;

 private:
  struct Member {
    std::uint64_t acknowledged = 0;   // the last change it is known to have; 0: not known
    std::uint64_t committed = 0;      // the last that was committed
    std::uint64_t boot = 0;           // its start that took the first change since then
  };
  struct Chain {                      // what this master knows of a chunk, since it was started
    SealedPermit newest;              // after a Shrink
    std::map<ServerId, Member> members;
  };
  struct Answer {
    ServerId from{};
    Status status;
    std::uint64_t boot = 0;
    std::vector<std::uint64_t> sequences;   // of commit_at: by chunk, what it covered
  };
  struct Position {                   // of a copy
    std::uint64_t sequence = 0;
    std::uint32_t link = 0;
    std::uint64_t boot = 0;
  };
  class Copying;
  void note_changed(const ChunkOp& op);
  Result<Position> position_at(ServerId server, ChunkId chunk);
  Status make_durable_at(ServerId newcomer, const SealedPermit& with_newcomer, const ChunkHead& head);
  Status make_member(const SealedPermit& chunk, ServerId newcomer, const ChunkHead& head, const Position& there);
  static HttpRequest request_for(const SealedPermit& chunk, const ChunkOp& op, std::string body);
  Result<bool> replicate(const SealedPermit& chunk, const ChunkOp& op, std::string body, bool here_before);
  Status replicate_once(const SealedPermit& chunk, const ChunkOp& op, HttpRequest* request, std::uint64_t upto);
  SealedPermit newest(const SealedPermit& chunk);
  Result<MemberStarts> starts_of(const SealedPermit& chunk);
  std::vector<ServerId> lacking(const SealedPermit& chunk, std::uint64_t upto);
  std::vector<Answer> send_to_all(const std::vector<ServerId>& members, const SealedPermit& chunk, const ChunkOp& op,
                                  HttpRequest& request);
  Answer send(ServerId to, const HttpRequest& request);
  Answer send_or_copy(ServerId to, const SealedPermit& chunk, const ChunkOp& op, const HttpRequest& request);
  Status repair_here(const SealedPermit& chunk);
  Status copy(ServerId to, const SealedPermit& chunk, const ChunkHead& head, std::uint64_t claim);
  Status copy_unless_same(ServerId to, const SealedPermit& chunk, const ChunkHead& head);
  Status shrink(const SealedPermit& chunk, const std::vector<ServerId>& lost, const Error& why);
  Answer commit_at(ServerId member, std::span<const SealedPermit> chunks);
  Error give_way(const SealedPermit& chunk, const Error& why);
  void meet(ServerId member, std::span<const SealedPermit> chunks);
  Status bring_up(ServerId member, std::span<const SealedPermit> chunks);
  Status check_newest(const ChunkPermit& permit);
  std::vector<ServerId> others(const ChunkPermit& permit, ServerId own) const;
  void sweep() REQUIRES(mutex_);
  void note(ChunkId chunk, const Answer& answer, std::uint64_t sequence);
  void note_whole(const ChunkHead& head, ServerId member, std::uint64_t boot);
  void note_committed(ServerId member, std::span<const SealedPermit> chunks, const std::vector<std::uint64_t>& upto);

  const Parts parts_;
  Turns applying_;
  Turns sending_;
  mutable std::mutex mutex_;
  std::map<ChunkId, Chain> chains_ GUARDED_BY(mutex_);
  std::map<ChunkId, BlockSet> changed_ GUARDED_BY(mutex_);   // since a copy of the chunk was begun
  std::size_t sweep_at_ GUARDED_BY(mutex_);   // chains; double of what the last sweep left
};

}  // namespace conclave::file
