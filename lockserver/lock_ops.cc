#include "lockserver/lock_ops.h"

#include <algorithm>
#include <array>

#include "lockserver/lock_client.h"

namespace conclave::lock {
namespace {

constexpr Duration kTick = 250ms;                  // a session's end and a recall's repetition are noticed this late
constexpr std::uint64_t kLockEnd = kWholeFile.end;
constexpr Duration kReopen = 15s;                  // after the quiet time: mounts take leases on what is open there
constexpr auto kDirSilent = 10s;                   // without Sync for this long: the log says that fences wait

EpochKeys::Key make_key(std::uint32_t epoch, Random& random) {
  SecretBytes bytes(32);
  random.fill(bytes.span());
  return {epoch, std::move(bytes)};
}

std::uint64_t first_of(std::uint32_t epoch) { return std::uint64_t{epoch} << 32; }

std::uint32_t to_ms(Duration duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(ms, 0, UINT32_MAX));
}

std::string text_of_session(SessionId session) {
  std::array<std::uint8_t, 8> bytes{};
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(raw(session) >> (56 - 8 * i));
  return to_hex(bytes);
}

LockRange range_of(const v1::Range& range) { return {range.start(), std::min(range.end(), kLockEnd)}; }

LockKind kind_of(v1::LockKind kind) { return kind == v1::POSIX ? LockKind::kPosix : LockKind::kFlock; }

Result<LockType> type_of(v1::LockType type) {
  if (type == v1::UNLOCK) return LockType::kUnlock;
  if (type == v1::SHARED_LOCK) return LockType::kShared;
  if (type == v1::EXCLUSIVE_LOCK) return LockType::kExclusive;
  return Error(Errc::kInvalid, "no such type of lock");
}

v1::LockType type_of(LockType type) { return static_cast<v1::LockType>(type); }

Status at_most(int count, std::size_t most, std::string_view what) {
  if (static_cast<std::size_t>(count) <= most) return {};
  return Error(Errc::kInvalid, "more than " + std::to_string(most) + " " + std::string(what) + " in one call");
}

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

LockOps::LockOps(const ClusterId& cluster, const Options& options, Clock& clock, Random& random, Log& log)
    : options_(options), clock_(clock), random_(random), log_(log), keys_(cluster, make_key(options.epoch, random)),
      sessions_(options.term, kMaxSessions, first_of(options.epoch)),
      leases_(first_of(options.epoch) + 1, kRecallPatience), locks_(kMaxLocksPerSession) {}

template <class Request, class Response>
void LockOps::add(Router& router, const char* name, Roles roles, Method<Request, Response> method) {
  router.unary<Request, Response>(std::string("/conclave.lock.v1.LockService/") + name, roles,
                                  [this, method](const CallContext& call, const Request& request) -> Result<Response> {
                                    const std::lock_guard lock(mutex_);
                                    return (this->*method)(call, request);
                                  });
}

void LockOps::add_routes(Router& router) {
  const Roles clients = {Role::kHost, Role::kUser};
  const Roles dir = {Role::kDir};
  add(router, "OpenSession", clients, &LockOps::open_session);
  add(router, "Renew", clients, &LockOps::renew);
  add(router, "CloseSession", clients, &LockOps::close_session);
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
  add(router, "Sync", dir, &LockOps::sync);
  add(router, "Opens", dir, &LockOps::opens);
  add(router, "Health", clients, &LockOps::health);
}

// --- Sessions.

Result<const SessionTable::Session*> LockOps::session_of(const CallContext& call, std::uint64_t id) const {
  return sessions_.find(SessionId{id}, holder_of(call.peer.fingerprint));
}

Result<v1::OpenSessionResponse> LockOps::open_session(const CallContext& call, const v1::OpenSessionRequest& request) {
  SessionTable::Session wanted;
  wanted.id = SessionId{random_.u64()};
  wanted.holder = holder_of(call.peer.fingerprint);
  wanted.nonce = request.nonce();
  wanted.peer = std::string(name_of(call.peer.role)) + " " + call.peer.name;
  wanted.label = request.label().substr(0, kMaxLabelBytes);
  const auto session = TRY(sessions_.open(wanted, clock_.now()));
  const SessionPass pass{session.id, session.generation, session.holder, options_.epoch};
  v1::OpenSessionResponse response;
  response.set_session(raw(session.id));
  response.set_generation(session.generation);
  response.set_pass(string_of(keys_.seal(pass)));
  response.set_epoch(options_.epoch);
  response.set_term_ms(to_ms(options_.term.at_client()));
  return response;
}

Result<v1::RenewResponse> LockOps::renew(const CallContext& call, const v1::RenewRequest& request) {
  const SessionId id{request.session()};
  TRY(sessions_.renew(id, holder_of(call.peer.fingerprint), request.label().substr(0, kMaxLabelBytes), clock_.now()));
  hub_.acknowledge(id, request.events_seen());
  v1::RenewResponse response;
  response.set_term_ms(to_ms(options_.term.at_client()));
  response.set_epoch(options_.epoch);
  response.set_newest_event(hub_.newest(id));
  return response;
}

Result<v1::CloseSessionResponse> LockOps::close_session(const CallContext& call,
                                                        const v1::CloseSessionRequest& request) {
  const auto session = session_of(call, request.session());
  if (!session && session.error().code == Errc::kStale) return v1::CloseSessionResponse();  // a retry
  if (!session) return session.error();
  const SessionId id = (*session)->id;
  sessions_.close(id);
  hub_.forget(id);
  free_all(id);
  return v1::CloseSessionResponse();
}

Status LockOps::events(const CallContext& call, std::string_view request_proto, EventHub::Sink sink) {
  v1::EventsRequest request;
  if (!request.ParseFromArray(request_proto.data(), static_cast<int>(request_proto.size()))) {
    return Error(Errc::kInvalid, "the request cannot be parsed");
  }
  const auto* session = TRY(session_of(call, request.session()));
  return hub_.attach(session->id, request.after(), std::move(sink));
}

void LockOps::silence(SessionId session) {
  log_.warning("a session fell silent and is fenced", {{"session", text_of_session(session)},
                                                       {"peer", sessions_.all().at(session).peer},
                                                       {"label", sessions_.all().at(session).label}});
  hub_.forget(session);
  slots_.forget(session);
  LeaseEffects effects;
  leases_.stop_waiting(session, clock_.now(), effects);
  locks_.stop_waiting(session);
  send(effects);
}

void LockOps::free_all(SessionId session) {
  slots_.forget(session);
  LeaseEffects effects;
  leases_.drop(session, clock_.now(), effects);
  send(effects);
  std::vector<LockAnswered> answers;
  locks_.drop(session, answers);
  send(answers);
}

bool LockOps::nobody_here() const {
  const std::lock_guard lock(mutex_);
  return sessions_.all().empty();
}

MonoTime LockOps::next_tick() {
  const std::lock_guard lock(mutex_);
  return next_tick_;
}

void LockOps::tick(MonoTime now) {
  const std::lock_guard lock(mutex_);
  next_tick_ = now + kTick;
  for (const SessionId session : std::exchange(overflowed_, {})) {
    if (sessions_.fence(session)) silence(session);
  }
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

Status LockOps::take_grants(MonoTime now) const {
  if (now >= options_.quiet_until) return {};
  return Error(Errc::kUnavailable, "the lock server has just started and waits for the sessions before it to end");
}

Result<std::uint8_t> LockOps::rights_of(const std::string& sealed, SessionId session, InodeId inode) const {
  const Ticket ticket = TRY(keys_.open_ticket(view_of(sealed)));
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
  TRY(take_grants(now));
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
  const auto begun = TRY(slots_.begin(call.op));
  if (begun.verdict == SlotTable::Verdict::kReplay) return unkept<Response>(begun.answer);
  if (begun.verdict == SlotTable::Verdict::kInProgress) return Error(Errc::kOverloaded, "the same call still runs");
  Result<Response> result = run();
  slots_.end(call.op, result ? "R" + result->SerializeAsString() : kept(result.error()));
  return result;
}

Result<bool> LockOps::set_one_lock(const SessionTable::Session& session, const v1::SetLockRequest& request) {
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
  auto granted = locks_.set(want, answers);
  send(answers);
  return granted;
}

Result<v1::SetLockResponse> LockOps::set_lock(const CallContext& call, const v1::SetLockRequest& request) {
  const auto* session = TRY(session_of(call, request.session()));
  if (request.type() != v1::UNLOCK) TRY(take_grants(clock_.now()));  // after a restart there is nothing to unlock
  return once<v1::SetLockResponse>(call, session->id, [&]() REQUIRES(mutex_) -> Result<v1::SetLockResponse> {
    v1::SetLockResponse response;
    response.set_pending(!TRY(set_one_lock(*session, request)));
    return response;
  });
}

Result<v1::GetLockResponse> LockOps::get_lock(const CallContext& call, const v1::GetLockRequest& request) {
  const auto* session = TRY(session_of(call, request.session()));
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

Result<v1::SyncResponse> LockOps::sync(const CallContext&, const v1::SyncRequest& request) {
  const MonoTime now = clock_.now();
  if (last_sync_ != MonoTime{} && now - last_sync_ > kDirSilent) log_.info("the directory server is back");
  last_sync_ = now;
  for (const SessionId session : sessions_.acknowledge(request.fence_acknowledged())) {
    log_.info("a fenced session's leases and locks are free", {{"session", text_of_session(session)}});
    free_all(session);
  }
  v1::SyncResponse response;
  response.set_epoch(options_.epoch);
  response.set_key(string_of(keys_.current().bytes.view()));
  if (const auto& previous = keys_.previous()) {
    response.set_previous_epoch(previous->epoch);
    response.set_previous_key(string_of(previous->bytes.view()));
  }
  response.set_newest_fence(sessions_.newest_fence());
  for (const SessionId session : sessions_.fenced()) response.add_fenced(raw(session));
  for (const SessionId session : sessions_.live()) response.add_live(raw(session));
  return response;
}

Result<v1::OpensResponse> LockOps::opens(const CallContext&, const v1::OpensRequest& request) {
  if (options_.quiet_until != MonoTime{} && clock_.now() < options_.quiet_until + kReopen) {  // or D would free it all
    return Error(Errc::kUnavailable, "the lock server has just started and does not know yet what is open");
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
  response.set_epoch(options_.epoch);
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
