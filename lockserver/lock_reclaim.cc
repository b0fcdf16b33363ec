// LockOps after a restart: sessions of before say what they hold, and nothing is granted until all have.
//
// Why nothing is granted twice. Whatever the last run granted and a session may still trust or use is claimed, or its
// session is fenced and D has said that every file server knows: only then grace ends. What a session had given back,
// or asked to, it does not claim; what it was granted without hearing of it, it does not use. So honest claims never
// exclude each other. Leases carry their number in a sealed token: of two that exclude each other the larger number is the
// truth, and whoever shows the smaller keeps something that he gave back.
#include <algorithm>

#include "lockserver/lock_client.h"
#include "lockserver/lock_ops.h"
#include "lockserver/lock_words.h"

namespace conclave::lock {
namespace {

// D's and F's answers to what was sent under the last epoch's tokens come for so long after the end of grace.
constexpr Duration kLastKeyShown = 30s;

// `keep` of a lease in `mode`: all of it, or what may stay beside others.
bool may_claim(LeaseMode mode, LeaseMode keep) {
  return keep != LeaseMode::kNone && (mode == keep || keep_beside(mode, keep) == keep);
}

}  // namespace

void LockOps::restore(const LockMemory& memory) {
  const std::lock_guard lock(mutex_);
  const MonoTime now = clock_.now();
  sessions_.restore(memory.sessions(), memory.keys().back().epoch, now);
  grace_ = sessions_.grace();
  if (grace_) locks_.hold_back();
}

// With the first of the earlier keys that fits.
template <class Open>
auto LockOps::of_earlier_epoch(Open open) const -> decltype(open(std::declval<const EpochKeys&>())) {
  for (const EpochKeys& keys : earlier_keys_) {
    if (auto opened = open(keys)) return opened;
  }
  return Error(Errc::kStale, "of no epoch whose key is kept");
}

v1::Grant LockOps::reclaim_lease(const SessionTable::Session& session, const v1::LeaseClaim& claim) {
  v1::Grant refused;
  const auto token = of_earlier_epoch([&](const EpochKeys& keys) { return keys.open_lease(view_of(claim.token())); });
  const LeaseMode keep = mode_of(claim.keep());
  const bool valid = token && token->session == session.id && token->holder == session.holder && may_claim(token->mode, keep);
  if (!valid) {
    refused.set_errc(std::string(name_of(Errc::kAccess)));
    return refused;
  }
  std::vector<SessionId> liars;
  const auto granted = leases_.reclaim(session.id, token->inode, keep, token->seq, liars);
  if (granted) return message_of(*granted);
  for (const SessionId liar : liars) {
    log_.warning("a session claimed a lease that it had given back", {{"peer", sessions_.all().at(liar).peer}});
    fence(liar);
  }
  refused.set_inode(raw(token->inode));
  refused.set_errc(std::string(name_of(liars.empty() ? Errc::kFenced : Errc::kOverloaded)));  // kOverloaded: when they are gone
  return refused;
}

// D may not have heard yet of this epoch, nor, after two restarts, of the last.
Result<Ticket> LockOps::open_ticket(const std::string& sealed) const {
  auto ticket = keys_.open_ticket(view_of(sealed));
  if (ticket || ticket.error().code != Errc::kStale) return ticket;
  return of_earlier_epoch([&](const EpochKeys& keys) { return keys.open_ticket(view_of(sealed)); });
}

Status LockOps::check_lock_claim(SessionId session, const v1::LockClaim& claim) const {
  const Ticket proof = TRY(open_ticket(claim.proof()));   // of this epoch, if an attempt before has got so far
  if (proof.session == session && raw(proof.inode) == claim.inode() && claim.type() != v1::UNLOCK) return {};
  return Error(Errc::kAccess, "the proof is for another lock");
}

v1::ReclaimResponse::Lock LockOps::reclaim_lock(const SessionTable::Session& session, const v1::LockClaim& claim) {
  v1::ReclaimResponse::Lock out;
  const auto claimed = [&]() REQUIRES(mutex_) -> Status {
    TRY(check_lock_claim(session.id, claim));
    LockWant want;
    want.inode = InodeId{claim.inode()};
    want.kind = kind_of(claim.kind());
    want.owner = {session.id, claim.owner()};
    want.type = TRY(type_of(claim.type()));
    want.range = range_of(claim.range());
    want.pid = claim.pid();
    want.wait = claim.wait();
    want.place = claim.place();
    return locks_.reclaim(want);
  };
  const Status status = claimed();
  if (!status) out.set_errc(std::string(name_of(status.error().code)));
  if (status) out.set_proof(proof_of(session.id, InodeId{claim.inode()}));
  return out;
}

Result<v1::ReclaimResponse> LockOps::reclaim(const CallContext& call, const v1::ReclaimRequest& request) {
  TRY(at_most(request.leases_size(), kMaxLeasesPerCall, "leases"));
  TRY(at_most(request.locks_size(), kMaxLeasesPerCall, "locks"));
  TRY(at_most(request.open_size(), kMaxLeasesPerCall, "inodes"));
  const auto* session = TRY(sessions_.find(SessionId{request.session()}, holder_of(call.peer.fingerprint)));
  TRY(check_epoch(request.epoch()));
  const SessionId id = session->id;
  const MonoTime now = clock_.now();
  v1::ReclaimResponse response;
  if (!request.done()) {
    if (TRY(sessions_.begin_claims(id, request.attempt()))) free_all(id);   // of an attempt that was given up
    for (const auto& claim : request.leases()) *response.add_leases() = reclaim_lease(*session, claim);
    for (const auto& claim : request.locks()) *response.add_locks() = reclaim_lock(*session, claim);
    for (const std::uint64_t inode : request.open()) leases_.note_open(id, InodeId{inode});
    return response;
  }
  if (session->unreclaimed) {
    if (TRY(sessions_.begin_claims(id, request.attempt()))) free_all(id);
    sessions_.reclaimed(id, now);
  }
  response.set_pass(string_of(keys_.seal(SessionPass{id, session->generation, session->holder, epoch_})));
  response.set_epoch(epoch_);
  response.set_term_ms(to_ms(sessions_.term().at_client()));
  end_grace_if_over(now);
  return response;
}

void LockOps::end_grace_if_over(MonoTime now) {
  if (!grace_ || sessions_.grace()) return;
  grace_ = false;
  grace_ended_ = now;
  log_.info("every session of before the restart is back or over", {{"sessions", sessions_.all().size()}});
  std::vector<LockAnswered> answers;
  locks_.serve_all(answers);
  send(answers);
  v1::Event event;
  event.mutable_grace_ended();
  for (const SessionId session : sessions_.live()) push(session, event);
}

bool LockOps::shows_previous_key(MonoTime now) const { return grace_ || now < grace_ended_ + kLastKeyShown; }

}  // namespace conclave::lock
