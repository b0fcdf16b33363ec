// This server as D knows it: registers until D answers, then a heartbeat every 500 ms. Each answer brings the epoch's
// keys, the fences, the other servers, and what may be removed; it lets this server serve for two seconds from when
// its heartbeat was sent. After that everything is refused, reads included: D may have dropped it (docs/protocol.md,
// "File servers").
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_set>
#include <vector>

#include "base/daemon.h"
#include "base/guarded.h"
#include "base/limits.h"
#include "dirserver/dir_client.h"
#include "fileserver/chunk_store.h"

namespace conclave::file {

// Below kFileServerDead, after which D replaces this server: dirserver/server_table.cc says why that is enough.
inline constexpr auto kServesFor = 2s;

// What one answer said. Never changes.
struct Standing {
  ServerId id{};
  std::shared_ptr<const EpochKeys> keys;
  std::shared_ptr<const std::unordered_set<SessionId>> fenced;
  std::map<ServerId, dir::v1::Member> members;
  MonoTime until{};

  // Where the server's back port is; kUnavailable if D has not named it.
  Result<Endpoint> back_of(ServerId server, const ClusterId& cluster) const;
};

class Membership final : public Duty {
 public:
  struct Own {
    ClusterId cluster{};
    std::string host;
    std::uint16_t port = 0, back_port = 0;
    std::string instance;                  // 16 bytes
    std::uint64_t boot = 0;
  };
  Membership(Own own, dir::DirClient& dir, ChunkStore& store, Clock& clock, Log& log);

  // kUnavailable: not registered, or D has not been heard for too long. Any thread; does not block.
  Result<std::shared_ptr<const Standing>> serving() const;
  [[nodiscard]] const Own& own() const { return own_; }
  [[nodiscard]] std::uint64_t boot() const { return own_.boot; }
  // For D to know: no member has a good copy of a block of it.
  void report_bad(ChunkId chunk);
  // For NewcomerDuty: the copies that D wants this server to make now. Those that fail are told to D.
  std::vector<dir::v1::BringIn> take_newcomers();
  void report_failed_copy(ChunkId chunk);
  // For RemovalDuty: what D said may go, each once until removed() was told of it.
  std::vector<ChunkId> take_removals();
  // `gone`: also after power loss; D hears of it with the next heartbeat. Else it will name them again.
  void removed(const std::vector<ChunkId>& chunks, bool gone);
  // While wiring: called once, from tick(), when D says that this folder will never be let in (another one joined with the
  // same token). Nothing is asked any more after that.
  void on_refusal(std::function<void()> hook) { on_refusal_ = std::move(hook); }
  // Why, once it was called; read it when the duty has ended.
  [[nodiscard]] const Status& refusal() const { return refusal_; }

  MonoTime next_tick() override { return next_; }
  void tick(MonoTime now) override;

 private:
  Status register_once(MonoTime sent);
  Status beat(MonoTime sent);
  void take(const dir::v1::HeartbeatResponse& answer, MonoTime sent);

  const Own own_;
  dir::DirClient& dir_;
  ChunkStore& store_;
  Clock& clock_;
  Log& log_;
  // The duty's thread only.
  MonoTime next_{};
  ServerId id_{};                          // 0: not registered
  bool lost_ = true;                       // said so in the log
  std::function<void()> on_refusal_ = [] {};
  Status refusal_;
  std::uint64_t fence_ = 0;

  mutable std::mutex mutex_;
  std::shared_ptr<const Standing> standing_ GUARDED_BY(mutex_);
  std::set<ChunkId> bad_ GUARDED_BY(mutex_);
  std::vector<dir::v1::BringIn> newcomers_ GUARDED_BY(mutex_);   // of the newest answer, until taken
  std::set<ChunkId> not_copied_ GUARDED_BY(mutex_);
  std::set<ChunkId> to_remove_ GUARDED_BY(mutex_);
  std::set<ChunkId> removing_ GUARDED_BY(mutex_);   // taken by the duty
  std::set<ChunkId> deleted_ GUARDED_BY(mutex_);    // D has not answered that it knows
};

}  // namespace conclave::file
