// LockOps: sessions, from their opening until D has acknowledged their fences.
#include <array>

#include "lockserver/lock_ops.h"
#include "lockserver/lock_words.h"

namespace conclave::lock {
namespace {

constexpr auto kDirSilent = 10s;                   // without Sync for this long: the log says that fences wait
constexpr Duration kReopen = 15s;                  // in which a mount that lost its session takes leases on what is open

std::string text_of_session(SessionId session) {
  std::array<std::uint8_t, 8> bytes{};
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(raw(session) >> (56 - 8 * i));
  return to_hex(bytes);
}

}  // namespace

Result<const SessionTable::Session*> LockOps::session_of(const CallContext& call, std::uint64_t id) const {
  return sessions_.find_ready(SessionId{id}, holder_of(call.peer.fingerprint));
}

Result<v1::OpenSessionResponse> LockOps::open_session(const CallContext& call, const v1::OpenSessionRequest& request) {
  SessionTable::Session wanted;
  wanted.id = SessionId{random_.u64()};
  wanted.holder = holder_of(call.peer.fingerprint);
  wanted.nonce = request.nonce();
  wanted.peer = std::string(name_of(call.peer.role)) + " " + call.peer.name;
  wanted.label = request.label().substr(0, kMaxLabelBytes);
  wanted.brief = request.brief();
  wanted.epoch = epoch_;
  const auto session = TRY(sessions_.open(wanted, clock_.now()));
  const SessionPass pass{session.id, session.generation, session.holder, epoch_};
  v1::OpenSessionResponse response;
  response.set_session(raw(session.id));
  response.set_generation(session.generation);
  response.set_pass(string_of(keys_.seal(pass)));
  response.set_epoch(epoch_);
  response.set_term_ms(to_ms(sessions_.term().at_client()));
  response.set_reclaim(session.unreclaimed);
  response.set_grace(grace_);
  return response;
}

Result<v1::RenewResponse> LockOps::renew(const CallContext& call, const v1::RenewRequest& request) {
  const SessionId id{request.session()};
  excuse_pause(clock_.now());
  TRY(sessions_.renew(id, holder_of(call.peer.fingerprint), request.label().substr(0, kMaxLabelBytes), clock_.now()));
  if (request.epoch() == epoch_) {   // else it counts events of another run
    sessions_.confirm(id, epoch_);
    hub_.acknowledge(id, request.events_seen());
  }
  v1::RenewResponse response;
  response.set_term_ms(to_ms(sessions_.term().at_client()));
  response.set_epoch(epoch_);
  response.set_newest_event(hub_.newest(id));
  response.set_reclaim(sessions_.all().at(id).unreclaimed);
  response.set_grace(grace_);
  return response;
}

// What is said to one epoch counts in no other: its events have other numbers, and what was claimed there is not known here.
Status LockOps::check_epoch(std::uint32_t epoch) const {
  if (epoch == epoch_) return {};
  return Error(Errc::kUnavailable, "the lock server was restarted meanwhile: renew, and reclaim");
}

Result<v1::CloseSessionResponse> LockOps::close_session(const CallContext& call,
                                                        const v1::CloseSessionRequest& request) {
  const auto session = sessions_.find(SessionId{request.session()}, holder_of(call.peer.fingerprint));
  if (!session && session.error().code == Errc::kStale) return v1::CloseSessionResponse();  // a retry
  if (!session) return session.error();
  const SessionId id = (*session)->id;
  sessions_.close(id);
  hub_.forget(id);
  free_all(id);
  end_grace_if_over(clock_.now());
  return v1::CloseSessionResponse();
}

Status LockOps::events(const CallContext& call, std::string_view request_proto, EventHub::Sink sink) {
  v1::EventsRequest request;
  if (!request.ParseFromArray(request_proto.data(), static_cast<int>(request_proto.size()))) {
    return Error(Errc::kInvalid, "the request cannot be parsed");
  }
  const auto* session = TRY(session_of(call, request.session()));
  TRY(check_epoch(request.epoch()));
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

void LockOps::fence(SessionId session) {
  if (sessions_.fence(session)) silence(session);
}

// --- D.

Result<v1::SyncResponse> LockOps::sync(const CallContext&, const v1::SyncRequest& request) {
  const MonoTime now = clock_.now();
  if (last_sync_ != MonoTime{} && now - last_sync_ > kDirSilent) log_.info("the directory server is back");
  last_sync_ = now;
  for (const SessionId session : sessions_.acknowledge(request.fence_acknowledged())) {
    log_.info("a fenced session's leases and locks are free", {{"session", text_of_session(session)}});
    free_all(session);
    opens_known_ = now + kReopen;
  }
  end_grace_if_over(now);
  v1::SyncResponse response;
  response.set_epoch(epoch_);
  response.set_key(string_of(keys_.current().bytes.view()));
  if (const auto& previous = keys_.previous(); previous && shows_previous_key(now)) {
    response.set_previous_epoch(previous->epoch);
    response.set_previous_key(string_of(previous->bytes.view()));
  }
  response.set_newest_fence(sessions_.newest_fence());
  for (const SessionId session : sessions_.fenced()) response.add_fenced(raw(session));
  for (const SessionId session : sessions_.live()) response.add_live(raw(session));
  return response;
}

}  // namespace conclave::lock
