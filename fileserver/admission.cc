#include "fileserver/admission.h"

#include <algorithm>

namespace conclave::file {
namespace {

bool allows(LeaseMode mode, Admission::Need need) {
  switch (mode) {
    case LeaseMode::kRead:
    case LeaseMode::kSharedRead: return need == Admission::Need::kRead || need == Admission::Need::kAsk;
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

// Nothing here, where every member has made something durable, is a loss and not emptiness.
Status check_copy(ChunkStore& store, Membership& membership, const ChunkPermit& permit) {
  if (membership.copies().is_lacking(permit.chunk)) {
    return Error(Errc::kCorrupt, "this file server's copy of the chunk is no good");
  }
  const auto held = store.sequence(permit.chunk);
  if (held && (*held != 0 || !permit.born)) return {};
  Error why = held ? Error(Errc::kCorrupt, "this file server has lost its copy of the chunk") : held.error();
  if (why.code == Errc::kCorrupt) membership.report_lacking(CopyBook::Named::of(permit), why);
  return why;
}

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
  TRY(membership_.admit(out.token));
  return out;
}

Status Admission::still(const Admitted& admitted) {
  const auto standing = TRY(membership_.serving());
  TRY(check_fence(*standing, admitted.token.session));
  return membership_.admit(admitted.token);
}

Result<SealedPermit> Admission::chunk_of(const Admitted& admitted, std::string_view permit, bool as_master) {
  auto chunk = TRY(open_permit(*admitted.standing, permit));
  if (chunk.permit.inode != admitted.token.inode) return Error(Errc::kAccess, "the lease is another file's");
  if (as_master && chunk.permit.members.front() != admitted.standing->id) {
    return Error(Errc::kStale, "this file server is not the chunk's master");
  }
  chunk = TRY(newest(std::move(chunk)));   // an older permit says nothing of what should be here
  if (admitted.standing->careful) TRY(membership_.verify(chunk.permit, chunk.sealed));
  const Status good = check_copy(store_, membership_, chunk.permit);
  if (!good && good.error().code == Errc::kCorrupt && as_master) {
    if (TRY(membership_.leave(chunk.permit, chunk.sealed, good.error()))) {
      return Error(Errc::kStale, "this file server's copy is no good: another is the chunk's master now");
    }
  }
  TRY(Status(good));
  return chunk;
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
