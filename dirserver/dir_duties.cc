#include "dirserver/dir_duties.h"

#include <set>

#include "base/limits.h"
#include "dirserver/dir_chunks.h"

namespace conclave::dir {
namespace {

constexpr Duration kLockTimeout = 2s;         // the next Sync is better than an old answer
constexpr Duration kOrphanAge = 2s;
constexpr std::size_t kOrphansAtOnce = 1000;  // in one question to the lock server
constexpr std::size_t kChunksAtOnce = 2000;   // in one commit: ~20 ms, in which others wait

}  // namespace

void LockSync::tick(MonoTime now) {
  next_ = now + kHeartbeat;
  const Status status = sync();
  if (status.has_value() != reached_) {
    if (status) log_.info("the lock server answers again");
    if (!status) log_.warning("the lock server does not answer", {{"error", status.error()}});
  }
  reached_ = status.has_value();
}

Status LockSync::sync() {
  const MonoTime asked = clock_.now();
  lock::v1::SyncRequest request;
  request.set_fence_acknowledged(servers_.fences_acknowledged(gate_.newest_fence(), asked));
  const auto answer = TRY(client_.sync(request, kLockTimeout));
  const SessionGate::News news = TRY(gate_.take(answer, asked));
  TRY(store_news(news));
  gate_.confirm(news);
  return news.ended.empty() ? Status() : store_.drop_sessions(news.ended);
}

// Fences are stored, synced, before anybody is told that they are.
Status LockSync::store_news(const SessionGate::News& news) {
  if (news.fenced.empty() && !news.new_epoch) return {};
  for (const SessionId session : news.fenced) log_.warning("a session was fenced", {{"session", raw(session)}});
  return store_.commit_status(true, [&](Change& change) -> Status {
    if (news.epoch > 1) TRY(change.drop_fences_before(news.epoch - 1));
    for (const SessionId session : news.fenced) TRY(change.put_fence(session, news.newest_fence, news.epoch));
    return {};
  });
}

void OrphanSweep::tick(MonoTime now) {
  next_ = now + 1s;
  const Status status = sweep();
  const bool waits = !status && (status.error().code == Errc::kUnavailable || status.error().code == Errc::kUnknown);
  if (!status && !waits) log_.error("orphans could not be freed", {{"error", status.error()}});
}

Status OrphanSweep::sweep() {
  const std::int64_t until_ns = clock_.wall().ns - kOrphanAge.count();
  InodeId after = kNoInode;
  while (true) {
    const auto orphans = TRY(store_.read<std::vector<InodeId>>(
        [&](View& view) { return view.orphans(until_ns, after, kOrphansAtOnce); }));
    if (orphans.empty()) return {};
    TRY(free_unused(orphans));
    after = orphans.back();
  }
}

Status OrphanSweep::free_unused(const std::vector<InodeId>& orphans) {
  lock::v1::OpensRequest request;
  for (const InodeId inode : orphans) request.add_inodes(raw(inode));
  const auto answer = TRY(client_.opens(request));
  const std::set<std::uint64_t> in_use(answer.in_use().begin(), answer.in_use().end());
  std::vector<InodeId> unused;
  for (const InodeId inode : orphans) {
    if (!in_use.contains(raw(inode))) unused.push_back(inode);
  }
  return free_all(std::move(unused));
}

Status OrphanSweep::free_all(std::vector<InodeId> unused) {
  for (std::size_t done = 0; done < unused.size();) {
    TRY(store_.commit_status(true, [&](Change& change) -> Status {
      std::size_t next = done;
      TRY(reap(change, unused, next, kChunksAtOnce));
      done = next;
      return {};
    }));
  }
  return {};
}

void SyncTick::tick(MonoTime now) {
  next_ = now + 1s;
  const Status status = store_.sync();
  if (!status) log_.error("the database could not be synced", {{"error", status.error()}});
}

void Checkpointing::tick(MonoTime now) {
  next_ = now + 2s;
  const std::uint64_t newest = store_.figures().counts.commits;
  if (newest == done_) return;
  const Status status = store_.checkpoint();
  if (status) done_ = newest;
  if (!status) log_.error("the database's log could not be moved into it", {{"error", status.error()}});
}

}  // namespace conclave::dir
