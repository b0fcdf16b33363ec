#include "client/secrets/secret_author.h"

#include <algorithm>

namespace conclave::client {

Status SecretAuthor::check_author(const Caller& caller) {
  const LoginPtr login = TRY(parts_.logins.find(caller.uid, parts_.clock.wall()));
  return parts_.vault.check_login(login->cert, vault::kAuthor);
}

Result<OpenDraftPtr> SecretAuthor::open(const Caller& caller, const InodePtr& inode, bool truncated) {
  TRY(check_author(caller));
  TRY(parts_.places.of(inode->id));
  const std::lock_guard lock(mutex_);
  std::erase_if(drafts_, [](const auto& entry) { return entry.second.expired(); });
  if (OpenDraftPtr shared = drafts_[inode->id].lock()) {
    const std::lock_guard inner(shared->mutex);
    if (truncated) TRY(shared->draft.resize(0));
    return shared;
  }
  auto draft = std::make_shared<OpenDraft>(truncated);
  drafts_[inode->id] = draft;
  return draft;
}

Result<std::size_t> SecretAuthor::write(OpenDraft& draft, const WriteRequest& request, bool append) {
  if (request.from_page_cache) return Error(Errc::kNotSupported, "a secret cannot be written through a mapping");
  const std::lock_guard lock(draft.mutex);
  TRY(draft.draft.write(append ? draft.draft.size() : request.offset, request.bytes));
  return request.bytes.size();
}

Status SecretAuthor::resize(const Caller& caller, const InodePtr& inode, std::uint64_t size) {
  OpenDraftPtr draft;
  {
    const std::lock_guard lock(mutex_);
    const auto at = drafts_.find(inode->id);
    if (at != drafts_.end()) draft = at->second.lock();
  }
  if (!draft) {  // truncate(2) by name: an empty version
    if (size != 0) return Error(Errc::kNotSupported, "a secret is replaced whole, not cut");
    draft = TRY(open(caller, inode, true));
    return seal(caller.uid, inode, *draft, true);
  }
  const std::lock_guard lock(draft->mutex);
  return draft->draft.resize(size);
}

Status SecretAuthor::seal(std::uint32_t uid, const InodePtr& inode, OpenDraft& draft, bool last_close) {
  SecretBytes content;
  for (;;) {  // one seal of an inode at a time
    const auto seen = parts_.waiter.observe(&draft);
    {
      const std::lock_guard lock(draft.mutex);
      if (!draft.sealing) {   // else what is under way may fail, and is owed still
        if (!draft.draft.needs_seal(last_close)) return {};
        draft.sealing = true;
        content = draft.draft.content();
        draft.draft.sealed();
        break;
      }
    }
    parts_.waiter.wait(&draft, seen, kNever);
  }
  Status status;
  for (int attempt = 1; attempt <= kAttempts; ++attempt) {
    status = seal_once(uid, inode, content);
    const bool again = !status && (status.error().code == Errc::kStale || status.error().code == Errc::kRestarted);
    if (!again) break;
  }
  {
    const std::lock_guard lock(draft.mutex);
    draft.sealing = false;
    if (!status) draft.draft.not_sealed();
  }
  parts_.waiter.wake(&draft);
  return status;
}

// Under one lease from the look at the newest version to the vault's answer: the payload's place goes by the version's
// number, and another writer of the same number would write over it before this one's put.
Status SecretAuthor::seal_once(std::uint32_t uid, const InodePtr& inode, const SecretBytes& content) {
  const LoginPtr login = TRY(parts_.logins.find(uid, parts_.clock.wall()));
  const SecretPlaces::Place place = TRY(parts_.places.of(inode->id));
  const auto use = TRY(parts_.inodes.lease(inode, LeaseMode::kWrite));
  std::uint64_t version = 1;
  const auto newest = parts_.vault.newest(inode->id);
  if (newest) version = newest->header.core.version + 1;
  if (!newest && newest.error().code != Errc::kNotFound) return newest.error();
  const auto sealed = TRY(parts_.vault.seal(content, {.secret = parts_.vault.id_of(inode->id), .version = version,
                                                .directory = place.policy.directory, .path = place.path},
                                      place.policy, *login));
  const std::string permit = TRY(permit_to_put(uid, inode->id, sealed.header.hash()));
  TRY(store_payload(*inode, held_of(use), version, sealed.payload));
  return parts_.vault.put(sealed, permit);
}

// D's word for the vault, which knows no names.
Result<std::string> SecretAuthor::permit_to_put(std::uint32_t uid, InodeId secret, const Hash& version) {
  const auto seen = parts_.table.seen(secret);
  dir::v1::PermitPutRequest request;
  request.mutable_caller()->set_uid(uid);
  request.set_path(seen ? seen->path : "");
  request.set_secret(raw(secret));
  request.set_version(string_of(version));
  return TRY(parts_.servers.dir()->permit_put(request)).permit();
}

Status SecretAuthor::store_payload(Inode& inode, const Held& held, std::uint64_t version, ByteView payload) {
  ChunkIo& chunks = parts_.chunks;
  Landing landing;
  for (std::size_t done = 0; done < payload.size();) {
    const ByteView piece = payload.subspan(done, std::min(kMaxIoBytes, payload.size() - done));
    const Landing next = TRY(chunks.write(inode, held, payload_offset(version) + done, piece));
    if (done != 0 && next != landing) return Error(Errc::kRestarted, "the file server was restarted under the payload");
    landing = next;
    done += piece.size();
  }
  WriteBuffer::Landings restarted;
  return chunks.commit(inode, held, {{version, landing}}, restarted);
}

std::optional<std::uint64_t> SecretAuthor::draft_size(InodeId inode) const {
  const std::lock_guard lock(mutex_);
  const auto at = drafts_.find(inode);
  if (at == drafts_.end()) return std::nullopt;
  const OpenDraftPtr draft = at->second.lock();
  if (!draft) return std::nullopt;
  const std::lock_guard inner(draft->mutex);
  return draft->draft.begun() ? std::optional(draft->draft.size()) : std::nullopt;
}

}  // namespace conclave::client
