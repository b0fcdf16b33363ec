#include "client/session/client_session.h"

#include <algorithm>

#include "base/limits.h"
#include "base/log.h"
#include "conclave/lock/v1/lock.pb.h"
#include "lockserver/lock_client.h"

namespace conclave::client {
namespace {

constexpr Duration kTick = 500ms;             // how soon an end that comes near is noticed
constexpr Duration kRenewTimeout = 2s;        // an answer later than this says little about the term
constexpr Duration kShortestRenewal = 100ms;
constexpr Duration kReopenPause = 200ms;      // between two attempts to open the event stream
constexpr std::uint64_t kEventsUntilRenewal = kMaxEventsKept / 4;  // L keeps events until a renewal acknowledges them

}  // namespace

std::uint32_t OpenedSession::epoch() const {
  const std::lock_guard lock(mutex_);
  return epoch_;
}

std::string OpenedSession::pass() const {
  const std::lock_guard lock(mutex_);
  return pass_;
}

void OpenedSession::take_over(std::uint32_t epoch, std::string pass) {
  const std::lock_guard lock(mutex_);
  epoch_ = epoch;
  pass_ = std::move(pass);
}

SlotPool& OpenedSession::lock_slots() {
  const std::lock_guard lock(mutex_);
  auto& pool = pools_[epoch_];
  if (!pool) pool = std::make_unique<SlotPool>(id_, epoch_, waiter_);
  return *pool;
}

UnansweredCall::UnansweredCall(std::shared_ptr<OpenedSession> counted)
    : session(std::move(counted)), slot(session->lock_slots().acquire()) {}

std::shared_ptr<UnansweredCall> UnansweredCall::begin(std::shared_ptr<OpenedSession> session) {
  if (++session->unanswered_ > OpenedSession::kMostUnanswered) {
    --session->unanswered_;
    return nullptr;
  }
  return std::make_shared<UnansweredCall>(std::move(session));
}

ClientSession::ClientSession(lock::LockClient& client, Clock& clock, Waiter& waiter, Random& random, LeaseCache& leases,
                             LockWaits& lock_waits, HeldLocks& locks, Log& log, std::string label, Hooks hooks)
    : client_(client), clock_(clock), waiter_(waiter), random_(random), leases_(leases), lock_waits_(lock_waits),
      locks_(locks), log_(log), label_(std::move(label)), hooks_(std::move(hooks)) {}

// --- Opening.

Status ClientSession::open() { return open_new(); }

Status ClientSession::open_new() {
  lock::v1::OpenSessionRequest request;
  request.set_nonce(random_.u64());
  request.set_label(label_);
  const MonoTime sent = clock_.now();
  const auto answer = TRY(client_.open_session(request));
  auto opened = std::make_shared<OpenedSession>(SessionId{answer.session()}, answer.generation(), answer.epoch(),
                                                answer.pass(), waiter_);
  {
    const std::lock_guard lock(mutex_);
    current_ = opened;
    events_seen_ = 0;
    events_acknowledged_ = 0;
    newest_event_ = 0;
  }
  hooks_.on_opened(*opened);
  leases_.on_grace(!answer.grace());
  if (answer.reclaim()) {
    reclaim(*opened, answer.epoch());   // L was restarted between our question and its repetition
  } else {
    take_renewal(*opened, sent, std::chrono::milliseconds(answer.term_ms()));
  }
  waiter_.wake(this);  // the event stream
  return {};
}

std::shared_ptr<OpenedSession> ClientSession::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

bool ClientSession::usable() const { return leases_.usable(); }

// --- Renewing.

// The term counts from when the question was sent: L counts from when it came, later.
void ClientSession::take_renewal(OpenedSession& session, MonoTime sent, Duration term) {
  const MonoTime ends = sent + term;
  {
    const std::lock_guard lock(mutex_);
    if (!current_ || current_->id() != session.id() || ends < ends_) return;
    ends_ = ends;
    next_renewal_ = sent + term / 3;
    suspect_ = false;
  }
  leases_.on_session(session.id(), ends);
}

void ClientSession::renew(OpenedSession& session) {
  lock::v1::RenewRequest request;
  request.set_session(raw(session.id()));
  request.set_label(label_);
  MonoTime near{};
  std::uint64_t reclaims = 0;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(renewing_, true)) return;  // one at a time tells enough
    reclaims = reclaims_;
    request.set_epoch(session.epoch());
    request.set_events_seen(events_seen_);
    near = ends_ - kTick;
  }
  const MonoTime sent = clock_.now();
  // tick() must be back when the end comes near.
  const Duration left = near > sent ? std::max<Duration>(near - sent, kShortestRenewal) : kRenewTimeout;
  const auto answer = client_.renew(request, std::min(left, kRenewTimeout));
  {
    const std::lock_guard lock(mutex_);
    renewing_ = false;
    if (reclaims != reclaims_) {   // L answered before it had heard what this mount has: another one is due
      next_renewal_ = MonoTime{};
      return;
    }
    if (answer && current_ && current_->id() == session.id()) {
      events_acknowledged_ = request.events_seen();
      // What was there a renewal ago and has not come since is stuck in a stream that only seems to hold.
      reopen_stream_ = newest_event_ > events_seen_;
      newest_event_ = answer->newest_event();
    }
  }
  if (answer) {
    take_answer(session, sent, *answer);
  } else if (answer.error().code == Errc::kStale || answer.error().code == Errc::kFenced) {
    lost(session.id(), answer.error());
  }
}

void ClientSession::take_answer(OpenedSession& session, MonoTime sent, const lock::v1::RenewResponse& answer) {
  if (answer.reclaim() || answer.epoch() != session.epoch()) return reclaim(session, answer.epoch());
  take_renewal(session, sent, std::chrono::milliseconds(answer.term_ms()));
  const bool was_grace = !leases_.granting();
  leases_.on_grace(!answer.grace());
  if (!answer.grace() && !was_grace) return;
  const std::lock_guard lock(mutex_);
  next_renewal_ = sent;   // with the next tick: the event may get lost, and who was refused may only now begin to wait
}

MonoTime ClientSession::next_tick() {
  const std::lock_guard lock(mutex_);
  return next_tick_;
}

void ClientSession::tick(MonoTime now) {
  std::shared_ptr<OpenedSession> opened;
  bool due = false;
  bool suspect = false;
  {
    const std::lock_guard lock(mutex_);
    next_tick_ = now + kTick;
    opened = current_;
    due = now >= next_renewal_;
    suspect = opened && now + kTick >= ends_ && !std::exchange(suspect_, true);
  }
  if (!opened) return replace();
  if (suspect) {
    log_.warning("the lock server does not answer; operations wait", {{"server", client_.server().name}});
    leases_.on_suspect();
  }
  if (due || !leases_.usable()) renew(*opened);
}

// --- Losing it.

// Every lease goes, also those that L would grant again: the new session asks for what it needs.
void ClientSession::lost(SessionId session, const Error& why) {
  {
    const std::lock_guard lock(mutex_);
    if (!current_ || current_->id() != session) return;
    current_.reset();
    ends_ = MonoTime{};
  }
  log_.warning("the session is lost; leases and locks are gone", {{"why", why}});
  hooks_.on_locks_lost(locks_.lose_all());
  leases_.drop_all();
  lock_waits_.fail_all(Error(Errc::kFenced, "the session of this mount was lost"));
  hooks_.on_fenced(why);
  close_quietly(session);
  replace();
}

// If L still knows it (only its events were lost), others need not wait for its end. Nothing is sent under it any more.
void ClientSession::close_quietly(SessionId session) {
  lock::v1::CloseSessionRequest request;
  request.set_session(raw(session));
  (void)client_.close_session(request, kRenewTimeout);
}

void ClientSession::replace() {
  {
    const std::lock_guard lock(mutex_);
    if (current_ || stopping_ || std::exchange(replacing_, true)) return;
  }
  const Status opened = open_new();
  if (opened) {
    log_.info("a new session is open");
  } else {
    log_.warning("no new session could be opened; trying again", {{"why", opened.error()}});
  }
  const std::lock_guard lock(mutex_);
  replacing_ = false;
}

// --- Events.

void ClientSession::take_event(std::uint64_t number, std::string_view bytes, std::uint64_t lock_era) {
  lock::v1::Event event;
  if (!event.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    log_.error("an event of the lock server cannot be read", {{"number", number}});
    return;
  }
  if (event.has_recall()) {
    leases_.on_recall(InodeId{event.recall().inode()}, event.recall().seq(), lock::mode_of(event.recall().keep()));
  } else if (event.has_granted()) {
    const auto& grant = event.granted();
    const bool refused = !grant.errc().empty();
    leases_.on_grant(InodeId{grant.inode()}, lock::mode_of(grant.mode()), grant.seq(), grant.token(),
                     refused ? errc_of_name(grant.errc()) : Errc{}, refused);
  } else if (event.has_lock()) {
    const auto& answer = event.lock();
    if (!locks_.answered(answer.wait(), answer.errc().empty(), lock_era)) return;
    lock_waits_.on_answer(answer.wait(), answer.errc().empty() ? Status() : Status(errc_of_name(answer.errc())));
  } else if (event.has_grace_ended()) {
    leases_.on_grace(true);
  }
}

Status ClientSession::read_stream(OpenedSession& session, std::uint64_t lock_era) {
  std::uint64_t after = 0;
  std::uint32_t epoch = 0;
  {
    const std::lock_guard lock(mutex_);
    after = events_seen_;
    epoch = session.epoch();
    reopen_stream_ = false;   // it is opened now
  }
  return client_.events(session.id(), epoch, after, [&](std::uint64_t number, std::string_view bytes) {
    bool renewal_due = false;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ || !current_ || current_->id() != session.id() || current_->epoch() != epoch) return false;
      if (std::exchange(reopen_stream_, false)) return false;
      if (number == 0) return true;
      if (number <= events_seen_) return true;   // a stream that was resumed tells some twice
      events_seen_ = number;
      renewal_due = events_seen_ - events_acknowledged_ >= kEventsUntilRenewal;
    }
    take_event(number, bytes, lock_era);
    if (renewal_due) renew(session);
    return true;
  });
}

void ClientSession::run_events() {
  for (;;) {
    const auto seen = waiter_.observe(this);
    std::shared_ptr<OpenedSession> opened;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      opened = current_;
    }
    if (opened) {
      const std::uint64_t lock_era = locks_.era();
      const std::uint32_t epoch = opened->epoch();
      const Status ended = read_stream(*opened, lock_era);
      const bool unknown = !ended && (ended.error().code == Errc::kStale || ended.error().code == Errc::kFenced);
      if (unknown && opened->epoch() == epoch) lost(opened->id(), ended.error());
      if (!unknown) renew(*opened);   // L may have been restarted: it waits for us
    }
    waiter_.wait(this, seen, clock_.now() + kReopenPause);
  }
}

void ClientSession::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  waiter_.wake(this);
}

Status ClientSession::close() {
  std::shared_ptr<OpenedSession> opened;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    opened = std::exchange(current_, nullptr);
  }
  if (!opened) return {};
  lock::v1::CloseSessionRequest request;
  request.set_session(raw(opened->id()));
  TRY(client_.close_session(request));
  return {};
}

}  // namespace conclave::client
