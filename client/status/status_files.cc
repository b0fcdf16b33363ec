#include "client/status/status_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <utility>

#include "client/tree/class_rule.h"

namespace conclave::client {
namespace {

constexpr InodeId kFolderInode{FileClasses::kFirstOfOurs};

// What an open descriptor reads: rendered once, so that a reader sees one moment.
struct Rendered {
  std::string text;
};

}  // namespace

StatusFiles::StatusFiles(Clock& clock, const Caller& owner) : clock_(clock), owner_(owner), started_(clock.wall()) {
  nodes_[kFolderInode].name = kStatusFolder;
  nodes_[kFolderInode].parent = kRootInode;
}

FileClass StatusFiles::row() {
  FileClass row;
  row.attributes = [this](const Caller&, const InodePtr& inode) -> Result<AttrAnswer> {
    return AttrAnswer{TRY(attributes(inode->id)), {}, {}};
  };
  row.open = [this](const Caller& caller, OpenFile& file) { return open(caller, file); };
  row.read = [](const Caller&, OpenFile& file, const ReadRequest& request) { return read(file, request); };
  row.write = [this](const Caller& caller, OpenFile& file, const WriteRequest& request) {
    return write(caller, file.inode->id, request);
  };
  row.resize = [](const Caller&, const InodePtr&, const OpenFile*, std::uint64_t size) -> Status {   // echo … > request
    if (size != 0) return Error(Errc::kNotPermitted, "status files are made by the mount");
    return {};
  };
  row.lookup = [this](const Caller& caller, InodeId folder, const std::string& name) -> Result<EntryAnswer> {
    return EntryAnswer{TRY(find(caller, folder, name)), {}, {}, {}, {}};
  };
  row.list = [this](const Caller& caller, InodeId folder, std::uint64_t offset, const TakeEntry& take) {
    return list(caller, folder, offset, take);
  };
  row.cached_entries = false;
  row.at_dir = false;
  return row;
}

InodeId StatusFiles::intern(InodeId parent, const std::string& name) {
  const auto known = by_name_.find({parent, name});
  if (known != by_name_.end()) return known->second;
  const InodeId inode{FileClasses::kFirstOfOurs + nodes_.size()};
  nodes_[inode].name = name;
  nodes_[inode].parent = parent;
  by_name_[{parent, name}] = inode;
  return inode;
}

// A number stands for one path, which is a file or a folder for ever.
InodeId StatusFiles::intern_listed(InodeId parent, const Child& child) {
  const InodeId inode = intern(parent, child.name);
  const Node& above = nodes_.at(parent);
  Node& node = nodes_.at(inode);
  if (raw(node.tree) != 0) return inode;  // read without the mutex from now on
  node.tree = above.source.list ? parent : above.tree;
  node.path = above.path.empty() ? child.name : above.path + "/" + child.name;
  node.folder = child.folder;
  return inode;
}

// What a source's listing has directly in one of its folders, in its order.
Result<std::vector<StatusFiles::Child>> StatusFiles::listed(const Caller& caller, InodeId folder, const Node& at) const {
  const Node* const source = at.source.list ? &at : node(at.tree);
  if (source == nullptr || !source->source.list) return Error(Errc::kNotDirectory, "folder " + std::to_string(raw(folder)));
  const std::string prefix = at.path.empty() ? "" : at.path + "/";
  std::vector<Child> out;
  std::set<std::string> seen;
  for (const std::string& path : TRY(source->source.list(caller))) {
    if (!path.starts_with(prefix)) continue;
    const std::size_t slash = path.find('/', prefix.size());
    Child child{path.substr(prefix.size(), slash - prefix.size()), slash != std::string::npos};
    if (seen.insert(child.name).second) out.push_back(std::move(child));
  }
  return out;
}

void StatusFiles::add(const std::string& name, StatusSource source) {
  const std::lock_guard lock(mutex_);
  nodes_[intern(kFolderInode, name)].source = std::move(source);
}

void StatusFiles::add(const std::string& name, ControlSink sink) {
  const std::lock_guard lock(mutex_);
  nodes_[intern(kFolderInode, name)].sink = std::move(sink);
}

// Nodes are never removed, and std::map keeps their addresses; name, parent and functions do not change once found.
const StatusFiles::Node* StatusFiles::node(InodeId inode) const {
  const std::lock_guard lock(mutex_);
  const auto found = nodes_.find(inode);
  return found == nodes_.end() ? nullptr : &found->second;
}

dir::v1::Attr StatusFiles::attr_of(InodeId inode, const Node& node) const {
  dir::v1::Attr attr;
  attr.set_uid(owner_.uid);
  attr.set_gid(owner_.gid);
  attr.set_inode(raw(inode));
  attr.set_nlink(node.is_folder() ? 2 : 1);
  attr.set_mode(node.is_folder() ? S_IFDIR | 0555 : node.sink ? S_IFREG | 0666 : S_IFREG | 0444);
  attr.set_size_bytes(node.source.size_bytes);
  attr.set_atime_ns(started_.ns);
  attr.set_ctime_ns(started_.ns);
  attr.set_mtime_ns(node.is_folder() || node.sink ? started_.ns : clock_.wall().ns);
  return attr;
}

Result<dir::v1::Attr> StatusFiles::attributes(InodeId inode) const {
  const Node* const found = node(inode);
  if (found == nullptr) return Error(Errc::kStale, "no such status file");
  return attr_of(inode, *found);
}

Result<dir::v1::Attr> StatusFiles::find(const Caller& caller, InodeId parent, const std::string& name) {
  if (parent == kRootInode) return attributes(kFolderInode);
  const Node* const folder = node(parent);
  if (folder == nullptr || !folder->is_folder()) return Errc::kNotDirectory;
  if (name == "." || name == "..") return attributes(name == "." || parent == kFolderInode ? parent : folder->parent);
  if (folder->source.list || folder->folder) {
    const auto children = TRY(listed(caller, parent, *folder));
    const auto child = std::ranges::find(children, name, &Child::name);
    if (child == children.end()) return Errc::kNotFound;
    const std::lock_guard lock(mutex_);
    const InodeId inode = intern_listed(parent, *child);
    return attr_of(inode, nodes_.at(inode));
  }
  InodeId inode{};
  {
    const std::lock_guard lock(mutex_);
    const auto known = by_name_.find({parent, name});
    if (known == by_name_.end()) return Errc::kNotFound;
    inode = known->second;
  }
  return attributes(inode);
}

Result<OpenAnswer> StatusFiles::open(const Caller& caller, OpenFile& file) {
  const Node* const found = node(file.inode->id);
  if (found == nullptr) return Errc::kStale;
  OpenAnswer out;
  out.direct_io = true;
  out.no_flush = true;
  if (found->sink) return writes(file.flags) ? Result<OpenAnswer>(out) : Error(Errc::kAccess, "this file takes messages");
  if (writes(file.flags)) return Error(Errc::kAccess, "this file is read");
  auto rendered = std::make_shared<Rendered>();
  const Node* const tree = node(found->tree);
  if (tree != nullptr && tree->source.render_one) {
    rendered->text = TRY(tree->source.render_one(caller, found->path));
  } else if (found->source.render) {
    rendered->text = TRY(found->source.render(caller));
  }
  file.own = std::move(rendered);
  return out;
}

// As a secret is read, for the self-test of the page-cache guard (page_cache_guard.h).
Result<ReadAnswer> StatusFiles::read(OpenFile& file, const ReadRequest& request) {
  if (request.lock_owner == 0) return Error(Errc::kInvalid, "status files are read with read(2) only");
  const auto* const rendered = static_cast<const Rendered*>(file.own.get());
  if (rendered == nullptr) return Errc::kBadDescriptor;
  ReadAnswer out;
  if (request.offset < rendered->text.size()) out.bytes = rendered->text.substr(request.offset, request.length);
  return out;
}

Result<std::size_t> StatusFiles::write(const Caller& caller, InodeId inode, const WriteRequest& request) {
  const Node* const found = node(inode);
  if (found == nullptr || !found->sink) return Errc::kBadDescriptor;
  if (request.bytes.size() > kMaxMessage) return Error(Errc::kMessageTooBig, "a message has at most 64 KiB");
  TRY(found->sink(caller, text_of(request.bytes)));
  return request.bytes.size();
}

Status StatusFiles::list(const Caller& caller, InodeId folder, std::uint64_t offset, const TakeEntry& take) {
  const Node* const found = node(folder);
  if (found == nullptr || !found->is_folder()) return Errc::kNotDirectory;
  std::vector<std::pair<std::string, InodeId>> entries = {{".", folder}, {"..", found->parent}};
  if (found->source.list || found->folder) {
    const auto children = TRY(listed(caller, folder, *found));
    const std::lock_guard lock(mutex_);
    for (const Child& child : children) entries.emplace_back(child.name, intern_listed(folder, child));
  } else {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, inode] : by_name_) {
      if (key.first == folder) entries.emplace_back(key.second, inode);
    }
  }
  for (std::size_t i = offset; i < entries.size(); ++i) {
    const Node* const node_of_entry = node(entries[i].second);
    const std::uint32_t type = i < 2 || (node_of_entry != nullptr && node_of_entry->is_folder()) ? S_IFDIR : S_IFREG;
    if (!take({entries[i].first, raw(entries[i].second), type, i + 1, nullptr})) break;
  }
  return {};
}

}  // namespace conclave::client
