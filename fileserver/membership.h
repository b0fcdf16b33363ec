// This server as D knows it: registers until D answers, then a heartbeat every 500 ms. Each answer brings the epoch's
// keys, the fences, the other servers, and what may be removed; it lets this server serve for two seconds from when
// its heartbeat was sent. After that everything is refused, reads included: D may have dropped it (docs/protocol.md,
// "File servers").
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_set>
#include <vector>

#include "base/daemon.h"
#include "base/floor_table.h"
#include "base/guarded.h"
#include "base/limits.h"
#include "dirserver/dir_client.h"
#include "fileserver/chunk_store.h"
#include "fileserver/copy_book.h"
#include "fileserver/seen_past.h"

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
  bool careful = false;   // D has doubted this folder: permits of before may name it still, so each is verified

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
    std::uint64_t start = 0;               // random, of this process: for D
  };
  Membership(Own own, dir::DirClient& dir, ChunkStore& store, SeenPast& past, Clock& clock, Log& log);

  // kUnavailable: not registered, or D has not been heard for too long. Any thread; does not block.
  Result<std::shared_ptr<const Standing>> serving() const;
  // A lease token that was opened: kOvertaken if a newer one that excludes it was seen, here or where D was asked.
  Status admit(const LeaseToken& token);
  [[nodiscard]] const Own& own() const { return own_; }
  [[nodiscard]] std::uint64_t boot() const { return store_.boot(); }
  // For D to know: no member has a good copy of this block; until it was mended, or read and found whole.
  void report_bad(ChunkId chunk, std::uint32_t block);
  void mended(ChunkId chunk, std::uint32_t block);
  void mended(ChunkId chunk);
  // This server's copy is no good: it is served no more, and D hears of it.
  void report_lacking(const CopyBook::Named& chunk, const Error& why);
  [[nodiscard]] CopyBook& copies() { return copies_; }
  // While Standing::careful: D is asked whether a permit is its last word; once for each chunk and version. kStale;
  // kCorrupt: it is, and what is here is not trusted. Blocks.
  Status verify(const ChunkPermit& permit, const std::string& sealed);
  // This server's copy is no good, and D is asked at once to take this server out. False: no other member is up, it stays. Blocks.
  Result<bool> leave(const ChunkPermit& permit, const std::string& sealed, const Error& why);
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
  void tell_floors(dir::v1::RegisterRequest& request) const;
  void learn_floors(const dir::v1::RegisterResponse& answer);
  void take(const dir::v1::HeartbeatResponse& answer, MonoTime sent);

  const Own own_;
  dir::DirClient& dir_;
  ChunkStore& store_;
  SeenPast& past_;
  Clock& clock_;
  Log& log_;
  // The duty's thread only.
  MonoTime next_{};
  ServerId id_{};                          // 0: not registered
  std::optional<Errc> said_ = Errc::kUnavailable;   // in the log, why D is not heard; not at the start
  bool careful_ = false;
  std::function<void()> on_refusal_ = [] {};
  Status refusal_;
  std::uint64_t fence_ = 0;
  CopyBook copies_;                        // synchronizes itself

  mutable std::mutex floors_mutex_;
  FloorTable floors_ GUARDED_BY(floors_mutex_);

  mutable std::mutex mutex_;
  std::shared_ptr<const Standing> standing_ GUARDED_BY(mutex_);
  std::map<ChunkId, std::set<std::uint32_t>> bad_ GUARDED_BY(mutex_);   // blocks
  std::vector<dir::v1::BringIn> newcomers_ GUARDED_BY(mutex_);   // of the newest answer, until taken
  std::set<ChunkId> not_copied_ GUARDED_BY(mutex_);
  std::set<ChunkId> to_remove_ GUARDED_BY(mutex_);
  std::set<ChunkId> removing_ GUARDED_BY(mutex_);   // taken by the duty
  std::set<ChunkId> deleted_ GUARDED_BY(mutex_);    // D has not answered that it knows
};

}  // namespace conclave::file
