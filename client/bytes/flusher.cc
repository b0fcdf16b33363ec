#include "client/bytes/flusher.h"

#include <utility>

#include "client/bytes/births.h"

namespace conclave::client {

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

bool Flusher::pressed() const { return inodes_.held_bytes() > kCommitBytes; }

bool Flusher::just_pressed() {
  const std::lock_guard lock(mutex_);
  return !std::exchange(pressed_, pressed()) && pressed_;
}

Flusher::Want Flusher::want_of(Inode& inode) const {
  const bool press = pressed();
  const MonoTime now = clock_.now();
  const std::lock_guard lock(inode.mutex);
  if (now < inode.bytes.retry_at) return {};
  const bool old = inode.bytes.touched_at != kNever && now - inode.bytes.touched_at >= kFlushAge;
  const bool long_sent = inode.bytes.sent_at != kNever && now - inode.bytes.sent_at >= kCommitAge;
  return {old || press, old && inode.attributes.dirty, inode.bytes.buffer.holds() && (long_sent || press)};
}

void Flusher::touched(const InodePtr& inode) {
  bool whole_unit = false;
  {
    const std::lock_guard lock(inode->mutex);
    if (inode->bytes.touched_at == kNever) inode->bytes.touched_at = clock_.now();
    whole_unit = inode->bytes.buffer.has_whole_unit() && clock_.now() >= inode->bytes.retry_at;
  }
  {
    const std::lock_guard lock(mutex_);
    active_.emplace(inode->id, inode);
  }
  if (whole_unit) enqueue(inode);
  if (just_pressed()) enqueue_all();
}

// After whatever may have made a buffer smaller.
void Flusher::let_writers_in() {
  std::vector<ParkKey> room_for;
  {
    const std::lock_guard lock(mutex_);
    if (inodes_.held_bytes() < kMaxDirtyBytes / 4 * 3) room_for.swap(waiting_);
  }
  for (const ParkKey key : room_for) parking_.deliver(key);
}

Status Flusher::admit() {
  if (inodes_.held_bytes() < kMaxDirtyBytes) return {};
  const ParkKey key = parking_.expect();
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(key);
  }
  enqueue_all();
  let_writers_in();  // room may have come before the key was listed
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
  let_writers_in();
  for (const InodeId inode : inodes_.sweep()) hooks_.unused(inode);
  if (const auto spare = inodes_.spare(); !spare.empty()) hooks_.spare(spare);
}

// --- The queue -------------------------------------------------------------------------------------------------

void Flusher::enqueue(const InodePtr& inode) {
  {
    const std::lock_guard lock(inode->mutex);
    if (std::exchange(inode->bytes.queued, true)) return;
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
    inode->bytes.queued = false;
  }
  const Want want = want_of(*inode);
  for (bool sent = true; sent;) {
    if (!send_one(inode, want.parts, sent)) return;
  }
  {
    const std::lock_guard lock(inode->mutex);
    if (want.parts && inode->bytes.buffer.flying()) return;
  }
  if (!(want.size || want.durable)) return;
  {
    const auto turn = turns_.attempt(raw(inode->id));
    if (!turn) return;
    if (want.durable) (void)make_durable(inode, false);
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
    flight = inode->bytes.buffer.take(!parts);
    held = held_of(*inode);
    more = parts ? inode->bytes.buffer.dirty() : inode->bytes.buffer.has_whole_unit();
  }
  sent = flight.has_value();
  if (!flight) return {};
  let_writers_in();  // older bytes of the same place, which were sent, are held no more
  if (more) enqueue(inode);  // another worker helps
  return landed(inode, *flight, chunks_.write(*inode, held, flight->offset, flight->piece.view()));
}

Status Flusher::landed(const InodePtr& inode, const WriteBuffer::Flying& flight, const Result<Landing>& landing) {
  Status status;
  {
    const std::lock_guard lock(inode->mutex);
    if (landing) {
      if (!inode->bytes.buffer.answered(flight.id, *landing)) lose(*inode, Error(Errc::kIo, "a file server restarted"));
      if (inode->bytes.sent_at == kNever) inode->bytes.sent_at = clock_.now();
    } else {
      status = landing.error();
      const bool here = inode->bytes.buffer.failed(flight.id);
      if (may_pass_here(landing.error().code)) {
        inode->bytes.retry_at = clock_.now() + kRetryPause;
      } else if (here) {
        inode->bytes.buffer.discard({flight.offset, flight.offset + flight.piece.length});
        if (!inode->attributes.removed()) lose(*inode, landing.error());
      }
    }
  }
  {
    const std::lock_guard lock(mutex_);
    counters_.sent_pieces += landing.has_value();
    counters_.sent_bytes += landing.has_value() ? flight.piece.length : 0;
  }
  let_writers_in();
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
      flying = inode->bytes.buffer.flying();
    }
    if (!flying) return {};
    waiter_.wait(inode.get(), seen, kNever);
  }
}

// Bytes or a size that would still be sent.
bool Flusher::has_unsent(Inode& inode) {
  const std::lock_guard lock(inode.mutex);
  return inode.bytes.buffer.dirty() || inode.bytes.buffer.flying() || (inode.attributes.dirty && !inode.attributes.removed());
}

void Flusher::set_aside(const InodePtr& inode, ByteRange range) {
  for (;;) {
    const auto seen = waiter_.observe(inode.get());
    {
      const std::lock_guard lock(inode->mutex);
      if (!inode->bytes.buffer.flying_in(range)) return inode->bytes.buffer.set_aside(range);
    }
    waiter_.wait(inode.get(), seen, kNever);
  }
}

void Flusher::settle_aside(const InodePtr& inode, bool done) {
  {
    const std::lock_guard lock(inode->mutex);
    inode->bytes.buffer.settle_aside(done);
  }
  touched(inode);
}

// The end is seen with the inode's turn: a commit that is on its way may find that a file server was restarted, and then
// bytes that were sent are to be sent again.
Status Flusher::hand_over(const InodePtr& inode) {
  for (;;) {
    const Status flushed = flush(inode, Depth::kVisible);
    if (!flushed && may_pass_here(flushed.error().code)) return flushed;
    const auto turn = turn_of(*inode);
    if (has_unsent(*inode)) continue;  // each refusal takes what it refused out of the buffer
    let_go(inode);
    return {};
  }
}

// With the inode's turn.
void Flusher::let_go(const InodePtr& inode) {
  {
    const std::lock_guard lock(inode->mutex);
    inode->bytes.buffer.let_go();
    inode->bytes.sent_at = kNever;  // no token to commit with; fsync gets one
    inode->bytes.layouts.clear();
    inode->bytes.layouts_since = 0;
  }
  let_writers_in();
  settle(inode);
}

void Flusher::give_up(const InodePtr& inode) {
  {
    const std::lock_guard lock(inode->mutex);
    inode->bytes.buffer.clear();
    inode->attributes.dirty = false;
    inode->bytes.births.clear();
    inode->bytes.sent_at = kNever;
  }
  let_writers_in();
  waiter_.wake(inode.get());
  settle(inode);
}

// --- The end -----------------------------------------------------------------------------------------------------

// Forgets an inode that has nothing more to send.
void Flusher::settle(const InodePtr& inode) {
  {
    const std::lock_guard lock(mutex_);
    const std::lock_guard inner(inode->mutex);
    if (inode->attributes.dirty || inode->bytes.buffer.holds()) return;
    inode->bytes.touched_at = kNever;
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
  out.held_bytes = inodes_.held_bytes();
  out.inodes = active_.size();
  return out;
}

}  // namespace conclave::client
