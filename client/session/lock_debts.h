// What this mount owes to L: a word that an inode is open here no more, an unlock that L did not answer, a lease on an
// inode that is open since an earlier session (without one L takes it for closed, and D may free it). Noted here,
// and paid when the duty comes by (client/tree/debt_duty.h). Thread-safe; never blocks.
#pragma once

#include <compare>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "base/guarded.h"
#include "base/ids.h"
#include "client/session/client_session.h"

namespace conclave::client {

class LockDebts {
 public:
  // What the owner has, or asked for, in a range of the inode.
  struct Unlock {
    InodeId inode{};
    std::uint64_t owner = 0;
    bool flock = false;
    std::uint64_t start = 0;
    std::uint64_t end = kToTheEnd;   // inclusive
    std::uint64_t wait = 0;          // not 0: of a request that waits at L, perhaps, and must not any more
    friend auto operator<=>(const Unlock&, const Unlock&) = default;
  };
  static constexpr std::uint64_t kToTheEnd = 0x7fffffffffffffff;

  void note_closed(InodeId inode);
  // At most `most`, which are no debts any more: whoever fails to pay notes them again.
  std::vector<InodeId> take_closed(std::size_t most);

  // `unanswered`: a call that comes before it, may be carried out yet, and must not be after it. May be null.
  void note_unlock(const Unlock& unlock, std::shared_ptr<UnansweredCall> unanswered);
  [[nodiscard]] std::vector<std::shared_ptr<UnansweredCall>> unanswered(const Unlock& unlock) const;
  void ended(const Unlock& unlock, const std::shared_ptr<UnansweredCall>& call);
  void still_owed(const Unlock& unlock, std::shared_ptr<UnansweredCall> unanswered);   // unless the session ended meanwhile
  void unlocked(const Unlock& unlock);
  // Anything of this owner's: what it locks now would be unlocked too.
  [[nodiscard]] bool owes(InodeId inode, std::uint64_t owner, bool flock) const;
  [[nodiscard]] std::vector<Unlock> unlocks() const;

  void note_unheld(InodeId inode);
  void held(InodeId inode);
  [[nodiscard]] std::vector<InodeId> unheld() const;

  // Another session owes no unlocks and no word.
  void session_ended();

 private:
  mutable std::mutex mutex_;
  std::set<InodeId> closed_ GUARDED_BY(mutex_);
  std::map<Unlock, std::vector<std::shared_ptr<UnansweredCall>>> unlocks_ GUARDED_BY(mutex_);
  std::set<InodeId> unheld_ GUARDED_BY(mutex_);
};

}  // namespace conclave::client
