#include "fileserver/admission.h"

#include <algorithm>

namespace conclave::file {
namespace {

bool allows(LeaseMode mode, Admission::Need need) {
  switch (mode) {
    case LeaseMode::kRead:
    case LeaseMode::kSharedRead: return need == Admission::Need::kRead;
    case LeaseMode::kShared: return need != Admission::Need::kWrite;
    case LeaseMode::kWrite: return true;
    default: return false;
  }
}

Result<SealedPermit> open_permit(const Standing& standing, std::string_view sealed) {
  SealedPermit out;
  out.permit = TRY(standing.keys->open_permit(view_of(sealed)));
  out.sealed = std::string(sealed);
  if (out.permit.chunk == ChunkId{0}) return Error(Errc::kInvalid, "a permit for no chunk");
  if (std::ranges::find(out.permit.members, standing.id) == out.permit.members.end()) {
    return Error(Errc::kStale, "the chunk is not on this file server");
  }
  return out;
}

Status check_fence(const Standing& standing, SessionId session) {
  if (!standing.fenced->contains(session)) return {};
  return Error(Errc::kFenced, "the session has ended: what it holds is not taken any more");
}

}  // namespace

Result<Admission::Admitted> Admission::admit(const CallContext& context, ByteView token, std::string_view permit,
                                             Need need) {
  Admitted out;
  out.standing = TRY(membership_.serving());
  out.token = TRY(out.standing->keys->open_lease(token));
  if (out.token.holder != holder_of(context.peer.fingerprint)) {
    return Error(Errc::kAccess, "the lease token was given to another");
  }
  if (context.op.sequence != 0 && context.op.session != out.token.session) {
    return Error(Errc::kAccess, "the operation is another session's");
  }
  TRY(check_fence(*out.standing, out.token.session));
  if (!allows(out.token.mode, need)) return Error(Errc::kAccess, "the lease does not allow this");
  out.chunk = TRY(chunk_of(out, permit, need != Need::kRead));
  const std::lock_guard lock(mutex_);
  TRY(floors_.admit(out.token.inode, out.token.mode, out.token.seq));
  return out;
}

Status Admission::still(const Admitted& admitted) {
  const auto standing = TRY(membership_.serving());
  TRY(check_fence(*standing, admitted.token.session));
  const std::lock_guard lock(mutex_);
  return floors_.admit(admitted.token.inode, admitted.token.mode, admitted.token.seq);
}

Result<SealedPermit> Admission::chunk_of(const Admitted& admitted, std::string_view permit, bool as_master) {
  auto chunk = TRY(open_permit(*admitted.standing, permit));
  if (chunk.permit.inode != admitted.token.inode) return Error(Errc::kAccess, "the lease is another file's");
  if (as_master && chunk.permit.members.front() != admitted.standing->id) {
    return Error(Errc::kStale, "this file server is not the chunk's master");
  }
  return newest(std::move(chunk));
}

Result<SealedPermit> Admission::newest(SealedPermit chunk) {
  const std::lock_guard lock(mutex_);
  TRY(chains_.admit(chunk.permit.chunk, chunk.permit.chainver));
  return chunk;
}

Result<SealedPermit> Admission::from_master(const CallContext& context, std::string_view permit) {
  const auto standing = TRY(membership_.serving());
  auto chunk = TRY(open_permit(*standing, permit));
  const auto master = standing->members.find(chunk.permit.members.front());
  if (master == standing->members.end()) {
    return Error(Errc::kUnavailable, "the chunk's master registered a moment ago and is not known here yet");
  }
  if (master->second.name() != context.peer.name) return Error(Errc::kAccess, "only the chunk's master may ask this");
  return newest(std::move(chunk));
}

}  // namespace conclave::file
