#include "dirserver/healing.h"

#include "base/limits.h"
#include "dirserver/dir_chains.h"

namespace conclave::dir {
namespace {

constexpr Duration kLook = 250ms;
constexpr Duration kIdleLook = 1s;             // while nothing can be done
constexpr std::size_t kLookAtOnce = 500;       // chunks, each way: ~2 ms
constexpr Duration kForgotten = 10min;         // a copy takes a second; a master that says nothing for so long forgot it

}  // namespace

void Healing::tick(MonoTime now) {
  found_ = false;
  const Status status = heal();
  next_ = now + (found_ ? kLook : Duration(kIdleLook));
  if (!status && !failing_) log_.error("copies cannot be looked after", {{"error", status.error()}});
  failing_ = !status.has_value();
}

Status Healing::heal() {
  const MonoTime now = clock_.now();
  const Hosts hosts = servers_.hosts(now);
  if (hosts.empty()) return {};
  const auto away = [&](ServerId id) { return raw(id) != 0 && !hosts.at(id).up; };
  jobs_.drop_if([&](const HealJobs::Job& job) {
    return away(job.master) || away(job.newcomer) || job.since + kForgotten < now;
  });
  for (unsigned copies = 1; copies < options_.replicas; ++copies) {
    const Look look = [=](View& view, const ChunkPlace& after, std::size_t limit) {
      return view.chunks_with_copies(copies, after, limit);
    };
    TRY(walk(too_few_[copies], look, hosts));
  }
  for (const auto& [id, host] : hosts) {
    const auto at = [](ServerId server, bool in_sync) -> Look {
      return [=](View& view, const ChunkPlace& after, std::size_t limit) {
        return view.copies_at(server, in_sync, after, limit);
      };
    };
    if (host.leaving) TRY(walk(leaving_[id], at(id, true), hosts));
    TRY(walk(former_[id], at(id, false), hosts));
  }
  return {};
}

Status Healing::walk(ChunkPlace& after, const Look& look, const Hosts& hosts) {
  const ChunkPlace from = after;
  const auto chunks = TRY(store_.read<std::vector<Chunk>>([&](View& view) -> Result<std::vector<Chunk>> {
    std::vector<Chunk> out;
    for (const ChunkPlace& place : TRY(look(view, from, kLookAtOnce))) {
      if (auto chunk = TRY(view.chunk(place.inode, place.position))) out.push_back(*std::move(chunk));
    }
    return out;
  }));
  after = chunks.size() < kLookAtOnce ? ChunkPlace{} : ChunkPlace{chunks.back().inode, chunks.back().position};
  std::vector<ChunkPlace> to_change;
  for (const Chunk& chunk : chunks) TRY(act(chunk, hosts, to_change));
  return to_change.empty() ? Status() : change(to_change, hosts);
}

Status Healing::act(const Chunk& chunk, const Hosts& hosts, std::vector<ChunkPlace>& to_change) {
  if (jobs_.busy(chunk.chunk)) return {};
  const HealStep step = heal_step(chunk, hosts, options_.replicas, options_.after);
  if (step.kind != HealStep::Kind::kNothing) found_ = true;
  switch (step.kind) {
    case HealStep::Kind::kNothing: return {};
    case HealStep::Kind::kCopyTo: return copy_to(chunk, step.servers);
    case HealStep::Kind::kCopyAnywhere: return copy_anywhere(chunk);
    default: to_change.push_back({chunk.inode, chunk.position}); return {};
  }
}

Status Healing::copy_to(const Chunk& chunk, const std::vector<ServerId>& servers) {
  const MonoTime now = clock_.now();
  for (const ServerId server : servers) {
    if (jobs_.failed_lately(chunk.chunk, server, now)) continue;
    jobs_.add({{chunk.inode, chunk.position}, chunk.chunk, chunk.members.front(), server, now}, options_.at_once);
    return {};
  }
  return copy_anywhere(chunk);   // it is up and takes nothing: a full disk
}

// Listed before it is made: whatever becomes of it, it is freed with the chunk.
Status Healing::copy_anywhere(const Chunk& chunk) {
  const MonoTime now = clock_.now();
  const auto has_some = [&](ServerId id) {
    return is_member(chunk, id) || is_former(chunk, id) || jobs_.failed_lately(chunk.chunk, id, now);
  };
  const ServerId master = chunk.members.front();
  if (jobs_.of_master(master).size() >= options_.at_once) return {};
  const auto chosen = servers_.choose_one(has_some, now);
  if (!chosen) return {};   // nobody has room: status says how many copies are missing
  const ServerId newcomer = *chosen;
  bool listed = false;
  TRY(store_.commit_status(true, [&](Change& change) -> Status {
    listed = false;
    auto current = TRY(change.view().chunk(chunk.inode, chunk.position));
    if (!current || current->chunk != chunk.chunk || current->chainver != chunk.chainver) return {};
    if (TRY(change.view().is_freed(newcomer, chunk.chunk))) return {};   // it still removes an earlier copy
    if (!expect(*current, newcomer)) return {};
    TRY(change.put_chunk(*current, false));
    listed = true;
    return {};
  }));
  if (listed) jobs_.add({{chunk.inode, chunk.position}, chunk.chunk, master, newcomer, now}, options_.at_once);
  return {};
}

// As it is found within the commit: others may have changed it since it was looked at.
Status Healing::change(const std::vector<ChunkPlace>& places, const Hosts& hosts) {
  std::vector<Chunk> to_tell;
  TRY(store_.commit_status(true, [&](Change& change) -> Status {
    to_tell.clear();
    for (const ChunkPlace& place : places) {
      for (Chunk& chunk : TRY(change_one(change, place, hosts))) to_tell.push_back(std::move(chunk));
    }
    return {};
  }));
  for (const Chunk& chunk : to_tell) tell_members(chunk);
  return {};
}

// What the new master is to tell its members: one that stepped back refuses what it was asked under the older permits.
Result<std::vector<Chunk>> Healing::change_one(Change& change, const ChunkPlace& place, const Hosts& hosts) {
  auto chunk = TRY(change.view().chunk(place.inode, place.position));
  if (!chunk) return std::vector<Chunk>();
  const HealStep step = heal_step(*chunk, hosts, options_.replicas, options_.after);
  const auto leaves = [&](ServerId id) {
    const auto found = hosts.find(id);
    return found == hosts.end() || found->second.leaving;
  };
  if (step.kind == HealStep::Kind::kStepBack && step_back(*chunk, leaves)) {
    TRY(change.put_chunk(*chunk, false));
    return std::vector<Chunk>{*std::move(chunk)};
  }
  if (step.kind == HealStep::Kind::kLeave && leave(*chunk, leaves, change.placing().min_insync)) {
    TRY(change.put_chunk(*chunk, false));
  } else if (step.kind == HealStep::Kind::kFree) {
    for (const ServerId server : step.servers) TRY(change.free_copy(*chunk, server));
    TRY(change.put_chunk(*chunk, false));
  }
  return std::vector<Chunk>();
}

void Healing::tell_members(const Chunk& chunk) {
  jobs_.add({{chunk.inode, chunk.position}, chunk.chunk, chunk.members.front(), ServerId{0}, clock_.now()}, SIZE_MAX);
}

}  // namespace conclave::dir
