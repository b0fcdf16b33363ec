#include "fileserver/removal_duty.h"

namespace conclave::file {
namespace {

constexpr Duration kLook = 200ms;

}  // namespace

void RemovalDuty::tick(MonoTime now) {
  next_ = now + kLook;
  if (store_.failed()) return;
  const std::vector<ChunkId> chunks = membership_.take_removals();
  if (chunks.empty()) return;
  const Status removed = store_.remove(chunks);
  if (!removed) log_.warning("chunks could not be removed", {{"why", removed.error()}});
  if (removed) replicator_.forget(chunks);
  membership_.removed(chunks, removed.has_value());
}

}  // namespace conclave::file
