#include "dirserver/dir_create.h"

#include "base/limits.h"
#include "dirserver/dir_chunks.h"

namespace conclave::dir {
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
  if (is_device(request.mode()) && !subject.kernel_checked && !subject.is_root()) {
    return Error(Errc::kNotPermitted, "only the superuser makes devices");
  }
  if (request.class_() == v1::PLAIN || request.class_() == parent.file_class) return {};
  if (!S_ISDIR(request.mode())) return Error(Errc::kInvalid, "only directories have a class of their own");
  return call.may_administer ? Status() : Error(Errc::kNotPermitted, "only an admin sets a directory's class");
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

}  // namespace conclave::dir
