#include "fileserver/membership.h"

#include <ranges>
#include <utility>

#include "base/certificate.h"

namespace conclave::file {
namespace {

constexpr std::size_t kMostNamed = 1000;    // of each kind in one heartbeat
constexpr auto kAskAgain = 200ms;           // while D cannot be reached

EpochKeys::Key key_of(std::uint32_t epoch, const std::string& bytes) {
  return {epoch, SecretBytes::copy_of(view_of(bytes))};
}

}  // namespace

Result<Endpoint> Standing::back_of(ServerId server, const ClusterId& cluster) const {
  const auto found = members.find(server);
  if (found == members.end()) {
    return Error(Errc::kUnavailable, "file server " + std::to_string(raw(server)) + " is not known here");
  }
  const dir::v1::Member& member = found->second;
  return Endpoint{server_dns_name(Role::kFile, member.name(), cluster), member.host(),
                  static_cast<std::uint16_t>(member.back_port())};
}

Membership::Membership(Own own, dir::DirClient& dir, ChunkStore& store, SeenPast& past, Clock& clock, Log& log)
    : own_(std::move(own)), dir_(dir), store_(store), past_(past), clock_(clock), log_(log) {}

Result<std::shared_ptr<const Standing>> Membership::serving() const {
  std::shared_ptr<const Standing> standing;
  {
    const std::lock_guard lock(mutex_);
    standing = standing_;
  }
  if (standing == nullptr) return Error(Errc::kUnavailable, "this file server has not registered yet");
  if (clock_.now() >= standing->until) {
    return Error(Errc::kUnavailable, "this file server has not heard from the directory server for too long");
  }
  return standing;
}

void Membership::report_bad(ChunkId chunk, std::uint32_t block) {
  const std::lock_guard lock(mutex_);
  if (bad_.size() < kMostNamed || bad_.contains(chunk)) bad_[chunk].insert(block);
}

void Membership::mended(ChunkId chunk, std::uint32_t block) {
  const std::lock_guard lock(mutex_);
  const auto found = bad_.find(chunk);
  if (found == bad_.end()) return;
  found->second.erase(block);
  if (found->second.empty()) bad_.erase(found);
}

void Membership::mended(ChunkId chunk) {
  copies_.forget(chunk);
  const std::lock_guard lock(mutex_);
  bad_.erase(chunk);
}

void Membership::report_lacking(const CopyBook::Named& chunk, const Error& why) {
  if (!copies_.lacks(chunk)) return;
  log_.error("this server's copy of a chunk is no good: it is served no more", {{"chunk", raw(chunk.chunk)}, {"why", why}});
}

Status Membership::verify(const ChunkPermit& permit, const std::string& sealed) {
  if (copies_.is_verified(permit.chunk, permit.chainver)) return {};
  dir::v1::VerifyRequest request;
  request.set_permit(sealed);
  switch (TRY(dir_.verify(request)).verdict()) {
    case dir::v1::VerifyResponse::CURRENT: copies_.verified(permit.chunk, permit.chainver); return {};
    case dir::v1::VerifyResponse::DOUBTED:
      return Error(Errc::kCorrupt, "this file server came back with less than it had, and nobody else has this chunk: "
                                   "see `conclave recover fileserver`");
    default: return Error(Errc::kStale, "the chunk's members have changed since");
  }
}

Result<bool> Membership::leave(const ChunkPermit& permit, const std::string& sealed, const Error& why) {
  report_lacking(CopyBook::Named::of(permit), why);
  dir::v1::LeaveRequest request;
  request.add_permits(sealed);
  const auto answer = TRY(dir_.leave(request));
  if (answer.left_size() == 0) return false;
  copies_.left(permit.chunk);
  return true;
}

std::vector<dir::v1::BringIn> Membership::take_newcomers() {
  const std::lock_guard lock(mutex_);
  return std::exchange(newcomers_, {});
}

void Membership::report_failed_copy(ChunkId chunk) {
  const std::lock_guard lock(mutex_);
  not_copied_.insert(chunk);
}

std::vector<ChunkId> Membership::take_removals() {
  const std::lock_guard lock(mutex_);
  removing_ = std::exchange(to_remove_, {});
  return {removing_.begin(), removing_.end()};
}

void Membership::removed(const std::vector<ChunkId>& chunks, bool gone) {
  if (gone) {
    for (const ChunkId chunk : chunks) mended(chunk);
  }
  const std::lock_guard lock(mutex_);
  removing_.clear();
  if (gone) deleted_.insert(chunks.begin(), chunks.end());
}

void Membership::tick(MonoTime now) {
  next_ = now + kHeartbeat;
  if (!refusal_) return;
  if (store_.failed()) return;   // a disk that is out: D drops this server, which serves nothing any more
  const MonoTime sent = clock_.now();
  const Status status = id_ == ServerId{0} ? register_once(sent) : beat(sent);
  if (status) {
    said_.reset();
    return;
  }
  next_ = now + kAskAgain;
  if (status.error().code == Errc::kNotPermitted) {
    refusal_ = status;
    log_.error("the directory server refuses this file server", {{"why", status.error()}});
    return on_refusal_();
  }
  if (status.error().code == Errc::kStale) {
    id_ = ServerId{0};   // D was restarted, or lost its memory of us
    next_ = now;
    return;
  }
  if (said_ != status.error().code) log_.warning("the directory server gives no good answer", {{"why", status.error()}});
  said_ = status.error().code;
}

Status Membership::register_once(MonoTime sent) {
  const DiskSpace space = TRY(store_.space());
  dir::v1::RegisterRequest request;
  request.set_host(own_.host);
  request.set_port(own_.port);
  request.set_back_port(own_.back_port);
  request.set_instance(own_.instance);
  request.set_boot(own_.start);
  request.set_total_bytes(space.total_bytes);
  request.set_free_bytes(space.free_bytes);
  request.set_recovered_to(store_.recovered_to());
  *request.mutable_past() = past_.newest();
  request.set_highest_chunk(raw(store_.highest_chunk()));
  tell_floors(request);
  const auto answer = TRY(dir_.register_server(request));
  learn_floors(answer);
  TRY(store_.heard());
  id_ = ServerId{answer.id()};
  fence_ = 0;
  {
    const std::lock_guard lock(mutex_);
    standing_ = nullptr;   // fences come anew
  }
  careful_ = answer.careful();
  if (answer.behind() || answer.careful()) store_.lose_boot();
  if (answer.behind()) {
    log_.error("this folder holds less than it did (an old backup, or a damaged journal): its chunks are served again "
               "when they were compared with another copy", {{"journal", store_.recovered_to()}});
  }
  take(answer.first(), sent);
  log_.info("registered", {{"id", answer.id()}});
  return {};
}

Status Membership::admit(const LeaseToken& token) {
  const std::lock_guard lock(floors_mutex_);
  return floors_.admit(token.inode, token.mode, token.seq);
}

void Membership::tell_floors(dir::v1::RegisterRequest& request) const {
  const std::lock_guard lock(floors_mutex_);
  for (const FloorTable::Floor& floor : floors_.all()) {
    dir::v1::Floor& one = *request.add_floors();
    one.set_inode(raw(floor.inode));
    one.set_read(floor.read);
    one.set_shared(floor.shared);
    one.set_write(floor.write);
  }
}

// From the one that was seen longest ago to the latest, which is then the last to be forgotten.
void Membership::learn_floors(const dir::v1::RegisterResponse& answer) {
  const std::lock_guard lock(floors_mutex_);
  for (int i = answer.floors_size(); i-- > 0;) {
    const dir::v1::Floor& floor = answer.floors(i);
    floors_.know({InodeId{floor.inode()}, floor.read(), floor.shared(), floor.write()});
  }
}

Status Membership::beat(MonoTime sent) {
  const DiskSpace space = TRY(store_.space());
  dir::v1::HeartbeatRequest request;
  request.set_boot(own_.start);
  request.set_total_bytes(space.total_bytes);
  request.set_free_bytes(space.free_bytes);
  request.set_chunks(store_.counts.chunks);
  request.set_fence_acknowledged(fence_);
  request.set_synced_to(store_.synced_to());
  {
    const std::lock_guard lock(mutex_);
    for (const ChunkId chunk : deleted_ | std::views::take(kMostNamed)) request.add_deleted(raw(chunk));
    for (const auto& [chunk, blocks] : bad_) request.add_bad(raw(chunk));
    for (const ChunkId chunk : not_copied_ | std::views::take(kMostNamed)) request.add_not_copied(raw(chunk));
  }
  for (const CopyBook::Named& one : copies_.untold(kMostNamed)) {
    dir::v1::ChunkRef& lacking = *request.add_lacking();
    lacking.set_inode(raw(one.inode));
    lacking.set_index(one.index);
    lacking.set_chunk(raw(one.chunk));
  }
  const auto answer = TRY(dir_.heartbeat(request, kServesFor));
  {
    const std::lock_guard lock(mutex_);
    for (const std::uint64_t chunk : request.deleted()) deleted_.erase(ChunkId{chunk});
    for (const std::uint64_t chunk : request.not_copied()) not_copied_.erase(ChunkId{chunk});
  }
  for (const std::uint64_t chunk : answer.left()) copies_.left(ChunkId{chunk});
  take(answer, sent);
  return {};
}

void Membership::take(const dir::v1::HeartbeatResponse& answer, MonoTime sent) {
  past_.take(answer.past(), sent);
  auto next = std::make_shared<Standing>();
  std::shared_ptr<const Standing> before;
  {
    const std::lock_guard lock(mutex_);
    before = standing_;
  }
  next->id = id_;
  next->until = sent + kServesFor;
  next->careful = careful_;
  for (const auto& member : answer.members()) next->members[ServerId{member.id()}] = member;

  std::optional<EpochKeys::Key> previous;
  if (answer.previous_epoch() != 0) previous = key_of(answer.previous_epoch(), answer.previous_key());
  next->keys = std::make_shared<EpochKeys>(own_.cluster, key_of(answer.epoch(), answer.key()), std::move(previous));

  next->fenced = before ? before->fenced : std::make_shared<const std::unordered_set<SessionId>>();
  if (answer.fenced_size() > 0) {
    auto fenced = std::make_shared<std::unordered_set<SessionId>>(*next->fenced);
    for (const std::uint64_t session : answer.fenced()) fenced->insert(SessionId{session});
    next->fenced = std::move(fenced);
  }
  {
    const std::lock_guard lock(mutex_);
    standing_ = std::move(next);
    newcomers_.assign(answer.bring_in().begin(), answer.bring_in().end());
    for (const std::uint64_t id : answer.remove()) {   // D names them until it hears that they are gone
      const ChunkId chunk{id};
      if (!removing_.contains(chunk) && !deleted_.contains(chunk)) to_remove_.insert(chunk);
    }
  }
  fence_ = std::max(fence_, answer.newest_fence());   // acknowledged by the next heartbeat: it counts from now on
}

}  // namespace conclave::file
