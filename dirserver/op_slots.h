// Exactly once: the last answer of each slot of each session, in the same transaction as the effect (as NFSv4.1's
// slots, RFC 8881 section 2.10.6). A session's numbers lie in memory from its first operation on, the answers in
// the database. Used by the group's leader only.
//
// A slot's numbers rise; gaps are allowed, because an operation that was refused before it came here used one up.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/limits.h"
#include "base/sqlite.h"

namespace conclave::dir {

class OpSlots {
 public:
  static Result<std::unique_ptr<OpSlots>> over(Database& database);

  // The answer of an operation that was done already; nothing: it is new. kMisordered: older than the slot's last;
  // kStale: of an older generation; kInvalid: no such slot.
  Result<std::optional<std::string>> find(const OpId& op);
  // Part of the operation's transaction.
  Status remember(const OpId& op, std::string_view answer);
  Status drop(SessionId session);
  // Every session with a slot. For once, at the start.
  Result<std::vector<SessionId>> sessions();
  // The transaction was rolled back: what memory says may be wrong.
  void forget_cached() { sessions_.clear(); }

 private:
  struct Session {
    std::uint32_t generation = 0;
    std::array<std::uint64_t, kSlotsPerSession> last{};
  };
  OpSlots() = default;
  Result<Session*> session_of(const OpId& op);

  std::unordered_map<SessionId, Session> sessions_;
  Statement load_, answer_, put_, drop_, next_;
};

}  // namespace conclave::dir
