// What the directory server does by itself: hears from the lock server, frees what nobody uses any more, syncs what
// nobody asked to be synced, and keeps the database's log short.
#pragma once

#include "base/daemon.h"
#include "dirserver/dir_store.h"
#include "dirserver/session_gate.h"
#include "lockserver/lock_client.h"

namespace conclave::dir {

// Every kHeartbeat: keys, fences, sessions that have ended.
class LockSync final : public Duty {
 public:
  LockSync(DirStore& store, SessionGate& gate, ServerTable& servers, lock::LockClient& client, Clock& clock, Log& log)
      : store_(store), gate_(gate), servers_(servers), client_(client), clock_(clock), log_(log), next_(clock.now()) {}
  MonoTime next_tick() override { return next_; }
  void tick(MonoTime now) override;

 private:
  Status sync();
  Status store_news(const SessionGate::News& news);

  DirStore& store_;
  SessionGate& gate_;
  ServerTable& servers_;
  lock::LockClient& client_;
  Clock& clock_;
  Log& log_;
  MonoTime next_;
  bool reached_ = true;   // a change of it is logged
};

// Every second: orphans older than two seconds that no session uses, with their chunks, in synced commits. The two
// seconds are for whoever looked a name up just before it was removed and has not asked for its lease yet.
class OrphanSweep final : public Duty {
 public:
  OrphanSweep(DirStore& store, lock::LockClient& client, Clock& clock, Log& log)
      : store_(store), client_(client), clock_(clock), log_(log), next_(clock.now()) {}
  MonoTime next_tick() override { return next_; }
  void tick(MonoTime now) override;

 private:
  Status sweep();
  Status free_unused(const std::vector<InodeId>& orphans);
  Status free_all(std::vector<InodeId> unused);

  DirStore& store_;
  lock::LockClient& client_;
  Clock& clock_;
  Log& log_;
  MonoTime next_;
};

// Every second: what was answered without a sync is synced, if there is any.
class SyncTick final : public Duty {
 public:
  SyncTick(DirStore& store, Clock& clock, Log& log) : store_(store), log_(log), next_(clock.now()) {}
  MonoTime next_tick() override { return next_; }
  void tick(MonoTime now) override;

 private:
  DirStore& store_;
  Log& log_;
  MonoTime next_;
};

// Every two seconds: the log into the database file, so that no commit has to.
class Checkpointing final : public Duty {
 public:
  Checkpointing(DirStore& store, Clock& clock, Log& log) : store_(store), log_(log), next_(clock.now()) {}
  MonoTime next_tick() override { return next_; }
  void tick(MonoTime now) override;

 private:
  DirStore& store_;
  Log& log_;
  MonoTime next_;
  std::uint64_t done_ = 0;   // up to this commit
};

}  // namespace conclave::dir
