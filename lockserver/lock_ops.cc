#include "lockserver/lock_ops.h"

#include <algorithm>
#include <array>

#include "lockserver/lock_client.h"
#include "lockserver/lock_words.h"

namespace conclave::lock {
namespace {

constexpr Duration kTick = 250ms;                  // a session's end and a recall's repetition are noticed this late
constexpr Duration kPause = 1s;                    // so much later than it was due, a tick tells that nothing was done here
constexpr std::uint64_t kLockEnd = kWholeFile.end;

EpochKeys keys_of(const ClusterId& cluster, const LockMemory& memory) {
  const auto& keys = memory.keys();
  std::optional<EpochKeys::Key> previous;
  if (keys.size() > 1) previous = EpochKeys::Key{keys[1].epoch, keys[1].bytes.clone()};
  return {cluster, {keys[0].epoch, keys[0].bytes.clone()}, std::move(previous)};
}

std::uint64_t first_of(std::uint32_t epoch) { return std::uint64_t{epoch} << 32; }

v1::LockType type_of(LockType type) { return static_cast<v1::LockType>(type); }

// An answer as SlotTable keeps it: the message, or the error, so that a retry of a refusal is refused again.
std::string kept(const Error& error) { return "E" + std::string(1, static_cast<char>(error.code)) + error.message; }

template <class Response>
Result<Response> unkept(const std::string& answer) {
  if (answer.size() >= 2 && answer[0] == 'E') return Error(static_cast<Errc>(answer[1]), answer.substr(2));
  Response response;
  CHECK(!answer.empty() && response.ParseFromString(answer.substr(1)));
  return response;
}

}  // namespace

LockOps::LockOps(const ClusterId& cluster, SessionTerm term, LockMemory& memory, Clock& clock, Waiter& waiter,
                 Random& random, Log& log)
    : epoch_(memory.epoch()), clock_(clock), random_(random), log_(log), memory_(memory), keys_(keys_of(cluster, memory)),
      saving_(waiter), sessions_(term, kMaxSessions, first_of(epoch_)), leases_(first_of(epoch_) + 1, kRecallPatience),
      locks_(kMaxLocksPerSession, first_of(epoch_)) {
  for (std::size_t i = 1; i < memory.keys().size(); ++i) {
    const EpochKeys::Key& key = memory.keys()[i];
    earlier_keys_.emplace_back(cluster, EpochKeys::Key{key.epoch, key.bytes.clone()});
  }
  restore(memory);
}

// What the answer says is on the disk before it goes out.
template <class Request, class Response>
void LockOps::add(Router& router, const char* name, Roles roles, Method<Request, Response> method, Saves saves) {
  const auto run = [this, method, saves](const CallContext& call, const Request& request) -> Result<Response> {
    Result<Response> result = Errc::kInternal;
    std::uint64_t change = 0;
    {
      const std::lock_guard lock(mutex_);
      result = (this->*method)(call, request);
      change = sessions_.changes();
    }
    if (saves == Saves::kYes) TRY(save_up_to(change));
    return result;
  };
  router.unary<Request, Response>(std::string("/conclave.lock.v1.LockService/") + name, roles, run);
}

// Those who come while one saves share the next.
Status LockOps::save_up_to(std::uint64_t change) {
  const auto is_saved = [&] {
    const std::lock_guard lock(mutex_);
    return saved_ >= change;
  };
  if (is_saved()) return {};
  const auto turn = saving_.take();
  if (is_saved()) return {};
  std::vector<SessionTable::Session> sessions;
  {
    const std::lock_guard lock(mutex_);
    change = sessions_.changes();
    for (const auto& [id, session] : sessions_.all()) sessions.push_back(session);
  }
  TRY(memory_.save(std::move(sessions)));
  const std::lock_guard lock(mutex_);
  saved_ = change;
  return {};
}

void LockOps::add_routes(Router& router) {
  const Roles clients = {Role::kHost, Role::kUser};
  const Roles dir = {Role::kDir};
  add(router, "OpenSession", clients, &LockOps::open_session, Saves::kYes);
  add(router, "Renew", clients, &LockOps::renew);
  add(router, "CloseSession", clients, &LockOps::close_session, Saves::kYes);
  add(router, "Reclaim", clients, &LockOps::reclaim, Saves::kYes);
  router.events("/conclave.lock.v1.LockService/Events", clients,
                [this](const CallContext& call, std::string_view request, EventHub::Sink sink) {
                  const std::lock_guard lock(mutex_);
                  return events(call, request, std::move(sink));
                });
  add(router, "Acquire", clients, &LockOps::acquire);
  add(router, "Return", clients, &LockOps::give_back);
  add(router, "Closed", clients, &LockOps::closed);
  add(router, "SetLock", clients, &LockOps::set_lock);
  add(router, "GetLock", clients, &LockOps::get_lock);
  add(router, "CancelLock", clients, &LockOps::cancel_lock);
  add(router, "Sync", dir, &LockOps::sync, Saves::kYes);
  add(router, "Opens", dir, &LockOps::opens);
  add(router, "Health", clients, &LockOps::health);
}

// --- Time.

MonoTime LockOps::next_tick() {
  const std::lock_guard lock(mutex_);
  return next_tick_;
}

// This process was stopped, or got no processor: nobody could renew or say anything meanwhile, and nobody is silent for
// that. Whoever comes first after it, the tick or a renewal, says so.
void LockOps::excuse_pause(MonoTime now) {
  if (next_tick_ == MonoTime{} || now - next_tick_ < kPause) return;
  sessions_.excuse(now - next_tick_);
  opens_known_ += now - next_tick_;
  next_tick_ = now;
}

void LockOps::tick(MonoTime now) {
  const std::lock_guard lock(mutex_);
  excuse_pause(now);
  next_tick_ = now + kTick;
  for (const SessionId session : std::exchange(overflowed_, {})) fence(session);
  for (const SessionId session : sessions_.fence_expired(now)) silence(session);
  LeaseEffects again;
  again.recalled = leases_.overdue(now);
  send(again);
}

// --- Pushing. In the order of the decisions, so under the mutex; publishing does not block.

void LockOps::push(SessionId session, const v1::Event& event) {
  const auto found = sessions_.all().find(session);
  if (found == sessions_.all().end() || found->second.fence != 0) return;
  if (hub_.publish(session, event.SerializeAsString())) return;
  if (!event.has_recall()) overflowed_.push_back(session);  // a recall is sent again, the others are not
}

void LockOps::send(const LeaseEffects& effects) {
  for (const GrantedLease& granted : effects.granted) {
    v1::Event event;
    *event.mutable_granted() = message_of(granted);
    push(granted.session, event);
  }
  for (const RecalledLease& recalled : effects.recalled) {
    v1::Event event;
    event.mutable_recall()->set_inode(raw(recalled.inode));
    event.mutable_recall()->set_seq(recalled.seq);
    event.mutable_recall()->set_keep(mode_of(recalled.keep));
    push(recalled.session, event);
  }
  grants_ += effects.granted.size();
  recalls_ += effects.recalled.size();
}

void LockOps::send(const std::vector<LockAnswered>& answers) {
  for (const LockAnswered& answer : answers) {
    v1::Event event;
    event.mutable_lock()->set_wait(answer.wait);
    if (answer.failed) event.mutable_lock()->set_errc(std::string(name_of(*answer.failed)));
    push(answer.session, event);
  }
}

// --- Leases.

Status LockOps::take_grants() const {
  if (!grace_) return {};
  return Error(Errc::kUnavailable, "the lock server was restarted and waits for sessions of before to say what they hold");
}

Result<std::uint8_t> LockOps::rights_of(const std::string& sealed, SessionId session, InodeId inode) const {
  const Ticket ticket = TRY(open_ticket(sealed));
  if (ticket.session != session || ticket.inode != inode) {
    return Error(Errc::kStale, "the ticket is for another session or inode");
  }
  if (ticket.rights == 0) return Error(Errc::kAccess, "the ticket does not allow this");
  return ticket.rights;
}

v1::Grant LockOps::message_of(const GrantedLease& granted) const {
  const auto& holder = sessions_.all().at(granted.session).holder;
  v1::Grant out;
  out.set_inode(raw(granted.inode));
  out.set_mode(mode_of(granted.mode));
  out.set_seq(granted.seq);
  out.set_token(string_of(keys_.seal(LeaseToken{granted.session, holder, granted.inode, granted.mode, granted.seq})));
  return out;
}

v1::Grant LockOps::acquire_one(const SessionTable::Session& session, const v1::Want& want, MonoTime now) {
  v1::Grant out;
  out.set_inode(want.inode());
  out.set_mode(want.mode());
  const auto refuse = [&](Errc code) {
    out.set_errc(std::string(name_of(code)));
    return out;
  };
  const LeaseMode mode = mode_of(want.mode());
  const InodeId inode{want.inode()};
  if (mode == LeaseMode::kNone || inode == kNoInode) return refuse(Errc::kInvalid);
  const auto rights = rights_of(want.ticket(), session.id, inode);
  if (!rights) return refuse(rights.error().code);
  if ((*rights & rights_for(mode)) != rights_for(mode)) return refuse(Errc::kAccess);
  const bool full = leases_.held() + leases_.waiting() >= kMaxLeases || leases_.held_by(session.id) >= kMaxLeasesPerSession;
  if (full) return refuse(Errc::kOverloaded);
  LeaseEffects effects;
  const auto granted = want.if_free() ? leases_.acquire_if_free(session.id, inode, mode)
                                      : leases_.acquire(session.id, inode, mode, now, effects);
  if (granted) ++grants_;
  if (!granted && want.if_free()) return refuse(Errc::kWouldBlock);
  if (granted) out = message_of(*granted);
  out.set_pending(!granted);
  send(effects);
  return out;
}

Result<v1::AcquireResponse> LockOps::acquire(const CallContext& call, const v1::AcquireRequest& request) {
  TRY(at_most(request.wants_size(), kMaxLeasesPerCall, "leases"));
  const auto* session = TRY(session_of(call, request.session()));
  const MonoTime now = clock_.now();
  TRY(take_grants());
  v1::AcquireResponse response;
  for (const v1::Want& want : request.wants()) *response.add_grants() = acquire_one(*session, want, now);
  return response;
}

Result<v1::ReturnResponse> LockOps::give_back(const CallContext& call, const v1::ReturnRequest& request) {
  TRY(at_most(request.returns_size(), kMaxLeasesPerCall, "leases"));
  const auto* session = TRY(session_of(call, request.session()));
  const MonoTime now = clock_.now();
  v1::ReturnResponse response;
  for (const auto& one : request.returns()) {
    LeaseEffects effects;
    const auto kept = leases_.give_back(session->id, InodeId{one.inode()}, one.seq(), mode_of(one.keep()), one.open(),
                                        now, effects);
    if (kept) *response.add_kept() = message_of(*kept);
    send(effects);
  }
  return response;
}

Result<v1::ClosedResponse> LockOps::closed(const CallContext& call, const v1::ClosedRequest& request) {
  TRY(at_most(request.inodes_size(), kMaxLeasesPerCall, "inodes"));
  const auto* session = TRY(session_of(call, request.session()));
  return once<v1::ClosedResponse>(call, session->id, [&]() REQUIRES(mutex_) -> Result<v1::ClosedResponse> {
    for (const std::uint64_t inode : request.inodes()) leases_.note_closed(session->id, InodeId{inode});
    return v1::ClosedResponse();
  });
}

// --- Locks.

// Exactly once, under the call's operation id.
template <class Response, class Run>
Result<Response> LockOps::once(const CallContext& call, SessionId session, Run run) {
  if (call.op.sequence == 0 || call.op.session != session) {
    return Error(Errc::kInvalid, "this call needs an operation id of its session");
  }
  // The slots of earlier epochs are forgotten: what was numbered then may have been done.
  if (call.op.generation != epoch_) return Error(Errc::kStale, "an operation of another epoch of the lock server");
  const auto begun = TRY(slots_.begin(call.op));
  if (begun.verdict == SlotTable::Verdict::kReplay) return unkept<Response>(begun.answer);
  if (begun.verdict == SlotTable::Verdict::kInProgress) return Error(Errc::kOverloaded, "the same call still runs");
  Result<Response> result = run();
  slots_.end(call.op, result ? "R" + result->SerializeAsString() : kept(result.error()));
  return result;
}

std::string LockOps::proof_of(SessionId session, InodeId inode) const {
  return string_of(keys_.seal(Ticket{session, inode, kTicketRead}));
}

Result<v1::SetLockResponse> LockOps::set_one_lock(const SessionTable::Session& session, const v1::SetLockRequest& request) {
  LockWant want;
  want.inode = InodeId{request.inode()};
  want.kind = kind_of(request.kind());
  want.owner = {session.id, request.owner()};
  want.type = TRY(type_of(request.type()));
  want.range = range_of(request.range());
  want.pid = request.pid();
  want.wait = request.wait();
  if (want.type != LockType::kUnlock) {
    TRY(rights_of(request.ticket(), session.id, want.inode));
  }
  std::vector<LockAnswered> answers;
  const auto granted = locks_.set(want, answers);
  send(answers);
  TRY(granted);
  v1::SetLockResponse response;
  response.set_pending(!*granted);
  if (!*granted) response.set_place(locks_.place_of(want));
  if (want.type != LockType::kUnlock) response.set_proof(proof_of(session.id, want.inode));
  return response;
}

Result<v1::SetLockResponse> LockOps::set_lock(const CallContext& call, const v1::SetLockRequest& request) {
  const auto* session = TRY(session_of(call, request.session()));
  if (request.type() != v1::UNLOCK) TRY(take_grants());
  return once<v1::SetLockResponse>(call, session->id, [&]() REQUIRES(mutex_) { return set_one_lock(*session, request); });
}

Result<v1::GetLockResponse> LockOps::get_lock(const CallContext& call, const v1::GetLockRequest& request) {
  const auto* session = TRY(session_of(call, request.session()));
  TRY(take_grants());
  LockWant want;
  want.inode = InodeId{request.inode()};
  want.kind = kind_of(request.kind());
  want.owner = {session->id, request.owner()};
  want.type = TRY(type_of(request.type()));
  want.range = range_of(request.range());
  v1::GetLockResponse response;
  const auto conflict = locks_.test(want);
  if (!conflict) return response;
  response.set_type(type_of(conflict->type));
  response.mutable_range()->set_start(conflict->range.start);
  response.mutable_range()->set_end(conflict->range.end);
  if (conflict->owner.session == session->id) response.set_pid(conflict->pid);
  return response;
}

Result<v1::CancelLockResponse> LockOps::cancel_lock(const CallContext& call, const v1::CancelLockRequest& request) {
  const auto* session = TRY(session_of(call, request.session()));
  v1::CancelLockResponse response;
  response.set_cancelled(locks_.cancel(session->id, request.wait()));
  return response;
}

// --- D, and status.

Result<v1::OpensResponse> LockOps::opens(const CallContext&, const v1::OpensRequest& request) {
  if (grace_ || clock_.now() < opens_known_) {  // or D would free what is open at a mount that has not said so yet
    return Error(Errc::kUnavailable, "a session has not said yet what is open there");
  }
  v1::OpensResponse response;
  for (const std::uint64_t inode : request.inodes()) {
    if (leases_.in_use(InodeId{inode})) response.add_in_use(inode);
  }
  return response;
}

Result<v1::HealthResponse> LockOps::health(const CallContext&, const v1::HealthRequest&) {
  const MonoTime now = clock_.now();
  v1::HealthResponse response;
  response.set_epoch(epoch_);
  for (const auto& [id, session] : sessions_.all()) {
    auto& out = *response.add_sessions();
    out.set_session(raw(id));
    out.set_peer(session.peer);
    out.set_label(session.label);
    out.set_leases(static_cast<std::uint32_t>(leases_.held_by(id)));
    out.set_locks(static_cast<std::uint32_t>(locks_.load_of(id)));
    out.set_expires_in_ms(to_ms(session.ends - now));
  }
  response.set_leases(leases_.held());
  response.set_recalls(recalls_);
  response.set_grants(grants_);
  response.set_waiting(leases_.waiting() + locks_.waiting());
  return response;
}

}  // namespace conclave::lock
