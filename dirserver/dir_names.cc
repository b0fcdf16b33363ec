#include "dirserver/dir_names.h"

#include <algorithm>
#include <limits>

#include "base/limits.h"
#include "dirserver/dir_chunks.h"

namespace conclave::dir {

Status check_name(std::string_view name) {
  if (name.empty()) return Error(Errc::kInvalid, "a name is empty");
  if (name.size() > kMaxNameBytes) return Error(Errc::kNameTooLong);
  const std::string_view forbidden("/\0", 2);
  if (name.find_first_of(forbidden) != std::string_view::npos) return Error(Errc::kInvalid, "a name with / or NUL");
  return {};
}

Result<const Node*> searchable(View& view, const Call& call, InodeId inode) {
  const Node* node = TRY(view.directory(inode));
  TRY(require(view, call, *node, kMayExec));
  if (node->nlink == 0) return Error(Errc::kNotFound, "the directory was removed");
  return node;
}

Result<Found> find_entry(View& view, InodeId parent, std::string_view name) {
  const auto found = TRY(view.name(parent, name));
  if (!found) return Error(Errc::kNotFound);
  auto node = view.node(found->inode);
  if (!node && node.error().code == Errc::kStale) return Error(Errc::kCorrupt, "a name without its inode");
  if (!node) return std::move(node).error();
  return Found{*found, *node};
}

Status drop_link(Change& change, Node& node) {
  node.nlink = node.is_directory() ? 0 : node.nlink - 1;
  change.touch(node, false);
  return node.nlink == 0 ? change.add_orphan(node.inode) : Status();
}

Status may_delete(View& view, const Call& call, const Node& directory, const Node& victim, bool as_directory) {
  TRY(require(view, call, directory, kMayWrite | kMayExec));
  TRY(may_remove_from(call.subject, directory, victim));
  if (as_directory && !victim.is_directory()) return Error(Errc::kNotDirectory);
  if (!as_directory && victim.is_directory()) return Error(Errc::kIsDirectory);
  return {};
}

Result<v1::Entry> lookup(View& view, const Call& call, const v1::LookupRequest& request) {
  TRY(check_name(request.name()));
  const Node* parent = TRY(view.directory(InodeId{request.parent()}));
  TRY(require(view, call, *parent, kMayExec));
  if (request.name() == ".") return entry_of(view, call, *parent);
  if (request.name() == "..") return entry_of(view, call, *TRY(view.node(parent->parent)));
  const Found found = TRY(find_entry(view, parent->inode, request.name()));
  return entry_of(view, call, *found.node);
}

Result<v1::ReadDirResponse> read_dir(View& view, const Call& call, const v1::ReadDirRequest& request) {
  constexpr std::uint32_t kMost = 1000;
  const Node* directory = TRY(view.directory(InodeId{request.inode()}));
  TRY(require(view, call, *directory, kMayRead));
  const bool plus = request.plus() && require(view, call, *directory, kMayExec).has_value();
  v1::ReadDirResponse out;
  out.set_parent(raw(directory->parent));
  out.set_end(true);
  if (request.after() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return out;
  const std::size_t limit = request.limit() == 0 ? kMost : std::min(request.limit(), kMost);
  Status failed;
  const auto take = [&](std::string_view name, const Name& entry, const Node* node) {
    if (static_cast<std::size_t>(out.entries_size()) == limit) {
      out.set_end(false);
      return false;
    }
    auto& one = *out.add_entries();
    one.set_name(std::string(name));
    one.set_cookie(entry.cookie);
    one.set_inode(raw(entry.inode));
    one.set_type(entry.type);
    if (node == nullptr) return true;
    auto full = entry_of(view, call, *node);
    if (!full) {
      failed = std::move(full).error();
      return false;
    }
    *one.mutable_entry() = *std::move(full);
    return true;
  };
  TRY(view.list(directory->inode, request.after(), limit + 1, plus, take));
  TRY(std::move(failed));
  return out;
}

namespace {

bool is_device(std::uint32_t mode) { return S_ISCHR(mode) || S_ISBLK(mode); }

Status check_request(const v1::CreateRequest& request) {
  TRY(check_name(request.name()));
  const std::uint32_t mode = request.mode();
  const bool known = S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISFIFO(mode) || S_ISSOCK(mode) || is_device(mode);
  if (!known || (mode & ~static_cast<std::uint32_t>(S_IFMT | 07777)) != 0) return Error(Errc::kInvalid, "no such type");
  if (request.target().size() > kMaxLinkTargetBytes) return Error(Errc::kNameTooLong);
  if (S_ISLNK(mode) != !request.target().empty()) return Error(Errc::kInvalid, "a target goes with a symbolic link");
  if (request.target().find('\0') != std::string::npos) return Error(Errc::kInvalid, "a target with NUL");
  if (!v1::Class_IsValid(request.class_())) return Error(Errc::kInvalid, "no such class");
  return {};
}

Status check_allowed(View& view, const Call& call, const Node& parent, const v1::CreateRequest& request) {
  TRY(require(view, call, parent, kMayWrite | kMayExec));
  const Subject& subject = call.subject;
  const bool holds_secrets = S_ISREG(request.mode()) || S_ISDIR(request.mode());
  if (parent.file_class == v1::SECRET && !holds_secrets) {
    return Error(Errc::kNotPermitted, "below a folder of secrets there are folders and regular files only");
  }
  if (is_device(request.mode()) && !subject.kernel_checked) {
    return Error(Errc::kNotPermitted, "only the superuser makes devices");
  }
  if (request.class_() == v1::PLAIN || request.class_() == parent.file_class) return {};
  if (!S_ISDIR(request.mode())) return Error(Errc::kInvalid, "only directories have a class of their own");
  return may_set_class(subject, *TRY(view.node(kRootInode)));
}

// A regular file that may be opened instead; nothing: the name is free.
Result<std::optional<v1::CreateResponse>> existing(View& view, const Call& call, const Node& parent,
                                                   const v1::CreateRequest& request) {
  if (is_dots(request.name())) return Error(Errc::kExists);
  const auto name = TRY(view.name(parent.inode, request.name()));
  if (!name) return std::optional<v1::CreateResponse>();
  if (request.exclusive() || !S_ISREG(request.mode()) || name->type != S_IFREG) return Error(Errc::kExists);
  v1::CreateResponse out;
  const Node* node = TRY(view.node(name->inode));
  *out.mutable_entry() = TRY(entry_of(view, call, *node));
  *out.mutable_parent() = attr_of(parent);
  out.set_existed(true);
  return std::optional(std::move(out));
}

Node node_for(Change& change, const Call& call, const Node& parent, const v1::CreateRequest& request) {
  const Made made = made_in(call.subject, parent, request.mode());
  Node node;
  node.inode = change.new_inode();
  node.mode = made.mode;
  node.uid = made.uid;
  node.gid = made.gid;
  node.nlink = S_ISDIR(made.mode) ? 2 : 1;
  node.rdev = is_device(made.mode) ? request.rdev() : 0;
  node.target = request.target();
  node.size_bytes = node.target.size();
  node.atime_ns = node.mtime_ns = node.ctime_ns = node.btime_ns = change.now_ns();
  node.file_class = request.class_() != v1::PLAIN ? request.class_() : parent.file_class;
  if (node.is_directory()) node.parent = parent.inode;
  return node;
}

// The umask, or the directory's default ACL in its place.
struct Inherited {
  std::optional<PosixAcl> access, standard;
};
Result<Inherited> inherit(View& view, const Node& parent, std::uint32_t umask, Node& node) {
  Inherited out;
  if (node.is_link()) return out;
  if ((parent.acls & kDefaultAcl) == 0) {
    node.mode &= ~(umask & 0777);
    return out;
  }
  const std::string value = TRY(view.xattr(parent.inode, kDefaultAclName));
  const PosixAcl standard = TRY(PosixAcl::parse(view_of(value)));
  const PosixAcl access = standard.inherited(node.mode);
  if (!access.equals_mode()) out.access = access;
  if (node.is_directory()) out.standard = standard;
  return out;
}

Result<Node*> add(Change& change, const Node& parent, const Node& made, std::string_view name, const Inherited& acls) {
  const InodeId parent_inode = parent.inode;
  Node& node = change.add_node(made);
  TRY(change.add_name(parent_inode, name, node));
  if (acls.access) TRY(change.put_xattr(node, kAccessAclName, acls.access->to_xattr()));
  if (acls.standard) TRY(change.put_xattr(node, kDefaultAclName, acls.standard->to_xattr()));
  Node& directory = *TRY(change.edit(parent_inode));
  if (node.is_directory()) ++directory.nlink;
  change.touch(directory, true);
  return &node;
}

}  // namespace

Result<v1::CreateResponse> create(Change& change, const Call& call, const v1::CreateRequest& request) {
  View& view = change.view();
  TRY(check_request(request));
  const Node* parent = TRY(searchable(view, call, InodeId{request.parent()}));
  auto there = TRY(existing(view, call, *parent, request));
  if (there) return *std::move(there);
  TRY(check_allowed(view, call, *parent, request));
  Node made = node_for(change, call, *parent, request);
  const Inherited acls = TRY(inherit(view, *parent, request.umask(), made));
  const bool place = request.place_chunks() != 0 && made.is_regular();
  auto members = place ? change.choose_members() : Result<std::vector<ServerId>>(Errc::kUnavailable);
  const Node& node = *TRY(add(change, *parent, made, request.name(), acls));
  v1::CreateResponse out;
  *out.mutable_entry() = entry_of_made(call, node);
  *out.mutable_parent() = attr_of(*parent);
  if (!members) return out;
  const Chunk chunk = TRY(place_chunk(change, std::move(members).value(), {node.inode, 0, 0, ""}));
  *out.mutable_layout() = layout_of(*call.keys, chunk);
  return out;
}

Result<v1::Entry> link(Change& change, const Call& call, const v1::LinkRequest& request) {
  View& view = change.view();
  TRY(check_name(request.name()));
  const Node* parent = TRY(searchable(view, call, InodeId{request.parent()}));
  if (is_dots(request.name()) || TRY(view.name(parent->inode, request.name()))) return Error(Errc::kExists);
  const Node* source = TRY(view.node(InodeId{request.inode()}));
  TRY(require(view, call, *parent, kMayWrite | kMayExec));
  if (source->is_directory()) return Error(Errc::kNotPermitted, "directories have one name");
  if (source->file_class != parent->file_class) return Error(Errc::kCrossDevice, "directories of different classes");
  if (source->nlink == 0) return Error(Errc::kNotFound);
  if (source->nlink >= kMaxHardLinks) return Error(Errc::kTooManyLinks);
  Node& node = *TRY(change.edit(source->inode));
  TRY(change.add_name(parent->inode, request.name(), node));
  ++node.nlink;
  change.touch(node, false);
  change.touch(*TRY(change.edit(parent->inode)), true);
  return entry_of(view, call, node);
}

namespace {

Status check_removable(View& view, const Call& call, const Node& parent, const Found& found,
                       const v1::RemoveRequest& request) {
  TRY(may_delete(view, call, parent, *found.node, request.directory()));
  if (request.inode() != 0 && InodeId{request.inode()} != found.node->inode) {
    return Error(Errc::kStale, "the name is another's now");
  }
  if (request.directory() && TRY(view.has_names(found.node->inode))) return Error(Errc::kNotEmpty);
  return {};
}

}  // namespace

Result<v1::RemoveResponse> remove(Change& change, const Call& call, const v1::RemoveRequest& request) {
  View& view = change.view();
  TRY(check_name(request.name()));
  const Node* directory = TRY(searchable(view, call, InodeId{request.parent()}));
  if (request.name() == ".") return Error(request.directory() ? Errc::kInvalid : Errc::kIsDirectory);
  if (request.name() == "..") return Error(request.directory() ? Errc::kNotEmpty : Errc::kIsDirectory);
  const Found found = TRY(find_entry(view, directory->inode, request.name()));
  TRY(check_removable(view, call, *directory, found, request));
  Node& parent = *TRY(change.edit(directory->inode));
  Node& victim = *TRY(change.edit(found.node->inode));
  TRY(change.drop_name(parent.inode, request.name()));
  TRY(drop_link(change, victim));
  if (victim.is_directory()) --parent.nlink;
  change.touch(parent, true);
  v1::RemoveResponse out;
  *out.mutable_parent() = attr_of(parent);
  *out.mutable_victim() = attr_of(victim);
  return out;
}

}  // namespace conclave::dir
