#include "client/tree/fs.h"

#include <utility>

namespace conclave::client {

Fs::Fs(FsParts parts) : parts_(std::move(parts)) {
  FileClass& plain = parts_.classes.of(dir::v1::PLAIN);
  plain.attributes = [this](const Caller&, const InodePtr& inode) { return plain_attributes(inode); };
  plain.open = [this](const Caller& caller, OpenFile& file) { return plain_open(caller, file); };
  plain.read = [this](const Caller&, OpenFile& file, const ReadRequest& request) { return plain_read(file, request); };
  plain.write = [this](const Caller& caller, OpenFile& file, const WriteRequest& request) {
    return plain_write(caller, file, request);
  };
  plain.resize = [this](const Caller& caller, const InodePtr& inode, const OpenFile* through, std::uint64_t size) {
    return plain_resize(caller, inode, through, size);
  };
  plain.flush = [](OpenFile& file) { return report_failures(file); };
  plain.sync = [this](OpenFile& file) { return plain_sync(file); };
  plain.allocate = [this](const Caller& caller, OpenFile& file, const AllocateRequest& request) {
    return plain_allocate(caller, file, request);
  };
  plain.seek = [this](OpenFile& file, std::uint64_t offset, bool hole) { return plain_seek(file, offset, hole); };
  plain.may_copy = true;
}

Result<InodePtr> Fs::known(InodeId number) {
  InodePtr inode = number == kRootInode ? parts_.inodes.intern(number) : parts_.inodes.find(number);
  if (!inode) return Error(Errc::kStale, "an inode that this mount does not know");
  {
    const std::lock_guard lock(inode->mutex);
    if (inode->attr.inode() != 0) return inode;
  }
  TRY(refresh(*inode, 0));
  return inode;
}

Result<OpenFilePtr> Fs::open_file(std::uint64_t handle) const {
  OpenFilePtr file = parts_.opens.find(handle);
  if (!file) return Error(Errc::kBadDescriptor, "a descriptor that this mount does not know");
  return file;
}

Status Fs::check_locks(const OpenFile& file) {
  if (!file.lock_lost.load()) return {};
  return Error(Errc::kIo, "a lock that was taken through this descriptor is lost");
}

Result<OpenFilePtr> Fs::intact_file(std::uint64_t handle) const {
  OpenFilePtr file = TRY(open_file(handle));
  TRY(check_locks(*file));
  return file;
}

const FileClass& Fs::class_of(Inode& inode) const {
  const std::lock_guard lock(inode.mutex);
  return parts_.classes.of(inode.is_regular() ? inode.attr.class_() : dir::v1::PLAIN);
}

const FileClass& Fs::class_inside(Inode& directory) const {
  const std::lock_guard lock(directory.mutex);
  return parts_.classes.of(directory.attr.class_());
}

// Attributes and ticket from D; valid under the lease `since`, or a hint only (0).
Status Fs::refresh(Inode& inode, std::uint64_t since) {
  dir::v1::GetAttrRequest request;
  request.add_inodes(raw(inode.id));
  const auto answer = TRY(parts_.servers.dir()->get_attr(request));
  if (answer.entries_size() == 0) return Error(Errc::kStale, "the inode is gone");
  const std::lock_guard lock(inode.mutex);
  if (since != 0) {
    inode.learn_under(answer.entries(0).attr(), since);
  } else {
    inode.learn(answer.entries(0).attr());
  }
  inode.ticket = answer.entries(0).ticket();
  return {};
}

Result<std::string> Fs::ticket_of(Inode& inode) {
  {
    const std::lock_guard lock(inode.mutex);
    if (!inode.ticket.empty()) return inode.ticket;
  }
  TRY(refresh(inode, 0));
  const std::lock_guard lock(inode.mutex);
  return inode.ticket;
}

Result<LeaseCache::Use> Fs::lease(const InodePtr& inode, LeaseMode mode) {
  std::string ticket = TRY(ticket_of(*inode));
  auto use = parts_.leases.need(inode->id, mode, ticket);
  const bool old_ticket = !use && (use.error().code == Errc::kAccess || use.error().code == Errc::kStale);
  if (old_ticket) {  // the rights may have changed, or the epoch
    TRY(refresh(*inode, 0));
    ticket = TRY(ticket_of(*inode));
    use = parts_.leases.need(inode->id, mode, ticket);
  }
  if (!use) return std::move(use).error();
  const std::lock_guard lock(inode->mutex);
  if (use->seq() > inode->token_seq) {
    inode->token = use->token();
    inode->token_seq = use->seq();
    inode->token_since = use->since();
  }
  return use;
}

Result<LeaseCache::Use> Fs::lease_with_attributes(const InodePtr& inode, LeaseMode mode) {
  LeaseCache::Use use = TRY(lease(inode, mode));
  {
    const std::lock_guard lock(inode->mutex);
    if (inode->attr_since == use.since()) return use;
  }
  TRY(refresh(*inode, use.since()));
  return use;
}

Result<std::optional<LeaseCache::Use>> Fs::lease_for_change(const InodePtr& inode) {
  auto use = lease(inode, change_mode(*inode));
  if (use) return std::optional(std::move(use).value());
  if (use.error().code == Errc::kAccess) return std::optional<LeaseCache::Use>();
  return std::move(use).error();
}

// What an operation answered about an inode; valid under the lease it was done under, if there was one.
void Fs::learn(const InodePtr& inode, const dir::v1::Attr& attr, std::uint64_t since) {
  const std::lock_guard lock(inode->mutex);
  inode->learn(attr);
  inode->attr_since = since;
}

void Fs::learn_changed(const InodePtr& inode, const dir::v1::Attr& attr, const std::optional<LeaseCache::Use>& use) {
  learn(inode, attr, use ? use->since() : 0);
}

LeaseMode Fs::cache_mode(Inode& inode) {
  const std::lock_guard lock(inode.mutex);
  return inode.is_dir() ? LeaseMode::kDirRead : LeaseMode::kRead;
}

LeaseMode Fs::change_mode(Inode& inode) {
  const std::lock_guard lock(inode.mutex);
  return inode.is_dir() ? LeaseMode::kDirWrite : LeaseMode::kWrite;
}

// Removed everywhere and open nowhere here: nobody will read what is not sent yet.
void Fs::gone(const InodePtr& inode) {
  {
    const std::lock_guard lock(inode->mutex);
    if (!inode->removed() || inode->opens != 0) return;
  }
  parts_.flusher.give_up(inode);
  parts_.leases.release_soon(inode->id);  // the kernel may remember it for long; D frees it when nobody has a lease
}

void Fs::forget(InodeId inode, std::uint64_t count) {
  if (!StatusFiles::owns(inode)) parts_.inodes.forget(inode, count);
}

// A token that was overtaken, though the lease was held while it was used, is a dead session's as well.
Error Fs::await_session(const Error& why) {
  if (why.code != Errc::kFenced && why.code != Errc::kOvertaken) return why;
  return parts_.leases.doubt();
}

// --- For the lease cache -----------------------------------------------------------------------------------------

Status Fs::drain(InodeId number, LeaseMode keep) {
  const InodePtr inode = parts_.inodes.find(number);
  if (!inode || keep == LeaseMode::kWrite) return {};
  return parts_.flusher.hand_over(inode);
}

bool Fs::is_directory(InodeId number) const {
  const InodePtr inode = parts_.inodes.find(number);
  return inode && cache_mode(*inode) == LeaseMode::kDirRead;
}

void Fs::lose_locks(const std::vector<std::uint64_t>& handles) {
  for (const std::uint64_t handle : handles) {
    if (const OpenFilePtr file = parts_.opens.find(handle)) file->lock_lost.store(true);
  }
}

std::vector<InodeId> Fs::open_inodes() const {
  std::vector<InodeId> out;
  for (const InodePtr& inode : parts_.inodes.all()) {
    const std::lock_guard lock(inode->mutex);
    if (inode->opens != 0) out.push_back(inode->id);
  }
  return out;
}

void Fs::lease_renewed(InodeId number, const HeldLease& lease) {
  const InodePtr inode = parts_.inodes.find(number);
  if (!inode) return;
  const std::lock_guard lock(inode->mutex);
  if (inode->token_since != lease.since || inode->token_seq >= lease.seq) return;
  inode->token = lease.token;
  inode->token_seq = lease.seq;
}

void Fs::lose_everything() {
  debts_.session_ended();
  for (const InodePtr& inode : parts_.inodes.all()) {
    bool lost = false;
    bool open = false;
    {
      const std::lock_guard lock(inode->mutex);
      lost = inode->attr_dirty || inode->buffer.holds() || inode->buffer.uncommitted();
      if (lost) inode->lose(Errc::kFenced);
      inode->attr_since = 0;
      inode->token_seq = 0;
      inode->ticket.clear();
      inode->layouts.clear();
      inode->layouts_since = 0;
      inode->told_open = false;
      open = inode->opens != 0;
    }
    if (open) debts_.note_unheld(inode->id);
    if (lost) parts_.flusher.give_up(inode);
  }
}

}  // namespace conclave::client
