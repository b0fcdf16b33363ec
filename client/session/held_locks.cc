#include "client/session/held_locks.h"

#include <algorithm>
#include <utility>

namespace conclave::client {
namespace {

using lock::LockType;

lock::LockOwner in_table(std::uint64_t owner) { return {SessionId{}, owner}; }

lock::v1::LockClaim claim_of(InodeId inode, bool flock, std::uint64_t owner, LockType type, lock::LockRange range,
                             std::uint32_t pid, const std::string& proof) {
  lock::v1::LockClaim out;
  out.set_inode(raw(inode));
  out.set_kind(flock ? lock::v1::FLOCK : lock::v1::POSIX);
  out.set_owner(owner);
  out.set_type(static_cast<lock::v1::LockType>(type));
  out.mutable_range()->set_start(range.start);
  out.mutable_range()->set_end(range.end);
  out.set_pid(pid);
  out.set_proof(proof);
  return out;
}

}  // namespace

void HeldLocks::give_up(const Request& request) {
  const auto found = held_.find(owner_of(request));
  if (found == held_.end()) return;
  found->second.ranges.set(in_table(request.owner), request.range, LockType::kUnlock, 0);
  if (found->second.ranges.empty()) held_.erase(found);
}

void HeldLocks::hold(const Request& request, const std::string& proof) {
  if (request.type == LockType::kUnlock) return;
  Held& held = held_[owner_of(request)];
  held.ranges.set(in_table(request.owner), request.range, request.type, request.pid);
  held.handles.insert(request.handle);
  if (!proof.empty()) held.proof = proof;
}

// What it has there exclusively and asks to share.
void HeldLocks::downgrade(lock::RangeLocks& ranges, const Request& request) const {
  for (const lock::HeldRange& held : std::vector(ranges.all())) {
    if (held.type != LockType::kExclusive || !held.range.overlaps(request.range)) continue;
    const lock::LockRange both{std::max(held.range.start, request.range.start), std::min(held.range.end, request.range.end)};
    ranges.set(in_table(request.owner), both, LockType::kShared, held.pid);
  }
}

// flock's conversion gives the old lock up before it asks (flock(2)).
std::uint64_t HeldLocks::sending(const Request& request) {
  const std::lock_guard lock(mutex_);
  const auto held = held_.find(owner_of(request));
  const bool converts = request.flock && held != held_.end() && held->second.ranges.all().front().type != request.type;
  if (request.type == LockType::kUnlock || converts) give_up(request);
  asked_.emplace(next_, Asked{request, era_, false, 0, {}});
  return next_++;
}

bool HeldLocks::granted(std::uint64_t number, const std::string& proof) {
  const std::lock_guard lock(mutex_);
  const auto found = asked_.find(number);
  if (found == asked_.end()) return false;
  const Asked asked = std::move(found->second);
  asked_.erase(found);
  if (asked.era != era_ && asked.request.type != LockType::kUnlock) return false;
  hold(asked.request, proof);
  return true;
}

bool HeldLocks::queued(std::uint64_t number, const Request& request, std::uint64_t place, const std::string& proof) {
  const std::lock_guard lock(mutex_);
  const auto found = asked_.find(number);
  if (found == asked_.end()) {   // its event was quicker
    const auto held = held_.find(owner_of(request));
    if (held != held_.end() && held->second.proof.empty()) held->second.proof = proof;
    return true;
  }
  if (found->second.era != era_) {
    asked_.erase(found);
    return false;
  }
  found->second.queued = true;
  found->second.place = place;
  found->second.proof = proof;
  return true;
}

void HeldLocks::refused(std::uint64_t number, bool may_have_happened) {
  const std::lock_guard lock(mutex_);
  const auto found = asked_.find(number);
  if (found == asked_.end()) return;
  const Request request = found->second.request;
  asked_.erase(found);
  const auto held = held_.find(owner_of(request));
  if (may_have_happened && request.type == LockType::kShared && held != held_.end()) downgrade(held->second.ranges, request);
}

HeldLocks::AskedAt HeldLocks::waiting(std::uint64_t wait) {
  return std::ranges::find_if(asked_, [&](const auto& one) { return one.second.request.wait == wait; });
}

bool HeldLocks::answered(std::uint64_t wait, bool granted, std::uint64_t era) {
  const std::lock_guard lock(mutex_);
  if (era != era_) return false;
  const auto found = waiting(wait);
  if (found == asked_.end() || found->second.era != era_) return false;
  if (granted) hold(found->second.request, found->second.proof);
  asked_.erase(found);
  return true;
}

void HeldLocks::cancelled(std::uint64_t wait) {
  const std::lock_guard lock(mutex_);
  if (const auto found = waiting(wait); wait != 0 && found != asked_.end()) asked_.erase(found);
}

std::vector<std::uint64_t> HeldLocks::abandoned(const Request& request) {
  const std::lock_guard lock(mutex_);
  const auto held = held_.find(owner_of(request));
  if (held == held_.end()) return {};
  const auto there = [&](const lock::HeldRange& one) { return one.range.overlaps(request.range); };
  if (std::ranges::none_of(held->second.ranges.all(), there)) return {};
  std::vector<std::uint64_t> lost(held->second.handles.begin(), held->second.handles.end());
  give_up(request);
  return lost;
}

std::uint64_t HeldLocks::era() const {
  const std::lock_guard lock(mutex_);
  return era_;
}

std::vector<HeldLocks::Claim> HeldLocks::claims() {
  const std::lock_guard lock(mutex_);
  ++era_;
  std::vector<Claim> out;
  for (const auto& [owner, held] : held_) {
    lock::RangeLocks ranges = held.ranges;
    for (const auto& [number, asked] : asked_) {
      if (owner_of(asked.request) == owner && asked.request.type == LockType::kShared) downgrade(ranges, asked.request);
    }
    for (const lock::HeldRange& one : ranges.all()) {
      out.push_back({claim_of(owner.inode, owner.flock, owner.id, one.type, one.range, one.pid, held.proof), owner.inode, owner.flock});
    }
  }
  for (auto& [number, asked] : asked_) {
    if (!asked.queued) continue;
    asked.era = era_;
    const Request& request = asked.request;
    out.push_back({claim_of(request.inode, request.flock, request.owner, request.type, request.range, request.pid, asked.proof),
                   request.inode, request.flock});
    out.back().wire.set_wait(request.wait);
    out.back().wire.set_place(asked.place);
  }
  return out;
}

std::vector<std::uint64_t> HeldLocks::reclaimed(const Claim& claim, const lock::v1::ReclaimResponse::Lock& answer) {
  const std::lock_guard lock(mutex_);
  if (claim.wire.wait() != 0) {
    const auto found = waiting(claim.wire.wait());
    if (found != asked_.end()) found->second.proof = answer.proof();
    return {};
  }
  const auto found = held_.find({claim.inode, claim.flock, claim.wire.owner()});
  if (found == held_.end()) return {};   // unlocked meanwhile; L hears of it
  if (answer.errc().empty()) {
    found->second.proof = answer.proof();
    return {};
  }
  const std::vector<std::uint64_t> lost(found->second.handles.begin(), found->second.handles.end());
  held_.erase(found);
  return lost;
}

std::vector<std::uint64_t> HeldLocks::lose_all() {
  const std::lock_guard lock(mutex_);
  ++era_;
  std::vector<std::uint64_t> out;
  for (const auto& [owner, held] : held_) out.insert(out.end(), held.handles.begin(), held.handles.end());
  held_.clear();
  asked_.clear();
  return out;
}

}  // namespace conclave::client
