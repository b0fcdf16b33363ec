// Rule: exactly-once by slots (as NFSv4.1, RFC 8881 section 2.10.6). A server keeps the last answer of each
// slot; a retry of the same sequence number gets it again and has no second effect. Pure: no thread, no
// clock; the owner locks. D and the vault keep the same table in their database instead.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
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

  // kNew: run it, then call end(). kReplay: give `answer`. kInProgress: the first one still runs; answer
  // kOverloaded, the client repeats. Errors: kMisordered (older than the last, or a step was skipped),
  // kInvalid (slot out of range), kStale (an older generation). A newer generation empties the session's slots.
  Result<Begun> begin(const OpId& id);
  void end(const OpId& id, std::string answer);   // remembers it
  void abandon(const OpId& id);                   // it had no effect: the number may be used again
  void forget(SessionId session);                 // the session closed or was fenced

 private:
  struct Slot {
    std::uint64_t last = 0;
    bool running = false;
    std::string answer;
  };
  struct Session {
    std::uint32_t generation = 0;
    std::vector<Slot> slots;
  };
  std::unordered_map<SessionId, Session> sessions_;
};

}  // namespace conclave
