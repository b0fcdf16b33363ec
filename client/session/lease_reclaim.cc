// LeaseCache: after a restart of the lock server. Leases, what is cached under them and dirty bytes stay; only the
// numbers and tokens are new. A lease that was going back is not claimed, or only what was to be kept of it: the last run
// may have given the rest away.
#include <algorithm>

#include "client/session/lease_cache.h"
#include "client/session/lease_entry.h"
#include "lockserver/lock_client.h"

namespace conclave::client {

std::vector<LeaseCache::Claim> LeaseCache::begin_reclaim(std::uint32_t epoch) {
  ++era_;
  granting_.store(false);
  least_seq_.store(std::uint64_t{epoch} << 32);   // grants of before that are still on their way are void
  std::vector<Claim> claims;
  for (std::size_t i = 0; i < kShards; ++i) {
    const std::lock_guard lock(shards_[i].mutex);
    for (auto& [inode, entry] : shards_[i].entries) {
      entry.asked = 0;   // whoever waits asks again
      entry.early_seq = 0;
      deliver(entry);
      if (!entry.lease) continue;
      const LeaseMode keep = entry.returning ? entry.keep : entry.lease->mode;
      if (keep != LeaseMode::kNone) claims.push_back({inode, entry.lease->seq, keep, entry.lease->token});
    }
  }
  return claims;
}

void LeaseCache::end_reclaim(const std::vector<std::pair<Claim, HeldLease>>& reclaimed) {
  for (auto [claim, lease] : reclaimed) {
    if (!take_reclaimed(claim, lease)) {
      add_job({JobKind::kNotHeld, claim.inode, lease.seq});   // it went back meanwhile
      continue;
    }
    hooks_.renewed(claim.inode, lease);
  }
}

// `lease` is held since as long as the one that was claimed.
bool LeaseCache::take_reclaimed(const Claim& claim, HeldLease& lease) {
  Shard& shard = shard_of(claim.inode);
  const std::lock_guard lock(shard.mutex);
  LeaseEntry& entry = shard.make(claim.inode);
  entry.last_seq = std::max(entry.last_seq, lease.seq);
  const bool held = entry.lease && entry.lease->seq == claim.seq;
  if (held) {
    lease.since = entry.lease->since;
    entry.lease = std::make_shared<const HeldLease>(lease);
  }
  erase_if_idle(shard, claim.inode);
  return held;
}

void LeaseCache::on_grace(bool over) {
  granting_.store(over);
  if (over) deliver_session();
}

}  // namespace conclave::client
