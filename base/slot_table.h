// Rule: exactly-once by slots (as NFSv4.1, RFC 8881 section 2.10.6). A server keeps the last answer of each
// slot; a retry of the same sequence number gets it again and has no second effect. Pure: no thread, no
// clock; the owner locks. D and the vault keep the same table in their database instead.
//
// Sequence numbers rise, but may skip: a client that gave up on one goes on with the next, which fences the one
// given up should it still be on its way; and a server that restarted without its table takes the next it sees.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace conclave {

class SlotTable {
 public:
  enum class Verdict : std::uint8_t { kNew, kReplay, kInProgress };
  struct Begun {
    Verdict verdict = Verdict::kNew;
    std::string answer;   // of kReplay
  };

  // kNew: run it, then call end() or abandon(). kReplay: give `answer`. kInProgress: the slot still runs this one or
  // one before it; answer kOverloaded, the client repeats. Errors: kMisordered (older than the last), kInvalid (slot
  // out of range, sequence 0), kStale (an older generation), kOverloaded (kMaxSessions, each of them running
  // something). A newer generation empties the session's slots; a session too many takes the place of the one
  // longest unused.
  Result<Begun> begin(const OpId& id);
  void end(const OpId& id, std::string answer);   // remembers it
  void abandon(const OpId& id);                   // it had no effect: the number may be used again
  void forget(SessionId session);                 // the session closed or was fenced

 private:
  struct Slot {
    std::uint64_t running = 0;  // the number that was begun and has not ended; 0: none
    std::uint64_t last = 0;     // the last that ended
    std::string answer;         // its answer
  };
  struct Session {
    std::uint32_t generation = 0;
    std::uint64_t used = 0;     // uses_ when it was last begun
    std::vector<Slot> slots;    // as many as were named
  };
  Result<Slot*> slot_for(const OpId& id);
  bool make_room();
  Slot* running_slot(const OpId& id);

  std::unordered_map<SessionId, Session> sessions_;
  std::uint64_t uses_ = 0;
};

}  // namespace conclave
