#include "client/tree/leased_inodes.h"

#include <utility>

namespace conclave::client {

Result<InodePtr> LeasedInodes::known(InodeId number) {
  if (parts_.classes.is_ours(number)) {  // of a row that keeps its inodes itself: nothing of it is kept here
    auto inode = std::make_shared<Inode>(number);
    const std::lock_guard lock(inode->mutex);
    inode->attributes.now = TRY(parts_.classes.ours().attributes({}, inode)).attr;
    return inode;
  }
  InodePtr inode = number == kRootInode ? parts_.table.intern(number) : parts_.table.find(number);
  if (!inode) return Error(Errc::kStale, "an inode that this mount does not know");
  {
    const std::lock_guard lock(inode->mutex);
    if (inode->attributes.known()) return inode;
  }
  TRY(refresh(*inode, 0));
  return inode;
}

const FileClass& LeasedInodes::row_of(Inode& inode) const {
  if (parts_.classes.is_ours(inode.id)) return parts_.classes.ours();
  const std::lock_guard lock(inode.mutex);
  return parts_.classes.of(inode.attributes.is_regular() ? inode.attributes.now.class_() : dir::v1::PLAIN);
}

const FileClass& LeasedInodes::row_within(Inode& folder) const {
  if (parts_.classes.is_ours(folder.id)) return parts_.classes.ours();
  const std::lock_guard lock(folder.mutex);
  return parts_.classes.of(folder.attributes.now.class_());
}

// Attributes and ticket from D; valid under the lease `since`, or a hint only (0).
Status LeasedInodes::refresh(Inode& inode, std::uint64_t since) {
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

Result<std::string> LeasedInodes::ticket_of(Inode& inode) {
  {
    const std::lock_guard lock(inode.mutex);
    if (!inode.ticket.empty()) return inode.ticket;
  }
  return new_ticket_of(inode);
}

Result<std::string> LeasedInodes::new_ticket_of(Inode& inode) {
  TRY(refresh(inode, 0));
  const std::lock_guard lock(inode.mutex);
  return inode.ticket;
}

Result<LeaseCache::Use> LeasedInodes::lease(const InodePtr& inode, LeaseMode mode) {
  auto use = parts_.leases.need(inode->id, mode, TRY(ticket_of(*inode)));
  const bool old_ticket = !use && (use.error().code == Errc::kAccess || use.error().code == Errc::kStale);
  // The rights may have changed, or the epoch.
  if (old_ticket) use = parts_.leases.need(inode->id, mode, TRY(new_ticket_of(*inode)));
  if (!use) return std::move(use).error();
  const std::lock_guard lock(inode->mutex);
  if (use->seq() > inode->bytes.token_seq) {
    inode->bytes.token = use->token();
    inode->bytes.token_seq = use->seq();
    inode->bytes.token_since = use->since();
  }
  return use;
}

Result<LeaseCache::Use> LeasedInodes::lease_with_attributes(const InodePtr& inode, LeaseMode mode) {
  LeaseCache::Use use = TRY(lease(inode, mode));
  {
    const std::lock_guard lock(inode->mutex);
    if (inode->attributes.since == use.since()) return use;
  }
  TRY(refresh(*inode, use.since()));
  return use;
}

Result<std::optional<LeaseCache::Use>> LeasedInodes::lease_for_change(const InodePtr& inode) {
  auto use = lease(inode, change_mode(*inode));
  if (use) return std::optional(std::move(use).value());
  if (use.error().code == Errc::kAccess) return std::optional<LeaseCache::Use>();
  return std::move(use).error();
}

LeaseMode LeasedInodes::cache_mode(Inode& inode) {
  const std::lock_guard lock(inode.mutex);
  return inode.attributes.is_dir() ? LeaseMode::kDirRead : LeaseMode::kRead;
}

LeaseMode LeasedInodes::change_mode(Inode& inode) {
  const std::lock_guard lock(inode.mutex);
  return inode.attributes.is_dir() ? LeaseMode::kDirWrite : LeaseMode::kWrite;
}

void LeasedInodes::learn(const InodePtr& inode, const dir::v1::Attr& attr, std::uint64_t since) {
  const std::lock_guard lock(inode->mutex);
  inode->learn(attr);
  inode->attributes.since = since;
}

void LeasedInodes::learn_changed(const InodePtr& inode, const dir::v1::Attr& attr,
                                 const std::optional<LeaseCache::Use>& use) {
  learn(inode, attr, use ? use->since() : 0);
}

void LeasedInodes::drop_if_removed(const InodePtr& inode) {
  {
    const std::lock_guard lock(inode->mutex);
    if (!inode->attributes.removed() || inode->opens != 0) return;
  }
  parts_.flusher.give_up(inode);
  parts_.leases.release_soon(inode->id);  // the kernel may remember it for long; D frees it when nobody has a lease
}

// --- Open and closed ---------------------------------------------------------------------------------------------

void LeasedInodes::open(Inode& inode) {
  const std::lock_guard lock(inode.mutex);
  ++inode.opens;
}

void LeasedInodes::close(const InodePtr& inode) {
  bool told_open = false;
  {
    const std::lock_guard lock(inode->mutex);
    if (--inode->opens != 0) return;
    told_open = std::exchange(inode->told_open, false);
  }
  if (told_open) parts_.debts.note_closed(inode->id);
  drop_if_removed(inode);
  parts_.table.suspect(inode->id);
}

bool LeasedInodes::is_open(InodeId number) const {
  const InodePtr inode = parts_.table.find(number);
  if (!inode) return false;
  const std::lock_guard lock(inode->mutex);
  return inode->opens != 0;
}

bool LeasedInodes::is_directory(InodeId number) const {
  const InodePtr inode = parts_.table.find(number);
  return inode && cache_mode(*inode) == LeaseMode::kDirRead;
}

std::vector<InodeId> LeasedInodes::open_ones() const {
  std::vector<InodeId> out;
  for (const InodePtr& inode : parts_.table.all()) {
    const std::lock_guard lock(inode->mutex);
    if (inode->opens != 0) out.push_back(inode->id);
  }
  return out;
}

void LeasedInodes::told_open(InodeId number) {
  const InodePtr inode = parts_.table.find(number);
  if (inode) {
    const std::lock_guard lock(inode->mutex);
    inode->told_open = inode->opens != 0;
    if (inode->told_open) return;
  }
  parts_.debts.note_closed(number);
}

// --- What becomes of leases --------------------------------------------------------------------------------------

Status LeasedInodes::drain(InodeId number, LeaseMode keep) {
  const InodePtr inode = parts_.table.find(number);
  if (!inode || keep == LeaseMode::kWrite) return {};
  return parts_.flusher.hand_over(inode);
}

void LeasedInodes::lease_renewed(InodeId number, const HeldLease& lease) {
  const InodePtr inode = parts_.table.find(number);
  if (!inode) return;
  const std::lock_guard lock(inode->mutex);
  if (inode->bytes.token_since != lease.since || inode->bytes.token_seq >= lease.seq) return;
  inode->bytes.token = lease.token;
  inode->bytes.token_seq = lease.seq;
}

void LeasedInodes::lose_everything() {
  parts_.debts.session_ended();
  for (const InodePtr& inode : parts_.table.all()) {
    bool lost = false;
    bool open = false;
    {
      const std::lock_guard lock(inode->mutex);
      lost = inode->has_unsaved();
      if (lost) inode->lose(Errc::kFenced);
      inode->attributes.since = 0;
      inode->bytes.token_seq = 0;
      inode->bytes.layouts.clear();
      inode->bytes.layouts_since = 0;
      inode->ticket.clear();
      inode->told_open = false;
      open = inode->opens != 0;
    }
    if (open) parts_.debts.note_unheld(inode->id);
    if (lost) parts_.flusher.give_up(inode);
  }
}

}  // namespace conclave::client
