// ClientSession after a restart of the lock server: it is told all that this mount has, in as many calls as it takes, and
// then that this was all. Nothing is put to use before L has heard the last word: an attempt that fails begins anew, and L
// forgets what the one before had said.
#include <algorithm>
#include <unordered_set>

#include "base/limits.h"
#include "client/session/client_session.h"
#include "conclave/lock/v1/lock.pb.h"
#include "lockserver/lock_client.h"

namespace conclave::client {
namespace {

constexpr Duration kClaimTimeout = 2s;   // of one call; the next renewal tries again

bool is_over(Errc code) { return code == Errc::kFenced || code == Errc::kStale || code == Errc::kAccess; }

}  // namespace

void ClientSession::reclaim(OpenedSession& session, std::uint32_t epoch) {
  Reclaimed said;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(reclaiming_, true)) return;
    next_renewal_ = MonoTime{};   // until it is done, each tick looks
    said = reclaimed_;
  }
  // All was said in this epoch, and the answer to the last word got lost.
  Status status = said.epoch == epoch ? finish_reclaim(session, said) : Status(Errc::kStale);
  if (!status && status.error().code == Errc::kStale) {
    said = {};
    said.epoch = epoch;
    status = claim_all(session, said);
    if (status) status = finish_reclaim(session, said);
  }
  {
    const std::lock_guard lock(mutex_);
    reclaiming_ = false;
  }
  if (!status && is_over(status.error().code)) return lost(session.id(), status.error());
  if (!status) log_.warning("leases and locks could not be reclaimed yet", {{"why", status.error()}});
}

Status ClientSession::claim_all(OpenedSession& session, Reclaimed& out) {
  lock::v1::ReclaimRequest request;
  request.set_session(raw(session.id()));
  {
    const std::lock_guard lock(mutex_);
    out.attempt = ++attempts_;
    reclaimed_ = {};
  }
  request.set_attempt(out.attempt);
  request.set_epoch(out.epoch);
  TRY(claim_leases(request, leases_.begin_reclaim(out.epoch), out));
  TRY(claim_locks(request));
  TRY(claim_opens(request, out));
  const std::lock_guard lock(mutex_);
  reclaimed_ = out;
  return {};
}

// An answer that refuses a lease ends the session: somebody else holds what this mount relies on.
Status ClientSession::claim_leases(lock::v1::ReclaimRequest& request, std::vector<LeaseCache::Claim> claims, Reclaimed& out) {
  for (std::size_t first = 0; first < claims.size(); first += kMaxLeasesPerCall) {
    const std::size_t end = std::min(claims.size(), first + kMaxLeasesPerCall);
    for (std::size_t i = first; i < end; ++i) {
      auto& claim = *request.add_leases();
      claim.set_token(claims[i].token);
      claim.set_keep(lock::mode_of(claims[i].keep));
    }
    const auto answer = TRY(client_.reclaim(request, kClaimTimeout));
    request.clear_leases();
    if (answer.leases_size() != static_cast<int>(end - first)) return Error(Errc::kInternal, "answers to other claims");
    for (std::size_t i = first; i < end; ++i) {
      const auto& grant = answer.leases(static_cast<int>(i - first));
      if (!grant.errc().empty()) return Error(errc_of_name(grant.errc()), "a lease is another's now");
      out.leases.emplace_back(std::move(claims[i]), HeldLease{lock::mode_of(grant.mode()), grant.seq(), 0, grant.token()});
    }
  }
  return {};
}

Status ClientSession::claim_locks(lock::v1::ReclaimRequest& request) {
  const auto claims = locks_.claims();
  for (std::size_t first = 0; first < claims.size(); first += kMaxLeasesPerCall) {
    const std::size_t end = std::min(claims.size(), first + kMaxLeasesPerCall);
    for (std::size_t i = first; i < end; ++i) *request.add_locks() = claims[i].wire;
    const auto answer = TRY(client_.reclaim(request, kClaimTimeout));
    request.clear_locks();
    if (answer.locks_size() != static_cast<int>(end - first)) return Error(Errc::kInternal, "answers to other claims");
    for (std::size_t i = first; i < end; ++i) {
      const auto& one = answer.locks(static_cast<int>(i - first));
      hooks_.on_locks_lost(locks_.reclaimed(claims[i], one));
      const std::uint64_t wait = claims[i].wire.wait();
      if (wait == 0 || one.errc().empty()) continue;
      locks_.cancelled(wait);
      lock_waits_.on_answer(wait, Status(errc_of_name(one.errc())));
    }
  }
  return {};
}

// What is leased is in use anyway, and said to be open when it goes back.
Status ClientSession::claim_opens(lock::v1::ReclaimRequest& request, Reclaimed& out) {
  std::unordered_set<InodeId> leased;
  for (const auto& [claim, lease] : out.leases) leased.insert(claim.inode);
  for (const InodeId inode : hooks_.open_inodes()) {
    if (!leased.contains(inode)) out.open.push_back(inode);
  }
  for (std::size_t first = 0; first < out.open.size(); first += kMaxLeasesPerCall) {
    const std::size_t end = std::min(out.open.size(), first + kMaxLeasesPerCall);
    for (std::size_t i = first; i < end; ++i) request.add_open(raw(out.open[i]));
    TRY(client_.reclaim(request, kClaimTimeout));
    request.clear_open();
  }
  return {};
}

Status ClientSession::finish_reclaim(OpenedSession& session, const Reclaimed& said) {
  lock::v1::ReclaimRequest request;
  request.set_session(raw(session.id()));
  request.set_attempt(said.attempt);
  request.set_epoch(said.epoch);
  request.set_done(true);
  const MonoTime sent = clock_.now();
  const auto answer = TRY(client_.reclaim(request, kClaimTimeout));
  {
    const std::lock_guard lock(mutex_);
    reclaimed_ = {};
    ++reclaims_;
    events_seen_ = events_acknowledged_ = newest_event_ = 0;
    reopen_stream_ = false;
    session.take_over(answer.epoch(), answer.pass());
  }
  hooks_.on_reclaimed(session);
  leases_.end_reclaim(said.leases);
  for (const InodeId inode : said.open) hooks_.told_open(inode);
  take_renewal(session, sent, std::chrono::milliseconds(answer.term_ms()));
  log_.info("the lock server was restarted; leases and locks are reclaimed", {{"leases", said.leases.size()}});
  renew(session);   // whether it grants
  waiter_.wake(this);
  return {};
}

}  // namespace conclave::client
