// Rule: which session holds which lease on which inode, who waits, and what must be recalled. Pure: the owner locks,
// seals tokens and sends what the calls return.
//
// An inode's holders are compatible with each other, always:
//          R    W    S    SR   DR   DW
//     R    yes  –    –    –    –    –
//     W    –    –    –    –    –    –
//     S    –    –    yes  yes  –    –       one session holds one mode on an inode; a grant of another mode
//     SR   –    –    yes  yes  –    –       replaces it (R becomes W without a gap)
//     DR   –    –    –    –    yes  –
//     DW   –    –    –    –    –    –
// Waiters are served first come, first served: a want behind a waiter waits too, even if it would fit the holders.
// S and DW have their place here; what makes them more than locks (tail masters, delegation) lives elsewhere.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/token.h"

namespace conclave::lock {

bool compatible(LeaseMode a, LeaseMode b);
// `held` allows all that `wanted` allows: equal, or W for R, S for SR, DW for DR.
bool covers(LeaseMode held, LeaseMode wanted);
// What a holder of `held` may keep when somebody wants `wanted`: R of W, DR of DW, else nothing.
LeaseMode keep_beside(LeaseMode held, LeaseMode wanted);

struct GrantedLease {
  SessionId session{};
  InodeId inode{};
  LeaseMode mode = LeaseMode::kNone;
  std::uint64_t seq = 0;
  friend bool operator==(const GrantedLease&, const GrantedLease&) = default;
};
struct RecalledLease {
  SessionId session{};
  InodeId inode{};
  std::uint64_t seq = 0;
  LeaseMode keep = LeaseMode::kNone;
  friend bool operator==(const RecalledLease&, const RecalledLease&) = default;
};
// What a call brought about besides its answer, in the order in which it must be sent.
struct LeaseEffects {
  std::vector<GrantedLease> granted;   // to waiters
  std::vector<RecalledLease> recalled;
};

class LeaseTable {
 public:
  // The first grant's number is `first_seq` (epoch · 2³²). A recall that was not answered is due again after `patience`.
  LeaseTable(std::uint64_t first_seq, Duration patience) : next_seq_(first_seq), patience_(patience) {}

  // The grant; the one held already if it covers `mode` (a retry). Nothing: it waits, as it may have before.
  std::optional<GrantedLease> acquire(SessionId session, InodeId inode, LeaseMode mode, MonoTime now,
                                      LeaseEffects& effects);
  // The same, but nothing happens if it would wait.
  std::optional<GrantedLease> acquire_if_free(SessionId session, InodeId inode, LeaseMode mode);
  // Comes down to `keep` (kNone, or what keep_beside allows of the mode held). A seq that is not held is ignored; a
  // retry of what was kept gives the same grant again. `open`: a program there has the inode open.
  std::optional<GrantedLease> give_back(SessionId session, InodeId inode, std::uint64_t seq, LeaseMode keep, bool open,
                                        MonoTime now, LeaseEffects& effects);
  void note_closed(SessionId session, InodeId inode);
  // After a restart, while nobody waits: what the session held under `old_seq` of an earlier run, under a new number (the
  // same one for the same claim). Nothing: somebody has claimed what excludes it. The larger old number is the truth: it
  // was granted when the other was over. `liars`: whose claims are disproved so.
  std::optional<GrantedLease> reclaim(SessionId session, InodeId inode, LeaseMode mode, std::uint64_t old_seq,
                                      std::vector<SessionId>& liars);
  void note_open(SessionId session, InodeId inode);
  // Takes the session out of every queue: it is fenced, and what it holds stays until drop().
  void stop_waiting(SessionId session, MonoTime now, LeaseEffects& effects);
  // Ends all that the session holds, waits for or has open.
  void drop(SessionId session, MonoTime now, LeaseEffects& effects);

  // Recalls that were sent `patience` ago or earlier and are not answered: to be sent again now.
  std::vector<RecalledLease> overdue(MonoTime now);
  // Does any session hold a lease on it, or have it open?
  [[nodiscard]] bool in_use(InodeId inode) const;

  [[nodiscard]] std::size_t held() const { return held_; }
  [[nodiscard]] std::size_t held_by(SessionId session) const;
  [[nodiscard]] std::size_t waiting() const { return waiting_; }
  // Aborts if a rule above does not hold; for tests.
  void check() const;

 private:
  struct Holder {
    SessionId session{};
    std::uint64_t seq = 0;
    std::uint64_t returned_seq = 0;             // of the grant that came down to this one, or was reclaimed as it
    MonoTime recalled_at{};
    LeaseMode mode = LeaseMode::kNone;
    bool recalled = false;
    LeaseMode keep = LeaseMode::kNone;          // of the recall
  };
  struct Waiter {
    SessionId session{};
    LeaseMode mode = LeaseMode::kNone;
  };
  struct Object {
    std::vector<Holder> holders;
    std::unique_ptr<std::deque<Waiter>> waiters;      // null: none, which is nearly always so
    std::unique_ptr<std::vector<SessionId>> open_at;  // with it open and perhaps no lease; null: none
  };
  using Objects = std::unordered_map<InodeId, Object>;

  static Holder* find(Object& object, SessionId session);
  static bool fits(const Object& object, SessionId session, LeaseMode mode);
  GrantedLease grant(InodeId inode, Object& object, SessionId session, LeaseMode mode);
  void serve(InodeId inode, Object& object, MonoTime now, LeaseEffects& effects);
  void recall_for(InodeId inode, Object& object, const Waiter& waiter, MonoTime now, LeaseEffects& effects);
  void leave_queue(InodeId inode, Object& object, SessionId session, MonoTime now, LeaseEffects& effects);
  void end_hold(InodeId inode, Object& object, SessionId session);
  void erase_if_unused(Objects::iterator at);
  static void set_open(Object& object, SessionId session, bool open);

  Objects objects_;
  std::unordered_map<SessionId, std::size_t> counts_;   // leases held, by session
  std::unordered_set<InodeId> recalled_;                // inodes with a recall that is not answered
  std::uint64_t next_seq_;
  const Duration patience_;
  std::size_t held_ = 0;
  std::size_t waiting_ = 0;
};

}  // namespace conclave::lock
