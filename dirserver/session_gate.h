// Who may ask: the lock server's keys, and which sessions are alive, as of the last LockService.Sync. A rule: takes
// what it is told, calls nobody. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <vector>

#include "base/certificate.h"
#include "base/clock.h"
#include "base/floor_table.h"
#include "base/guarded.h"
#include "base/token.h"
#include "conclave/lock/v1/lock.pb.h"
#include "dirserver/permissions.h"

namespace conclave::dir {

class SessionGate;

// For whom an operation runs, and with which keys its answer is sealed.
struct Call {
  Subject subject;
  SessionId session{};
  std::uint64_t holder = 0;
  std::shared_ptr<const EpochKeys> keys;
  SessionGate* gate = nullptr;   // that let it in
};

class SessionGate {
 public:
  explicit SessionGate(ClusterId cluster) : cluster_(cluster) {}

  // Before the first Sync: sessions that the database knows (their slots), and fences.
  void know(const std::vector<SessionId>& sessions, MonoTime now);
  void know_fence(SessionId session, std::uint64_t number);

  // What a Sync that was sent at `asked` brought. kInvalid: keys that are none.
  struct News {
    std::vector<SessionId> fenced;   // new ones: to be stored, then confirm()
    std::vector<SessionId> ended;    // to be forgotten
    std::uint64_t newest_fence = 0;
    std::uint32_t epoch = 0;
    bool new_epoch = false;
  };
  Result<News> take(const lock::v1::SyncResponse& sync, MonoTime asked);
  // The news' fences are stored: from now on they count as known.
  void confirm(const News& news);

  // kUnavailable until keys are here; kUnauthenticated without a pass, with another's, or with one of an old epoch;
  // kFenced. An operation id must be of the pass's session.
  Result<Call> admit(const Peer& peer, std::string_view pass, const OpId& op, MonoTime now);

  // A lease that a caller shows. kOvertaken.
  Status admit_lease(const LeaseToken& lease);
  // What file servers have seen of leases, and what was seen here.
  void know_floors(const std::vector<FloorTable::Floor>& floors);
  [[nodiscard]] std::vector<FloorTable::Floor> floors() const;

  // The keys; kUnavailable.
  Result<std::shared_ptr<const EpochKeys>> keys() const;
  [[nodiscard]] std::uint64_t newest_fence() const;

 private:
  Status check_alive(SessionId session, MonoTime now);

  const ClusterId cluster_;
  mutable std::mutex mutex_;
  std::shared_ptr<const EpochKeys> keys_ GUARDED_BY(mutex_);
  std::map<SessionId, MonoTime> seen_ GUARDED_BY(mutex_);         // last admitted here
  std::map<SessionId, std::uint32_t> ended_ GUARDED_BY(mutex_);   // while their passes could still be shown: the epoch then
  std::uint32_t forget_ended_before_ GUARDED_BY(mutex_) = 0;
  std::map<SessionId, std::uint64_t> fenced_ GUARDED_BY(mutex_);
  std::uint64_t newest_fence_ GUARDED_BY(mutex_) = 0;
  FloorTable floors_ GUARDED_BY(mutex_);
};

// The caller that a host names, or the user that the certificate is. kInvalid: too many groups.
Result<Subject> subject_of(const Peer& peer, const v1::Caller& caller);

// A lease that the caller holds on `inode`, in one of `modes`. kAccess, kOvertaken, kInvalid.
Status require_lease(const Call& call, std::string_view token, InodeId inode, std::initializer_list<LeaseMode> modes);

}  // namespace conclave::dir
