#include "fileserver/replicator.h"

#include <algorithm>

#include "base/connect_wire.h"
#include "conclave/file/v1/file.pb.h"
#include "fileserver/file_wire.h"

namespace conclave::file {
namespace {

constexpr Duration kPatience = 2s;            // with one member, before it is taken out
constexpr Duration kUnreached = 300ms;        // with one whose address refuses connections: its process has ended
constexpr Duration kPause = 20ms;
constexpr std::size_t kFewChains = 20000;     // about 4 MiB: not swept below

}  // namespace

HttpRequest Replicator::request_for(const SealedPermit& chunk, const ChunkOp& op, std::string body) {
  return {std::string(kApplyPath),
          {{"content-type", std::string(kRawType)},
           bytes_header(kPermitHeader, chunk.sealed),
           bytes_header(kApplyHeader, text_of(op.encode()))},
          std::move(body)};
}

Replicator::Replicator(Parts parts)
    : parts_(parts), applying_(parts.waiter), sending_(parts.waiter), sweep_at_(kFewChains) {}

std::vector<ServerId> Replicator::others(const ChunkPermit& permit, ServerId own) const {
  std::vector<ServerId> out;
  std::ranges::copy_if(permit.members, std::back_inserter(out), [&](ServerId id) { return id != own; });
  return out;
}

Status Replicator::check_newest(const ChunkPermit& permit) {
  const std::lock_guard lock(mutex_);
  const auto found = chains_.find(permit.chunk);
  if (found == chains_.end() || permit.chainver >= found->second.newest.permit.chainver) return {};
  return Error(Errc::kStale, "the chunk's members have changed since");
}

Result<Replicator::Done> Replicator::apply(const SealedPermit& chunk, ChunkOp op, std::string& body,
                                           const BodySums& sums, const Check& check) {
  TRY(check_newest(chunk.permit));
  const std::uint64_t key = raw(chunk.permit.chunk);
  std::optional<Turns::Turn> applying(applying_.take(key));
  TRY(check());
  auto applied = TRY(parts_.store.apply(std::move(op), view_of(body), sums));
  note_changed(applied.op);
  const auto sending = sending_.take(key);   // before the next one applies: sent in the order of their numbers
  applying.reset();
  const bool moved = TRY(replicate(chunk, applied.op, std::move(body), applied.before.has_value()));
  return Done{std::move(applied), moved, TRY(starts_of(newest(chunk)))};
}

// With the turn to send: all of them have the last change. A server that serves no more may have been replaced as the
// master, and answers nobody.
Result<MemberStarts> Replicator::starts_of(const SealedPermit& chunk) {
  std::vector<MemberStarts::One> out;
  const auto standing = parts_.membership.serving();
  if (!standing) return Error(Errc::kUnknown, standing.error().message);
  out.emplace_back((*standing)->id, parts_.membership.boot());
  const std::lock_guard lock(mutex_);
  const auto chain = chains_.find(chunk.permit.chunk);
  for (const ServerId id : others(chunk.permit, (*standing)->id)) {
    if (chain == chains_.end()) break;
    const auto member = chain->second.members.find(id);
    if (member != chain->second.members.end()) out.emplace_back(id, member->second.boot);
  }
  return MemberStarts(std::move(out));
}

SealedPermit Replicator::newest(const SealedPermit& chunk) {
  const std::lock_guard lock(mutex_);
  const auto found = chains_.find(chunk.permit.chunk);
  const bool newer = found != chains_.end() && found->second.newest.permit.chainver > chunk.permit.chainver;
  return newer ? found->second.newest : chunk;
}

// The other members that are not known to have all changes up to `upto`.
std::vector<ServerId> Replicator::lacking(const SealedPermit& chunk, std::uint64_t upto) {
  std::vector<ServerId> out;
  const auto standing = parts_.membership.serving();
  const std::lock_guard lock(mutex_);
  const Chain& chain = chains_[chunk.permit.chunk];
  for (const ServerId id : chunk.permit.members) {
    const auto found = chain.members.find(id);
    const bool has = found != chain.members.end() && found->second.acknowledged >= upto;
    if (!has && standing && id != (*standing)->id) out.push_back(id);
  }
  return out;
}

// With the turn to send. True: members were lost. `here_before`: the change was found done, and its number is not
// known: everybody must have all that is here.
Result<bool> Replicator::replicate(const SealedPermit& chunk, const ChunkOp& op, std::string body, bool here_before) {
  const auto standing = parts_.membership.serving();
  if (chunk.permit.members.size() == 1 && standing) return false;
  const std::uint64_t upto = here_before ? TRY(parts_.store.head(chunk.permit.chunk)).sequence : op.sequence;
  HttpRequest request = request_for(chunk, op, std::move(body));
  Status status;
  SealedPermit current = newest(chunk);
  for (std::size_t tries = 0; tries <= kMaxReplicas; ++tries) {   // each either ends it or loses a member
    status = replicate_once(current, op, here_before ? nullptr : &request, upto);
    if (status) return current.permit.chainver != chunk.permit.chainver;
    const SealedPermit shrunk = newest(current);
    if (shrunk.permit.chainver == current.permit.chainver) break;
    current = shrunk;
    request.headers = request_for(current, op, "").headers;
  }
  return Error(Errc::kUnknown, "not all members of the chunk have this change: " + status.error().message);
}

// Without a request: members that lack something get a copy. An error after members were lost, too: look again.
Status Replicator::replicate_once(const SealedPermit& chunk, const ChunkOp& op, HttpRequest* request,
                                  std::uint64_t upto) {
  TRY(parts_.membership.serving());
  const std::vector<ServerId> members = lacking(chunk, upto);
  std::vector<Answer> answers;
  if (request != nullptr) {
    answers = send_to_all(members, chunk, op, *request);
  } else {
    const ChunkHead head = TRY(parts_.store.head(chunk.permit.chunk));
    for (const ServerId id : members) answers.push_back({id, copy_unless_same(id, chunk, head), 0, {}});
  }
  std::vector<ServerId> lost;
  Error why(Errc::kUnknown);
  for (const Answer& answer : answers) {
    if (answer.status) continue;
    why = answer.status.error();
    if (why.code == Errc::kStale) return why;   // it knows of newer members: this server is not the master any more
    if (why.code == Errc::kNotEmpty) return give_way(chunk, why);
    lost.push_back(answer.from);
  }
  if (lost.empty()) return {};
  TRY(shrink(chunk, lost, why));
  return why;
}

// A member has more than this master: it lost the end of what it had. D makes another the master, and nothing of what is
// here is given to anybody.
Error Replicator::give_way(const SealedPermit& chunk, const Error& why) {
  const Error behind(Errc::kCorrupt, "this file server's copy of the chunk is behind a member's: " + why.message);
  const auto left = parts_.membership.leave(chunk.permit, chunk.sealed, behind);
  if (!left) return left.error();
  return *left ? Error(Errc::kStale, "another file server is the chunk's master now") : behind;
}

std::vector<Replicator::Answer> Replicator::send_to_all(const std::vector<ServerId>& members, const SealedPermit& chunk,
                                                        const ChunkOp& op, HttpRequest& request) {
  std::vector<Answer> answers(members.size());
  std::vector<std::function<void()>> calls;
  for (std::size_t i = 0; i < members.size(); ++i) {
    calls.emplace_back([&, i] { answers[i] = send_or_copy(members[i], chunk, op, request); });
  }
  parts_.calls.make(std::move(calls));
  return answers;
}

Replicator::Answer Replicator::send_or_copy(ServerId to, const SealedPermit& chunk, const ChunkOp& op,
                                            const HttpRequest& request) {
  Answer answer = send(to, request);
  const bool lacks = !answer.status && (answer.status.error().code == Errc::kMisordered ||
                                        answer.status.error().code == Errc::kCorrupt);
  if (lacks) {
    const auto head = parts_.store.head(chunk.permit.chunk);
    answer.status = head ? copy(to, chunk, *head, op.sequence - 1) : Status(head.error());
    return answer;
  }
  if (answer.status) note(chunk.permit.chunk, answer, op.sequence);
  return answer;
}

// Again while the answer is not known: a member tells a repetition by its number.
Replicator::Answer Replicator::send(ServerId to, const HttpRequest& request) {
  const MonoTime begun = parts_.clock.now();
  const MonoTime end = begun + kPatience;
  for (;;) {
    bool reached = true;
    const auto once = [&]() -> Result<std::uint64_t> {
      const auto standing = TRY(parts_.membership.serving());
      const Endpoint back = TRY(standing->back_of(to, parts_.membership.own().cluster));
      const auto reply = parts_.transport.call(back, request, end);
      reached = reply || reply.error().code != Errc::kUnavailable;
      if (!reply) return reply.error();
      TRY(checked_reply(*reply));
      return number_of(reply->headers, kBootHeader);
    };
    const auto boot = once();
    if (boot) return {to, {}, *boot, {}};
    const MonoTime give_up = reached ? end : begun + kUnreached;
    if (!may_pass(boot.error().code) || parts_.clock.now() + kPause >= give_up) return {to, boot.error(), 0, {}};
    parts_.clock.sleep_until(parts_.clock.now() + kPause);
  }
}

// Before a member gives up what it has: it may hold the only good copy of a block that is damaged here.
Status Replicator::repair_here(const SealedPermit& chunk) {
  const auto extents = TRY(parts_.store.extents(chunk.permit.chunk));
  for (const auto& [start, length] : extents.ranges) {
    const auto first = static_cast<std::uint32_t>(start / kBlockBytes);
    const auto count = static_cast<std::uint32_t>(length / kBlockBytes);
    if (parts_.repair.repair(chunk.permit.chunk, chunk.permit.members, first, count)) continue;
    return Error(Errc::kCorrupt, "the master's copy of the chunk is damaged and cannot be given to a member");
  }
  return {};
}

// The whole chunk, by blocks. Changes that are applied here meanwhile may be in it already; they are sent after it,
// in order, and say the same again.
Status Replicator::copy(ServerId to, const SealedPermit& chunk, const ChunkHead& head, std::uint64_t claim) {
  parts_.log.info("a member gets a copy of a chunk", {{"chunk", raw(head.chunk)}, {"member", raw(to)}});
  ChunkCopy copy(parts_.store, chunk.permit, [&](const ChunkOp& op, std::string body) -> Result<std::uint64_t> {
    const Answer answer = send(to, request_for(chunk, op, std::move(body)));
    if (!answer.status) return answer.status.error();
    return answer.boot;
  });
  TRY(repair_here(chunk));
  TRY(copy.begin(claim));
  TRY(copy.blocks(BlockSet().set(), {}));
  TRY(copy.finish(head));
  note_whole(head, to, copy.boot());
  return {};
}

Status Replicator::copy_unless_same(ServerId to, const SealedPermit& chunk, const ChunkHead& head) {
  const auto there = position_at(to, head.chunk);
  const bool same = there && there->sequence == head.sequence && there->link == head.link;
  if (!same) return copy(to, chunk, head, head.sequence);
  note_whole(head, to, there->boot);
  return {};
}

Status Replicator::shrink(const SealedPermit& chunk, const std::vector<ServerId>& lost, const Error& why) {
  SealedPermit next = newest(chunk);
  dir::v1::ShrinkRequest request;
  request.set_permit(next.sealed);
  for (const ServerId id : lost) {
    if (std::ranges::find(next.permit.members, id) == next.permit.members.end()) continue;
    parts_.log.warning("a member of a chunk is taken out",
                       {{"chunk", raw(chunk.permit.chunk)}, {"member", raw(id)}, {"why", why}});
    request.add_lost(raw(id));
  }
  if (request.lost().empty()) return {};
  const auto answer = TRY(parts_.dir.shrink(request));
  const auto standing = TRY(parts_.membership.serving());
  next.sealed = answer.layout().permit();
  next.permit = TRY(standing->keys->open_permit(view_of(next.sealed)));
  const std::lock_guard lock(mutex_);
  Chain& chain = chains_[chunk.permit.chunk];
  for (const ServerId id : lost) chain.members.erase(id);
  chain.newest = std::move(next);
  return {};
}

// --- Commit.

Status Replicator::commit(std::span<const SealedPermit> chunks) {
  const auto standing = TRY(parts_.membership.serving());
  std::map<ServerId, std::vector<SealedPermit>> by_member;
  std::vector<ChunkId> ids;
  for (const SealedPermit& chunk : chunks) {
    TRY(check_newest(chunk.permit));
    ids.push_back(chunk.permit.chunk);
    for (const ServerId id : others(chunk.permit, standing->id)) by_member[id].push_back(chunk);
  }
  for (const auto& [id, theirs] : by_member) meet(id, theirs);
  Status here;
  std::vector<Answer> answers(by_member.size());
  std::vector<std::function<void()>> calls;
  std::size_t i = 0;
  for (const auto& [id, theirs] : by_member) {
    calls.emplace_back([&, i, member = id] { answers[i] = commit_at(member, theirs); });
    ++i;
  }
  calls.emplace_back([&] { here = parts_.store.sync(ids); });
  parts_.calls.make(std::move(calls));
  TRY(std::move(here));
  for (Answer& answer : answers) {
    const auto& theirs = by_member[answer.from];
    const auto says = [&](Errc code) { return !answer.status && answer.status.error().code == code; };
    if (says(Errc::kRestarted)) {
      const Status up = bring_up(answer.from, theirs);
      if (!up && up.error().code == Errc::kCorrupt) return up;
      if (up) answer = commit_at(answer.from, theirs);
    }
    if (says(Errc::kStale)) return answer.status;   // it knows of newer members
    if (answer.status) {
      note_committed(answer.from, theirs, answer.sequences);
      continue;
    }
    for (const SealedPermit& chunk : theirs) {
      const Status shrunk = shrink(chunk, {answer.from}, answer.status.error());
      if (!shrunk) return shrunk;
    }
  }
  return {};
}

// A master that is new does not know what a member has of what another master was answered for. One that cannot be reached
// is found out by the commit itself.
void Replicator::meet(ServerId member, std::span<const SealedPermit> chunks) {
  std::vector<SealedPermit> unknown;
  {
    const std::lock_guard lock(mutex_);
    std::ranges::copy_if(chunks, std::back_inserter(unknown), [&](const SealedPermit& chunk) {
      const auto chain = chains_.find(chunk.permit.chunk);
      return chain == chains_.end() || !chain->second.members.contains(member);
    });
  }
  if (!unknown.empty()) static_cast<void>(bring_up(member, unknown));
}

// A member that was restarted may have lost what no commit covered. It has the same changes, or it gets a copy: its
// numbers tell, as what a power loss left of a change has a link of its own (ChunkStore::finish_replay).
Status Replicator::bring_up(ServerId member, std::span<const SealedPermit> chunks) {
  for (const SealedPermit& chunk : chunks) {
    const std::uint64_t key = raw(chunk.permit.chunk);
    std::optional<Turns::Turn> applying(applying_.take(key));
    const auto sending = sending_.take(key);   // what was applied here has been sent
    const ChunkHead head = TRY(parts_.store.head(chunk.permit.chunk));
    applying.reset();
    const SealedPermit current = newest(chunk);
    const bool is_member = std::ranges::find(current.permit.members, member) != current.permit.members.end();
    const Status same = is_member && head.sequence != 0 ? copy_unless_same(member, current, head) : Status();
    if (!same && same.error().code == Errc::kNotEmpty) return give_way(current, same.error());
    TRY(Status(same));
  }
  return {};
}

Replicator::Answer Replicator::commit_at(ServerId member, std::span<const SealedPermit> chunks) {
  v1::CommitBackRequest request;
  Answer out{member, {}, 0, {}};
  for (const SealedPermit& chunk : chunks) {
    Member known;
    {
      const std::lock_guard lock(mutex_);
      known = chains_[chunk.permit.chunk].members[member];
    }
    // Nothing was sent to it since this master was started: then it must have what is here.
    const bool asked = known.acknowledged != 0;
    out.sequences.push_back(asked ? known.acknowledged : parts_.store.sequence(chunk.permit.chunk).value_or(0));
    request.add_permits(chunk.sealed);
    request.add_sequences(out.sequences.back());
    if (known.acknowledged <= known.committed) continue;
    if (request.boot() != 0 && request.boot() != known.boot) {
      out.status = Error(Errc::kRestarted, "a member was restarted since these bytes were written");
    }
    request.set_boot(known.boot);
  }
  if (!out.status) return out;
  const MonoTime end = parts_.clock.now() + Duration(kCallDeadline);
  for (;;) {
    const auto once = [&]() -> Result<std::uint64_t> {
      const auto standing = TRY(parts_.membership.serving());
      const Endpoint back = TRY(standing->back_of(member, parts_.membership.own().cluster));
      ConnectClient client(parts_.transport, parts_.clock, back);
      return TRY(client.call<v1::CommitBackResponse>(kCommitBackPath, request, {kCallDeadline, {}, {}})).boot();
    };
    const auto boot = once();
    if (boot) return out;
    const bool reached = boot.error().code != Errc::kUnavailable;
    const MonoTime give_up = reached ? end : end - Duration(kCallDeadline) + kPatience;
    if (!may_pass(boot.error().code) || parts_.clock.now() + kPause >= give_up) {
      out.status = boot.error();
      return out;
    }
    parts_.clock.sleep_until(parts_.clock.now() + kPause);
  }
}

void Replicator::forget(std::span<const ChunkId> chunks) {
  const std::lock_guard lock(mutex_);
  for (const ChunkId chunk : chunks) chains_.erase(chunk);
}

std::size_t Replicator::known_chunks() const {
  const std::lock_guard lock(mutex_);
  return chains_.size();
}

// What is committed and was never shrunk is only a convenience. Not again before as many have come as were left: where
// none can go, each change would look at all of them.
void Replicator::sweep() {
  std::erase_if(chains_, [](const auto& entry) {
    return entry.second.newest.permit.chainver == 0 &&
           std::ranges::all_of(entry.second.members,
                               [](const auto& known) { return known.second.acknowledged <= known.second.committed; });
  });
  sweep_at_ = std::max(kFewChains, 2 * chains_.size());
}

void Replicator::note(ChunkId chunk, const Answer& answer, std::uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  if (chains_.size() > sweep_at_) sweep();
  Member& member = chains_[chunk].members[answer.from];
  if (member.acknowledged <= member.committed) member.boot = answer.boot;
  member.acknowledged = std::max(member.acknowledged, sequence);
}

// It has all changes up to the head's last, under this boot, whatever it had before.
void Replicator::note_whole(const ChunkHead& head, ServerId member, std::uint64_t boot) {
  const std::lock_guard lock(mutex_);
  Member& known = chains_[head.chunk].members[member];
  known.acknowledged = std::max(known.acknowledged, head.sequence);
  known.boot = boot;
}

void Replicator::note_committed(ServerId member, std::span<const SealedPermit> chunks,
                                const std::vector<std::uint64_t>& upto) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    Member& known = chains_[chunks[i].permit.chunk].members[member];
    known.committed = std::max(known.committed, upto[i]);
  }
}

}  // namespace conclave::file
