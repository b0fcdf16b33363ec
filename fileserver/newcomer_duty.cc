#include "fileserver/newcomer_duty.h"

#include <algorithm>

#include "fileserver/admission.h"

namespace conclave::file {
namespace {

constexpr Duration kLook = 100ms;

SealedPermit opened(const Standing& standing, const std::string& sealed, Status& status) {
  auto permit = standing.keys->open_permit(view_of(sealed));
  if (!permit) status = permit.error();
  return {permit ? *std::move(permit) : ChunkPermit{}, sealed};
}

}  // namespace

void NewcomerDuty::tick(MonoTime now) {
  next_ = now + kLook;
  for (const dir::v1::BringIn& wanted : membership_.take_newcomers()) {
    if (store_.failed()) return;
    const Status done = bring_in(wanted);
    if (done) continue;
    const Errc code = done.error().code;
    if (code == Errc::kStale) continue;   // it was done, or D has other wishes by now
    log_.warning("a copy of a chunk could not be made", {{"member", wanted.server()}, {"why", done.error()}});
    membership_.report_failed_copy(ChunkId{wanted.chunk()});
  }
}

Status NewcomerDuty::bring_in(const dir::v1::BringIn& wanted) {
  const auto standing = TRY(membership_.serving());
  Status opening;
  const SealedPermit chunk = opened(*standing, wanted.permit(), opening);
  TRY(std::move(opening));
  TRY(check_own(*standing, chunk));
  if (wanted.server() == 0) return replicator_.tell_members(chunk);
  const SealedPermit copy = opened(*standing, wanted.copy_permit(), opening);
  TRY(std::move(opening));
  const std::uint64_t rate = std::max<std::uint64_t>(1, wanted.mib_per_second()) << 20;
  return replicator_.bring_in(chunk, copy, ServerId{wanted.server()}, [&](std::size_t bytes) { pace(bytes, rate); });
}

// What is lost or not trusted here is given to nobody; nor is it made to look like a chunk by a change of its members.
Status NewcomerDuty::check_own(const Standing& standing, const SealedPermit& chunk) {
  if (standing.careful) TRY(membership_.verify(chunk.permit, chunk.sealed));
  Status good = check_copy(store_, membership_, chunk.permit);
  if (!good && good.error().code == Errc::kCorrupt) TRY(membership_.leave(chunk.permit, chunk.sealed, good.error()));
  return good;
}

void NewcomerDuty::pace(std::size_t bytes, std::uint64_t bytes_per_second) {
  const auto takes = std::chrono::duration<double>(static_cast<double>(bytes) / static_cast<double>(bytes_per_second));
  sent_until_ = std::max(sent_until_, clock_.now()) + std::chrono::duration_cast<Duration>(takes);
  clock_.sleep_until(sent_until_);
}

}  // namespace conclave::file
