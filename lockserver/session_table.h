// Rule: who has a session, until when, and how a dead one is fenced. Pure: the owner locks, gives the time and acts.
//
//   live → closed (gone at once)
//   live → fenced: silent until term + δ after its last renewal; it is known, and keeps what it holds, until D has
//          acknowledged its fence, so that nobody is granted what a frozen client may still write
//   unreclaimed (live or fenced): of an earlier run, and has not said yet what it holds. While there is one, nothing is
//          granted to anybody.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/limits.h"
#include "base/result.h"

namespace conclave::lock {

// How long a session lasts: the client counts term - δ from sending a renewal, L term + δ from receiving it, so the
// client stops first although neither knows the other's clock. δ covers 1 % of drift and a slow answer.
struct SessionTerm {
  Duration term = kLeaseTerm;
  [[nodiscard]] Duration slack() const { return term / 100 + std::chrono::milliseconds(500); }
  [[nodiscard]] Duration at_client() const { return term - slack(); }
  [[nodiscard]] Duration at_server() const { return term + slack(); }
};

class SessionTable {
 public:
  struct Session {
    SessionId id{};
    std::uint32_t generation = 1;
    std::uint64_t holder = 0;     // holder_of(certificate)
    std::uint64_t nonce = 0;
    std::string peer;             // "host laptop": the client, whatever certificates it has
    std::string label;
    MonoTime ends{};
    std::uint64_t fence = 0;      // its number once fenced; 0: live
    bool brief = false;           // it never reclaims
    std::uint32_t epoch = 0;      // the newest whose tokens it has
    bool unreclaimed = false;
    std::uint32_t attempt = 0;    // of its Reclaim calls
  };

  // Fences are numbered after `newest_fence` (epoch · 2³²): D remembers the last one it saw across restarts of L.
  SessionTable(SessionTerm term, std::size_t most_sessions, std::uint64_t newest_fence)
      : term_(term), most_sessions_(most_sessions), newest_fence_(newest_fence) {}
  [[nodiscard]] SessionTerm term() const { return term_; }
  // Those of an earlier run, at the start of this one; all are unreclaimed. Who reclaims nothing, or nothing that could be
  // verified (`oldest_epoch`), is fenced at once; the others have as long as they may still trust their leases.
  void restore(const std::vector<Session>& known, std::uint32_t oldest_epoch, MonoTime now);
  // There is an unreclaimed one.
  [[nodiscard]] bool grace() const;

  // A new session under `id`; the same one again for a holder's nonce that was seen (a retry). kOverloaded: too
  // many in all, or of this client.
  Result<Session> open(const Session& wanted, MonoTime now);
  // The session, if it is live and the holder's own. kStale: unknown here. kFenced. kAccess: somebody else's.
  [[nodiscard]] Result<const Session*> find(SessionId id, std::uint64_t holder) const;
  // The same, and not unreclaimed: kUnavailable.
  [[nodiscard]] Result<const Session*> find_ready(SessionId id, std::uint64_t holder) const;
  // An unreclaimed one's end stays where it is.
  Status renew(SessionId id, std::uint64_t holder, const std::string& label, MonoTime now);
  // Attempt `attempt` of its Reclaim calls: true if it is the first call of it. kStale: an older attempt, or it is done.
  Result<bool> begin_claims(SessionId id, std::uint32_t attempt);
  // It has said all. When it has heard that, it has tokens of `epoch`, and says so.
  void reclaimed(SessionId id, MonoTime now);
  void confirm(SessionId id, std::uint32_t epoch);
  void close(SessionId id);

  // L did nothing for so long: all end that much later. Clients count by their own clocks, and stop as if nothing were.
  void excuse(Duration pause);
  // Fences those whose time is over, or one for another reason. Returns those that are fenced by this call.
  std::vector<SessionId> fence_expired(MonoTime now);
  bool fence(SessionId id);
  // D has made every fence up to `number` known: those sessions are forgotten, and what they held is free.
  std::vector<SessionId> acknowledge(std::uint64_t number);
  [[nodiscard]] std::uint64_t newest_fence() const { return newest_fence_; }
  [[nodiscard]] std::vector<SessionId> fenced() const;   // not acknowledged yet
  [[nodiscard]] std::vector<SessionId> live() const;

  [[nodiscard]] MonoTime next_expiry() const;            // kNever: no live session
  [[nodiscard]] const std::map<SessionId, Session>& all() const { return sessions_; }
  // How often anything changed that must outlive this run: sessions and fences, not their ends.
  [[nodiscard]] std::uint64_t changes() const { return changes_; }

 private:
  const SessionTerm term_;
  const std::size_t most_sessions_;
  std::uint64_t newest_fence_;
  std::map<SessionId, Session> sessions_;
  std::uint64_t changes_ = 0;
};

}  // namespace conclave::lock
