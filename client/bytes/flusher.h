// Sends what the write buffers hold: bytes to F first, then size and times to D, so that no size ever covers bytes
// that no server has. Full units leave at once, the rest when it is kFlushAge old. What is sent and not yet durable is
// committed when it is kCommitAge old or more than kCommitBytes are held; writers wait at kMaxDirtyBytes.
//
// Thread-safe. Whoever needs an inode clean (fsync, a recall) sends along with the workers.
//
//   flusher   what is due, the queue, sending     flusher_commit   telling D, and durability
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/daemon.h"
#include "base/guarded.h"
#include "base/parallel_calls.h"
#include "base/turns.h"
#include "base/waiter.h"
#include "client/bytes/chunk_io.h"
#include "client/session/parking.h"
#include "client/tree/inode_table.h"

namespace conclave::client {

// It did not happen, and the bytes stay: until the server is there, or under a newer lease (kOvertaken). kFenced: L says what
// becomes of the session; if it is lost, lose_everything is on its way, else it has other tokens soon.
inline bool may_pass_here(Errc why) { return may_pass(why) || why == Errc::kFenced || why == Errc::kOvertaken; }

class Flusher final : public Duty {
 public:
  static constexpr auto kCommitAge = std::chrono::seconds(5);
  static constexpr auto kRetryPause = std::chrono::seconds(1);  // after a server was away for a call's patience
  static constexpr auto kTick = std::chrono::milliseconds(250);

  // Of inodes, after a tick: those that the table dropped, whose leases may go back; those that the kernel should forget.
  struct Hooks {
    std::function<void(InodeId)> unused;
    std::function<void(const std::vector<InodeId>&)> spare;
  };
  Flusher(const Servers& servers, ChunkIo& chunks, InodeTable& inodes, Clock& clock, Waiter& waiter, Parking& parking,
          ParallelCalls& calls, Log& log, Hooks hooks);

  // How far: the servers have the bytes and D the size; or all of it survives power loss.
  enum class Depth : std::uint8_t { kVisible, kDurable };

  // Called after a change of the inode's buffer or attributes that D does not have yet. Does not block.
  void touched(const InodePtr& inode);
  // kPending while writers must wait for the servers; the key is delivered when there is room.
  Status admit();

  // Sends, and tells D. Blocks. Errors: what a server said for good (those bytes are lost, the inode's failures rise);
  // kUnavailable, kUnknown: the bytes are still here and will be tried again.
  Status flush(const InodePtr& inode, Depth depth);
  // One at a time changes an inode's size at D (commit, truncate). Waits for it; whoever has one waits for no lease and
  // no other turn.
  [[nodiscard]] Turns::Turn turn_of(const Inode& inode) { return turns_.take(raw(inode.id)); }
  // Sets the bytes of the range aside (WriteBuffer), after what of it is on its way has landed. Blocks no longer than a send
  // takes. The caller has the inode's turn.
  void set_aside(const InodePtr& inode, ByteRange range);
  // They were cut off or zeroed, or not.
  void settle_aside(const InodePtr& inode, bool done);
  // Cuts at the file servers, then at D, as `request` says (size, set-id bits, caller). The caller has the inode's turn.
  Result<dir::v1::Entry> cut(Inode& inode, const Held& held, dir::v1::SetAttrRequest request);
  // The lease goes back: sends and tells D until nothing is left that would be sent later, when the lease is another's,
  // and forgets what was sent and where it lies. Blocks. An error: something is left, the lease must stay; again soon.
  // What was refused for good is lost, as in flush(), and no error here.
  Status hand_over(const InodePtr& inode);
  // Nobody will see its bytes any more (removed and closed, or the session was lost): they are not sent.
  void give_up(const InodePtr& inode);
  // All inodes, durably, as far as it goes until `deadline`; returns how many have bytes left.
  std::size_t flush_all(MonoTime deadline);

  // A worker; several threads of main run it until stop().
  void run();
  void stop();

  // Duty: finds what has become old, and inodes that nothing needs.
  MonoTime next_tick() override { return next_tick_; }
  void tick(MonoTime now) override;

  struct Counters {
    std::uint64_t sent_pieces = 0, sent_bytes = 0, told = 0, committed = 0, failures = 0;
    std::size_t held_bytes = 0, inodes = 0;
  };
  [[nodiscard]] Counters counters() const;

 private:
  struct Want {
    bool parts = false;    // also pieces that do not fill their unit
    bool size = false;     // tell D
    bool durable = false;  // commit
  };
  Want want_of(Inode& inode) const;
  static Held held_of(const Inode& inode) REQUIRES(inode.mutex) { return {inode.bytes.token, inode.bytes.token_since}; }
  [[nodiscard]] bool pressed() const;
  void enqueue(const InodePtr& inode);
  void enqueue_all();
  InodePtr next();
  void work_on(const InodePtr& inode);
  Status send_one(const InodePtr& inode, bool parts, bool& sent);
  Status landed(const InodePtr& inode, const WriteBuffer::Flying& flight, const Result<Landing>& landing);
  Status send_all(const InodePtr& inode);
  // `tells`: tell_size follows, and with it D hears of births.
  Status make_durable(const InodePtr& inode, bool tells);
  void committed(const InodePtr& inode, const WriteBuffer::Covered& covered, const Births& births);
  void not_committed(const InodePtr& inode, const WriteBuffer::Covered& restarted, const Error& why);
  Status make_durable_and_tell(const InodePtr& inode);
  Status tell_size(const InodePtr& inode, bool durable);
  Status cut_again(Inode& inode, const Held& held, const dir::v1::CommitRequest& commit);
  void lose(Inode& inode, const Error& why) REQUIRES(inode.mutex);
  [[nodiscard]] bool just_pressed();
  void let_writers_in();
  void settle(const InodePtr& inode);
  static bool has_unsent(Inode& inode);
  void let_go(const InodePtr& inode);

  const Servers& servers_;
  ChunkIo& chunks_;
  InodeTable& inodes_;
  Clock& clock_;
  Waiter& waiter_;
  Parking& parking_;
  ParallelCalls& calls_;
  Log& log_;
  const Hooks hooks_;
  MonoTime next_tick_{};
  Turns turns_;
  mutable std::mutex mutex_;                                         // before an Inode's
  std::deque<InodePtr> queue_ GUARDED_BY(mutex_);
  std::unordered_map<InodeId, InodePtr> active_ GUARDED_BY(mutex_);  // with something that D or the disks do not have
  std::vector<ParkKey> waiting_ GUARDED_BY(mutex_);                  // writers
  bool pressed_ GUARDED_BY(mutex_) = false;                          // as of the last change
  Counters counters_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace conclave::client
