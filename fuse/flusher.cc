#include "fuse/flusher.h"

#include <utility>

namespace conclave::fuse_fs {
namespace {

constexpr int kDurableAttempts = 3;  // file servers that restart between the bytes and the commit

std::int64_t grown(std::size_t before, std::size_t after) {
  return static_cast<std::int64_t>(after) - static_cast<std::int64_t>(before);
}

Held held_of(const Inode& inode) REQUIRES(inode.mutex) { return {inode.token, inode.token_since}; }

bool grows(Inode& inode) {
  const std::lock_guard lock(inode.mutex);
  return inode.attr.size_bytes() > inode.size_at_dir;
}

}  // namespace

Flusher::Flusher(const Servers& servers, ChunkIo& chunks, InodeTable& inodes, Clock& clock, Waiter& waiter,
                 Parking& parking, ParallelCalls& calls, Log& log, Hooks hooks)
    : servers_(servers),
      chunks_(chunks),
      inodes_(inodes),
      clock_(clock),
      waiter_(waiter),
      parking_(parking),
      calls_(calls),
      log_(log),
      hooks_(std::move(hooks)),
      turns_(waiter) {}

// --- What is due -----------------------------------------------------------------------------------------------

bool Flusher::pressed() const {
  const std::lock_guard lock(mutex_);
  return counters_.held_bytes > kCommitBytes;
}

Flusher::Want Flusher::want_of(Inode& inode) const {
  const bool press = pressed();
  const MonoTime now = clock_.now();
  const std::lock_guard lock(inode.mutex);
  if (now < inode.retry_at) return {};
  const bool old = inode.touched_at != kNever && now - inode.touched_at >= kFlushAge;
  const bool long_sent = inode.sent_at != kNever && now - inode.sent_at >= kCommitAge;
  return {old || press, old && inode.attr_dirty, inode.buffer.holds() && (long_sent || press)};
}

void Flusher::touched(const InodePtr& inode, std::int64_t bytes) {
  bool whole_unit = false;
  {
    const std::lock_guard lock(inode->mutex);
    if (inode->touched_at == kNever) inode->touched_at = clock_.now();
    whole_unit = inode->buffer.has_whole_unit() && clock_.now() >= inode->retry_at;
  }
  {
    const std::lock_guard lock(mutex_);
    active_.emplace(inode->id, inode);
  }
  const bool before = pressed();
  add_held(bytes);
  if (whole_unit) enqueue(inode);
  if (!before && pressed()) enqueue_all();
}

void Flusher::add_held(std::int64_t bytes) {
  std::vector<ParkKey> room_for;
  {
    const std::lock_guard lock(mutex_);
    counters_.held_bytes += static_cast<std::size_t>(bytes);
    if (counters_.held_bytes < kMaxDirtyBytes / 4 * 3) room_for.swap(waiting_);
  }
  for (const ParkKey key : room_for) parking_.deliver(key);
}

Status Flusher::admit() {
  {
    const std::lock_guard lock(mutex_);
    if (counters_.held_bytes < kMaxDirtyBytes) return {};
  }
  const ParkKey key = parking_.expect();
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(key);
  }
  enqueue_all();
  add_held(0);  // room may have come before the key was listed
  return Error(Errc::kPending, "the write buffer is full", key);
}

void Flusher::tick(MonoTime now) {
  next_tick_ = now + kTick;
  std::vector<InodePtr> active;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, inode] : active_) active.push_back(inode);
  }
  for (const InodePtr& inode : active) {
    const Want want = want_of(*inode);
    if (want.parts || want.size || want.durable) enqueue(inode);
  }
  active.clear();
  for (const InodeId inode : inodes_.sweep()) hooks_.unused(inode);
  if (const auto spare = inodes_.spare(); !spare.empty()) hooks_.spare(spare);
}

// --- The queue -------------------------------------------------------------------------------------------------

void Flusher::enqueue(const InodePtr& inode) {
  {
    const std::lock_guard lock(inode->mutex);
    if (std::exchange(inode->queued, true)) return;
  }
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(inode);
  }
  waiter_.wake(&queue_);
}

void Flusher::enqueue_all() {
  std::vector<InodePtr> active;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, inode] : active_) active.push_back(inode);
  }
  for (const InodePtr& inode : active) enqueue(inode);
}

InodePtr Flusher::next() {
  const std::lock_guard lock(mutex_);
  if (queue_.empty()) return nullptr;
  InodePtr inode = std::move(queue_.front());
  queue_.pop_front();
  return inode;
}

void Flusher::run() {
  for (;;) {
    const auto seen = waiter_.observe(&queue_);
    if (const InodePtr inode = next()) {
      work_on(inode);
      continue;
    }
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
    }
    waiter_.wait(&queue_, seen, kNever);
  }
}

void Flusher::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  waiter_.wake(&queue_);
}

// The worker that finds nothing left to take, and nothing on its way, goes on to D and to the commit.
void Flusher::work_on(const InodePtr& inode) {
  {
    const std::lock_guard lock(inode->mutex);
    inode->queued = false;
  }
  const Want want = want_of(*inode);
  for (bool sent = true; sent;) {
    if (!send_one(inode, want.parts, sent)) return;
  }
  {
    const std::lock_guard lock(inode->mutex);
    if (want.parts && inode->buffer.flying()) return;
  }
  if (!(want.size || want.durable)) return;
  {
    const auto turn = turns_.attempt(raw(inode->id));
    if (!turn) return;
    if (want.durable) (void)make_durable(inode);
    if (want.size) (void)tell_size(inode, false);
  }
  settle(inode);
}

// --- Sending ---------------------------------------------------------------------------------------------------

Status Flusher::send_one(const InodePtr& inode, bool parts, bool& sent) {
  std::optional<WriteBuffer::Flying> flight;
  Held held;
  bool more = false;
  {
    const std::lock_guard lock(inode->mutex);
    flight = inode->buffer.take(!parts);
    held = held_of(*inode);
    more = parts ? inode->buffer.dirty() : inode->buffer.has_whole_unit();
  }
  sent = flight.has_value();
  if (!flight) return {};
  if (more) enqueue(inode);  // another worker helps
  return landed(inode, *flight, chunks_.write(*inode, held, flight->offset, flight->piece.view()));
}

Status Flusher::landed(const InodePtr& inode, const WriteBuffer::Flying& flight, const Result<Landing>& landing) {
  Status status;
  std::int64_t change = 0;
  {
    const std::lock_guard lock(inode->mutex);
    const std::size_t before = inode->buffer.held_bytes();
    if (landing) {
      if (!inode->buffer.answered(flight.id, *landing)) lose(*inode, Error(Errc::kIo, "a file server restarted"));
      if (inode->sent_at == kNever) inode->sent_at = clock_.now();
    } else {
      status = landing.error();
      const bool here = inode->buffer.failed(flight.id);
      if (may_pass_here(landing.error().code)) {
        inode->retry_at = clock_.now() + kRetryPause;
      } else if (here) {
        inode->buffer.discard({flight.offset, flight.offset + flight.piece.length});
        if (!inode->removed()) lose(*inode, landing.error());
      }
    }
    change = grown(before, inode->buffer.held_bytes());
  }
  {
    const std::lock_guard lock(mutex_);
    counters_.sent_pieces += landing.has_value();
    counters_.sent_bytes += landing.has_value() ? flight.piece.length : 0;
  }
  add_held(change);
  waiter_.wake(inode.get());
  return status;
}

// Each descriptor reports it once, at its next fsync or close.
void Flusher::lose(Inode& inode, const Error& why) {
  inode.lose(why.code);
  log_.error("written bytes were lost", {{"inode", raw(inode.id)}, {"why", why}});
}

Status Flusher::send_all(const InodePtr& inode) {
  for (;;) {
    const auto seen = waiter_.observe(inode.get());
    bool sent = false;
    TRY(send_one(inode, true, sent));
    if (sent) continue;
    bool flying = false;
    {
      const std::lock_guard lock(inode->mutex);
      flying = inode->buffer.flying();
    }
    if (!flying) return {};
    waiter_.wait(inode.get(), seen, kNever);
  }
}

bool Flusher::has_unsent(Inode& inode) {
  const std::lock_guard lock(inode.mutex);
  return inode.buffer.dirty() || inode.buffer.flying() || (inode.attr_dirty && !inode.removed());
}

void Flusher::set_aside(const InodePtr& inode, ByteRange range) {
  for (;;) {
    const auto seen = waiter_.observe(inode.get());
    {
      const std::lock_guard lock(inode->mutex);
      if (!inode->buffer.flying_in(range)) return inode->buffer.set_aside(range);
    }
    waiter_.wait(inode.get(), seen, kNever);
  }
}

void Flusher::settle_aside(const InodePtr& inode, bool done) {
  std::int64_t change = 0;
  {
    const std::lock_guard lock(inode->mutex);
    const std::size_t before = inode->buffer.held_bytes();
    inode->buffer.settle_aside(done);
    change = grown(before, inode->buffer.held_bytes());
  }
  touched(inode, change);
}

void Flusher::let_go(const InodePtr& inode) {
  std::int64_t change = 0;
  {
    const std::lock_guard lock(inode->mutex);
    const std::size_t before = inode->buffer.held_bytes();
    inode->buffer.let_go();
    inode->sent_at = kNever;  // no token to commit with; fsync gets one
    inode->layouts.clear();
    inode->layouts_since = 0;
    change = grown(before, inode->buffer.held_bytes());
  }
  add_held(change);
}

void Flusher::give_up(const InodePtr& inode) {
  std::int64_t change = 0;
  {
    const std::lock_guard lock(inode->mutex);
    change = grown(inode->buffer.held_bytes(), 0);
    inode->buffer.clear();
    inode->attr_dirty = false;
    inode->sent_at = kNever;
  }
  add_held(change);
  waiter_.wake(inode.get());
  settle(inode);
}

// --- Telling D, and durability -----------------------------------------------------------------------------------

// With the inode's turn.
Status Flusher::make_durable(const InodePtr& inode) {
  WriteBuffer::Covered covered;
  Held held;
  {
    const std::lock_guard lock(inode->mutex);
    covered = inode->buffer.covered();
    held = held_of(*inode);
  }
  if (covered.landings.empty()) return {};
  const Status done = chunks_.commit(*inode, held, covered.landings);
  std::int64_t change = 0;
  {
    const std::lock_guard lock(inode->mutex);
    const std::size_t before = inode->buffer.held_bytes();
    if (done) {
      inode->buffer.committed(covered);
      inode->sent_at = inode->buffer.uncommitted() ? clock_.now() : kNever;
    } else if (done.error().code == Errc::kStale) {
      if (!inode->buffer.restarted(covered) && !inode->removed()) lose(*inode, Error(Errc::kIo, "a file server restarted"));
      if (inode->touched_at == kNever) inode->touched_at = MonoTime{};
    } else {
      inode->retry_at = clock_.now() + kRetryPause;
    }
    change = grown(before, inode->buffer.held_bytes());
  }
  {
    const std::lock_guard lock(mutex_);
    counters_.committed += done.has_value();
  }
  add_held(change);
  return done;
}

// With the inode's turn.
Status Flusher::tell_size(const InodePtr& inode, bool durable) {
  dir::v1::CommitRequest request;
  bool changed = false;
  std::uint64_t since = 0;
  {
    const std::lock_guard lock(inode->mutex);
    changed = inode->attr_dirty && !inode->removed();
    since = inode->token_since;
    request.set_inode(raw(inode->id));
    request.set_token(inode->token);
    request.set_size_bytes(inode->buffer.stable_size(inode->attr.size_bytes(), inode->size_at_dir));
    request.set_mtime_ns(inode->attr.mtime_ns());
    request.set_allocated_bytes(inode->attr.allocated_bytes());
    request.set_kill_privileges(inode->kill_privileges);
    request.set_durable(durable);
  }
  if (!changed) {
    if (durable) TRY(servers_.dir()->sync());
    return {};
  }
  const auto answer = servers_.dir()->commit(request);
  const std::lock_guard lock(inode->mutex);
  if (inode->token_since != since) return answer ? Status() : Status(answer.error());  // of a session that was lost
  if (!answer) {
    inode->retry_at = clock_.now() + kRetryPause;
    if (!may_pass_here(answer.error().code) && !inode->removed()) {
      inode->attr_dirty = false;  // the truth is D's now
      lose(*inode, answer.error());
    }
    return answer.error();
  }
  inode->size_at_dir = request.size_bytes();
  if (request.kill_privileges()) inode->kill_privileges = false;
  const bool all = request.size_bytes() == inode->attr.size_bytes() && request.mtime_ns() == inode->attr.mtime_ns();
  inode->attr_dirty = !all;
  inode->touched_at = all && !inode->buffer.dirty() ? kNever : clock_.now();
  inode->learn(answer->attr());
  return {};
}

Status Flusher::flush(const InodePtr& inode, Depth depth) {
  const bool durable = depth == Depth::kDurable;
  Status bytes, size;
  for (int attempt = 0; attempt < kDurableAttempts; ++attempt) {
    TRY(send_all(inode));
    const auto turn = turn_of(*inode);
    if (durable && !grows(*inode)) {
      calls_.make({[&] { size = tell_size(inode, true); }, [&] { bytes = make_durable(inode); }});
    } else {
      if (durable) bytes = make_durable(inode);  // first: after a power loss no size covers bytes that were never there
      if (bytes) size = tell_size(inode, durable);
    }
    if (bytes || bytes.error().code != Errc::kStale) break;  // else the bytes are dirty again
  }
  settle(inode);
  TRY(bytes);
  return size;
}

// Forgets an inode that has nothing more to send.
void Flusher::settle(const InodePtr& inode) {
  {
    const std::lock_guard lock(mutex_);
    const std::lock_guard inner(inode->mutex);
    if (inode->attr_dirty || inode->buffer.holds()) return;
    inode->touched_at = kNever;
    active_.erase(inode->id);
  }
}

std::size_t Flusher::flush_all(MonoTime deadline) {
  std::vector<InodePtr> active;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, inode] : active_) active.push_back(inode);
  }
  std::size_t left = 0;
  for (const InodePtr& inode : active) {
    if (clock_.now() >= deadline || !flush(inode, Depth::kDurable)) ++left;
  }
  return left;
}

Flusher::Counters Flusher::counters() const {
  const std::lock_guard lock(mutex_);
  Counters out = counters_;
  out.inodes = active_.size();
  return out;
}

}  // namespace conclave::fuse_fs
