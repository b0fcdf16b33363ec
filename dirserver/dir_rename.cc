#include "dirserver/dir_rename.h"

namespace conclave::dir {
namespace {

struct Sides {
  const Node* from_parent = nullptr;
  const Node* to_parent = nullptr;
  const Node* moved = nullptr;
  const Node* victim = nullptr;   // what to_name is; null: nothing
  bool exchange = false;
};

// Is `ancestor` the directory `inode` or above it?
Result<bool> is_above(View& view, const Node& ancestor, InodeId inode) {
  if (!ancestor.is_directory()) return false;
  while (inode != ancestor.inode) {
    if (inode == kRootInode) return false;
    inode = TRY(view.directory(inode))->parent;
  }
  return true;
}

Result<Sides> find_sides(View& view, const Call& call, const v1::RenameRequest& request) {
  TRY(check_name(request.from_name()));
  TRY(check_name(request.to_name()));
  if (request.no_replace() && request.exchange()) return Error(Errc::kInvalid);
  Sides out;
  out.exchange = request.exchange();
  out.from_parent = TRY(searchable(view, call, InodeId{request.from_parent()}));
  out.to_parent = TRY(searchable(view, call, InodeId{request.to_parent()}));
  if (is_dots(request.from_name()) || is_dots(request.to_name())) return Error(Errc::kBusy);
  out.moved = TRY(find_entry(view, out.from_parent->inode, request.from_name())).node;
  auto victim = find_entry(view, out.to_parent->inode, request.to_name());
  if (victim) out.victim = victim->node;
  if (!victim && victim.error().code != Errc::kNotFound) return std::move(victim).error();
  if (out.victim != nullptr && request.no_replace()) return Error(Errc::kExists);
  if (out.victim == nullptr && request.exchange()) return Error(Errc::kNotFound);
  return out;
}

Status check_named(const Sides& sides, const v1::RenameRequest& request) {
  const InodeId victim = sides.victim == nullptr ? kNoInode : sides.victim->inode;
  const bool as_held = request.inode() == 0 || InodeId{request.inode()} == sides.moved->inode;
  if (as_held && InodeId{request.victim()} == victim) return {};
  return Error(Errc::kStale, "the names are other inodes' now");
}

Status check_loops(View& view, const Sides& sides) {
  if (TRY(is_above(view, *sides.moved, sides.to_parent->inode))) {
    return Error(Errc::kInvalid, "a directory cannot go into itself");
  }
  if (sides.victim != nullptr && TRY(is_above(view, *sides.victim, sides.from_parent->inode))) {
    return Error(sides.exchange ? Errc::kInvalid : Errc::kNotEmpty);
  }
  return {};
}

// The permissions that vfs_rename asks, in its order.
Status check_allowed(View& view, const Call& call, const Sides& sides) {
  TRY(may_delete(view, call, *sides.from_parent, *sides.moved, sides.moved->is_directory()));
  if (sides.victim == nullptr) {
    TRY(require(view, call, *sides.to_parent, kMayWrite | kMayExec));
  } else {
    const bool as_directory = sides.exchange ? sides.victim->is_directory() : sides.moved->is_directory();
    TRY(may_delete(view, call, *sides.to_parent, *sides.victim, as_directory));
  }
  if (sides.from_parent == sides.to_parent) return {};
  // A directory's own entry ".." changes.
  if (sides.moved->is_directory()) TRY(require(view, call, *sides.moved, kMayWrite));
  const bool other_moves_too = sides.exchange && sides.victim->is_directory();
  return other_moves_too ? require(view, call, *sides.victim, kMayWrite) : Status();
}

Status check_objects(View& view, const Sides& sides) {
  if (sides.from_parent->file_class != sides.to_parent->file_class) {
    return Error(Errc::kCrossDevice, "directories of different classes");
  }
  if (sides.victim == nullptr || sides.exchange) return {};
  if (sides.victim->is_directory() && TRY(view.has_names(sides.victim->inode))) return Error(Errc::kNotEmpty);
  if (sides.victim->is_log()) {
    return Error(Errc::kNotPermitted, "an append-only file is not replaced");
  }
  return {};
}

// `node`, if it is a directory, is now named by `to` and no longer by `from`.
void move_up_link(Node& node, Node& from, Node& to) {
  if (!node.is_directory()) return;
  node.parent = to.inode;
  --from.nlink;
  ++to.nlink;
}

v1::RenameResponse answer_of(const Sides& sides) {
  v1::RenameResponse out;
  *out.mutable_from_parent() = attr_of(*sides.from_parent);
  *out.mutable_to_parent() = attr_of(*sides.to_parent);
  *out.mutable_moved() = attr_of(*sides.moved);
  if (sides.victim != nullptr) *out.mutable_victim() = attr_of(*sides.victim);
  return out;
}

Status swap(Change& change, const v1::RenameRequest& request, Node& from, Node& to, Node& moved, Node& other) {
  TRY(change.repoint_name(from.inode, request.from_name(), other));
  TRY(change.repoint_name(to.inode, request.to_name(), moved));
  move_up_link(moved, from, to);
  move_up_link(other, to, from);
  change.touch(other, false);
  return {};
}

Status replace(Change& change, const v1::RenameRequest& request, Node& from, Node& to, Node& moved, Node* victim) {
  TRY(change.drop_name(from.inode, request.from_name()));
  if (victim == nullptr) {
    TRY(change.add_name(to.inode, request.to_name(), moved));
  } else {
    TRY(change.repoint_name(to.inode, request.to_name(), moved));
    if (victim->is_directory()) --to.nlink;
    TRY(drop_link(change, *victim));
  }
  move_up_link(moved, from, to);
  return {};
}

}  // namespace

Result<v1::RenameResponse> rename(Change& change, const Call& call, const v1::RenameRequest& request) {
  View& view = change.view();
  const Sides sides = TRY(find_sides(view, call, request));
  TRY(check_loops(view, sides));
  if (sides.moved == sides.victim) return answer_of(sides);
  TRY(check_allowed(view, call, sides));
  TRY(check_objects(view, sides));
  TRY(check_named(sides, request));
  Node& from = *TRY(change.edit(sides.from_parent->inode));
  Node& to = *TRY(change.edit(sides.to_parent->inode));
  Node& moved = *TRY(change.edit(sides.moved->inode));
  Node* victim = sides.victim == nullptr ? nullptr : TRY(change.edit(sides.victim->inode));
  if (sides.exchange) TRY(swap(change, request, from, to, moved, *victim));
  if (!sides.exchange) TRY(replace(change, request, from, to, moved, victim));
  change.touch(moved, false);
  change.touch(from, true);
  if (&from != &to) change.touch(to, true);
  return answer_of(sides);
}

}  // namespace conclave::dir
