#include "client/tree/names.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "client/tree/class_rule.h"

namespace conclave::client {
namespace {

Status check_name(const std::string& name) {
  if (name.size() > kMaxNameBytes) return Error(Errc::kNameTooLong, "a name has at most 255 bytes");
  return {};
}

// May be removed or renamed, and something may be renamed over it, as far as this mount decides.
Status check_movable(InodeId parent, const std::string& name) {
  if (FileClasses::is_ours(parent) || is_status_folder(parent, name)) return Errc::kNotPermitted;
  if (is_secrets_folder(parent, name)) return Error(Errc::kBusy, "/secrets stays where it is");
  return {};
}

dir::v1::Class class_of(Inode& folder) {
  const std::lock_guard lock(folder.mutex);
  return folder.attributes.now.class_();
}

// A rename changes only what no lease of the inode covers strictly (ctime, a directory's parent): who has attributes
// under a lease keeps them with the answer merged in.
void learn_moved(const InodePtr& inode, const dir::v1::Attr& attr) {
  const std::lock_guard lock(inode->mutex);
  inode->learn(attr);
}

// The rule is the class's, so D is not asked to break it.
Error other_class() { return {Errc::kCrossDevice, "a secret or a log stays where its class is"}; }

}  // namespace

// What `name` in `parent` is. Under the directory lease `since` a remembered name is the truth; with `trust_hints` any
// remembered one will do, because D checks it. kNotFound.
Result<InodePtr> Names::child_of(const Caller& caller, const InodePtr& parent, const std::string& name, std::uint64_t since,
                              bool trust_hints) {
  if (const auto known = parts_.table.name(parent->id, name); known && (trust_hints || known->since == since)) {
    if (InodePtr child = parts_.table.find(known->child)) return child;
  }
  dir::v1::LookupRequest request;
  *request.mutable_caller() = wire_of(caller);
  request.set_parent(raw(parent->id));
  request.set_name(name);
  const auto entry = TRY(parts_.servers.dir()->lookup(request));
  InodePtr child = parts_.table.intern(entry);
  TRY(check_class(parent, name, child));
  if (name != "." && name != "..") parts_.table.learn_name(parent->id, name, child->id, since);
  return child;
}

Status Names::check_class(const InodePtr& parent, const std::string& name, const InodePtr& child) {
  const dir::v1::Class of_parent = class_of(*parent);
  const std::lock_guard lock(child->mutex);
  return check_entry_class(parent->id, of_parent, name, child->attributes.now);
}

EntryAnswer Names::entry_of(const Caller& caller, const InodePtr& parent, const InodePtr& child) {
  EntryAnswer out;
  const FileClass& row = parts_.inodes.row_of(*child);
  auto attributes = row.attributes(caller, child);
  if (attributes) {
    out.attr = std::move(attributes->attr);
    out.attr_time = attributes->attr_time;
    out.attr_use = std::move(attributes->use);
  } else {
    const std::lock_guard lock(child->mutex);
    out.attr = child->attributes.now;
    if (!row.cached_entries) out.attr.set_size_bytes(0);
  }
  if (row.cached_entries) out.entry_time = parts_.leases.cache_time(parent->id, LeaseMode::kDirRead);
  InodeTable::remember(*child, out.attr.size_bytes());
  return out;
}

Result<EntryAnswer> Names::lookup(const Caller& caller, InodeId parent_number, const std::string& name) {
  if (is_status_folder(parent_number, name)) return parts_.classes.ours().lookup(caller, parent_number, name);
  TRY(check_name(name));
  const InodePtr parent = TRY(parts_.inodes.known(parent_number));
  const FileClass& row = parts_.inodes.row_within(*parent);
  if (row.lookup) return row.lookup(caller, parent_number, name);
  auto use = TRY(parts_.inodes.lease(parent, LeaseMode::kDirRead));
  const auto child = child_of(caller, parent, name, use.since(), false);
  if (!child && child.error().code != Errc::kNotFound) return child.error();
  EntryAnswer out;
  if (child) {
    out = entry_of(caller, parent, *child);
  } else {
    out.entry_time = parts_.leases.cache_time(parent->id, LeaseMode::kDirRead);
  }
  out.name_use = std::move(use);
  return out;
}

// Under DW of the parent nobody else can have found the new inode yet, so a lease that is granted now finds the
// attributes and the first chunk's place as D has just told them.
Result<Names::Made> Names::make_at_dir(const Caller& caller, const InodePtr& parent, const NewNode& node, bool exclusive) {
  TRY(check_new_entry(class_of(*parent), node.mode));
  auto use = TRY(parts_.inodes.lease(parent, LeaseMode::kDirWrite));
  dir::v1::CreateRequest request;
  *request.mutable_caller() = wire_of(caller);
  request.set_parent(raw(parent->id));
  request.set_name(node.name);
  request.set_mode(node.mode);
  request.set_umask(node.umask);
  request.set_rdev(node.rdev);
  request.set_target(node.target);
  request.set_exclusive(exclusive);
  request.set_place_chunks(S_ISREG(node.mode) ? 1 : 0);
  const auto answer = TRY(parts_.servers.dir()->create(request));
  if (answer.parent().inode() != 0) LeasedInodes::learn(parent, answer.parent(), use.since());
  Made out{parts_.table.intern(answer.entry()), answer.existed(), {}};
  TRY(check_class(parent, node.name, out.child));
  parts_.table.learn_name(parent->id, node.name, out.child->id, use.since());
  out.name_use = std::move(use);
  const bool leased_soon = S_ISDIR(node.mode) || (S_ISREG(node.mode) && parts_.inodes.row_of(*out.child).cached_entries);
  if (out.existed || !leased_soon) return out;
  const auto own = parts_.inodes.lease(out.child, LeasedInodes::change_mode(*out.child));
  if (!own) return out;
  LeasedInodes::learn(out.child, answer.entry().attr(), own->since());
  if (!answer.layout().permit().empty()) ChunkIo::learn_layout(*out.child, answer.layout(), own->since());
  return out;
}

Status Names::check_new_name(InodeId parent, const std::string& name) {
  if (FileClasses::is_ours(parent)) return Errc::kNotPermitted;
  if (is_status_folder(parent, name)) return Errc::kExists;
  return check_name(name);
}

Result<EntryAnswer> Names::make(const Caller& caller, InodeId parent_number, const NewNode& node) {
  TRY(check_new_name(parent_number, node.name));
  if (node.target.size() > kMaxLinkTargetBytes) return Errc::kNameTooLong;
  const InodePtr parent = TRY(parts_.inodes.known(parent_number));
  Made made = TRY(make_at_dir(caller, parent, node, true));
  EntryAnswer out = entry_of(caller, parent, made.child);
  out.name_use = std::move(made.name_use);
  return out;
}

Result<EntryAnswer> Names::link(const Caller& caller, InodeId number, InodeId parent_number, const std::string& name) {
  if (FileClasses::is_ours(number)) return Errc::kNotPermitted;
  TRY(check_new_name(parent_number, name));
  TRY(check_name(name));
  const InodePtr inode = TRY(parts_.inodes.known(number));
  const InodePtr parent = TRY(parts_.inodes.known(parent_number));
  if (!parts_.inodes.row_of(*inode).may_link) return other_class();
  auto parent_use = TRY(parts_.inodes.lease(parent, LeaseMode::kDirWrite));
  const auto use = TRY(parts_.inodes.lease_for_change(inode));
  dir::v1::LinkRequest request;
  *request.mutable_caller() = wire_of(caller);
  request.set_inode(raw(number));
  request.set_parent(raw(parent_number));
  request.set_name(name);
  const auto entry = TRY(parts_.servers.dir()->link(request));
  LeasedInodes::learn_changed(inode, entry.attr(), use);
  {
    const std::lock_guard lock(parent->mutex);
    parent->attributes.since = 0;  // its times changed
  }
  parts_.table.learn_name(parent_number, name, number, parent_use.since());
  EntryAnswer out = entry_of(caller, parent, inode);
  out.name_use = std::move(parent_use);
  return out;
}

Status Names::remove(const Caller& caller, InodeId parent, const std::string& name, bool directory) {
  TRY(check_movable(parent, name));
  TRY(check_name(name));
  Status done = remove_once(caller, parent, name, directory, true);
  if (done || done.error().code != Errc::kStale) return done;
  parts_.table.forget_name(parent, name);
  return remove_once(caller, parent, name, directory, false);
}

Status Names::remove_once(const Caller& caller, InodeId parent_number, const std::string& name, bool directory,
                       bool hints) {
  const InodePtr parent = TRY(parts_.inodes.known(parent_number));
  const auto use = TRY(parts_.inodes.lease(parent, LeaseMode::kDirWrite));
  InodePtr victim;
  std::optional<LeaseCache::Use> victim_use;
  if (directory) {
    if (const auto hint = parts_.table.name(parent_number, name)) victim = parts_.table.find(hint->child);
  } else {
    victim = TRY(child_of(caller, parent, name, use.since(), hints));
    if (LeasedInodes::cache_mode(*victim) == LeaseMode::kDirRead) return Errc::kIsDirectory;
  }
  if (victim) victim_use = TRY(parts_.inodes.lease_for_change(victim));
  dir::v1::RemoveRequest request;
  *request.mutable_caller() = wire_of(caller);
  request.set_parent(raw(parent_number));
  request.set_name(name);
  request.set_directory(directory);
  if (!directory) request.set_inode(raw(victim->id));
  const auto answer = TRY(parts_.servers.dir()->remove(request));
  LeasedInodes::learn(parent, answer.parent(), use.since());
  parts_.table.forget_name(parent_number, name);
  if (!victim || raw(victim->id) != answer.victim().inode()) return {};
  LeasedInodes::learn_changed(victim, answer.victim(), victim_use);
  parts_.inodes.drop_if_removed(victim);
  return {};
}

Status Names::rename(const Caller& caller, const Rename& request) {
  TRY(check_movable(request.from_parent, request.from_name));
  TRY(check_movable(request.to_parent, request.to_name));
  TRY(check_name(request.from_name));
  TRY(check_name(request.to_name));
  Status done = rename_once(caller, request, true);
  if (done || done.error().code != Errc::kStale) return done;
  parts_.table.forget_name(request.from_parent, request.from_name);
  parts_.table.forget_name(request.to_parent, request.to_name);
  return rename_once(caller, request, false);
}

Status Names::rename_once(const Caller& caller, const Rename& request, bool hints) {
  const InodePtr from = TRY(parts_.inodes.known(request.from_parent));
  const InodePtr to = TRY(parts_.inodes.known(request.to_parent));
  // Both in the order of their numbers, so that two renames do not take them crosswise.
  const bool swapped = raw(to->id) < raw(from->id);
  const auto first = TRY(parts_.inodes.lease(swapped ? to : from, LeaseMode::kDirWrite));
  const auto second = TRY(parts_.inodes.lease(swapped ? from : to, LeaseMode::kDirWrite));
  const std::uint64_t from_since = swapped ? second.since() : first.since();
  const std::uint64_t to_since = swapped ? first.since() : second.since();

  const InodePtr moved = TRY(child_of(caller, from, request.from_name, from_since, hints));
  InodePtr victim;
  if (auto found = child_of(caller, to, request.to_name, to_since, hints)) {
    victim = std::move(found).value();
  } else if (found.error().code != Errc::kNotFound) {
    return std::move(found).error();
  }
  if (victim && victim != moved && !request.no_replace && !parts_.inodes.row_of(*victim).may_shrink) return Errc::kNotPermitted;
  TRY(check_rename(from, to, moved));
  if (request.exchange && victim) TRY(check_rename(to, from, victim));
  std::optional<LeaseCache::Use> victim_use;
  if (victim && victim != moved) {
    victim_use = TRY(parts_.inodes.lease_for_change(victim));
    const bool replaced = !request.exchange && LeasedInodes::cache_mode(*victim) == LeaseMode::kRead;
    if (replaced) TRY(parts_.flusher.flush(moved, Flusher::Depth::kVisible));  // the new content before its name
  }
  dir::v1::RenameRequest wire;
  *wire.mutable_caller() = wire_of(caller);
  wire.set_from_parent(raw(from->id));
  wire.set_from_name(request.from_name);
  wire.set_to_parent(raw(to->id));
  wire.set_to_name(request.to_name);
  wire.set_no_replace(request.no_replace);
  wire.set_exchange(request.exchange);
  wire.set_inode(raw(moved->id));
  wire.set_victim(victim ? raw(victim->id) : 0);
  const auto answer = TRY(parts_.servers.dir()->rename(wire));

  LeasedInodes::learn(from, answer.from_parent(), from_since);
  if (to != from) LeasedInodes::learn(to, answer.to_parent(), to_since);
  if (victim == moved) return {};  // two names of one inode: POSIX does nothing
  learn_moved(moved, answer.moved());
  parts_.table.forget_name(from->id, request.from_name);
  parts_.table.forget_name(to->id, request.to_name);
  parts_.table.learn_name(to->id, request.to_name, moved->id, to_since);
  if (!victim) return {};
  if (request.exchange) {
    learn_moved(victim, answer.victim());
    parts_.table.learn_name(from->id, request.from_name, victim->id, from_since);
  } else if (answer.victim().inode() != 0) {
    LeasedInodes::learn_changed(victim, answer.victim(), victim_use);
    parts_.inodes.drop_if_removed(victim);
  }
  return {};
}

Status Names::check_rename(const InodePtr& from, const InodePtr& to, const InodePtr& moved) const {
  const dir::v1::Class kind = class_of(*from);
  if (kind != class_of(*to)) return other_class();
  const FileClass& row = parts_.classes.of(kind);
  return row.check_rename ? row.check_rename(from, to, moved) : Status();
}

Result<std::string> Names::read_link(const Caller& caller, InodeId number) {
  const InodePtr inode = TRY(parts_.inodes.known(number));
  {
    const std::lock_guard lock(inode->mutex);
    if (!S_ISLNK(inode->attributes.now.mode())) return Errc::kInvalid;
    if (!inode->target.empty()) return inode->target;
  }
  dir::v1::ReadLinkRequest request;
  *request.mutable_caller() = wire_of(caller);
  request.set_inode(raw(number));
  const auto answer = TRY(parts_.servers.dir()->read_link(request));
  const std::lock_guard lock(inode->mutex);
  inode->target = answer.target();
  return inode->target;
}

}  // namespace conclave::client
