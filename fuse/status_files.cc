#include "fuse/status_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace conclave::fuse_fs {
namespace {

constexpr InodeId kFolderInode{StatusFiles::kFirst};

// What an open descriptor reads: rendered once, so that a reader sees one moment.
struct Rendered {
  std::string text;
};

}  // namespace

StatusFiles::StatusFiles(Clock& clock) : clock_(clock), started_(clock.wall()) {
  nodes_[kFolderInode] = Node{kFolder, kRootInode, {}, {}};
}

InodeId StatusFiles::intern(InodeId parent, const std::string& name) {
  const auto known = by_name_.find({parent, name});
  if (known != by_name_.end()) return known->second;
  const InodeId inode{kFirst + nodes_.size()};
  nodes_[inode] = Node{name, parent, {}, {}};
  by_name_[{parent, name}] = inode;
  return inode;
}

void StatusFiles::add(std::string name, StatusSource source) {
  const std::lock_guard lock(mutex_);
  nodes_[intern(kFolderInode, name)].source = std::move(source);
}

void StatusFiles::add(std::string name, ControlSink sink) {
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
  attr.set_inode(raw(inode));
  attr.set_nlink(node.is_folder() ? 2 : 1);
  attr.set_mode(node.is_folder() ? S_IFDIR | 0555 : node.sink ? S_IFREG | 0666 : S_IFREG | 0444);
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
  if (name == "." || name == "..") return attributes(name == "." || parent == kFolderInode ? parent : kFolderInode);
  if (folder->source.list) {
    const auto names = TRY(folder->source.list(caller));
    if (std::ranges::find(names, name) == names.end()) return Errc::kNotFound;
    const std::lock_guard lock(mutex_);
    const InodeId inode = intern(parent, name);
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

Result<OpenAnswer> StatusFiles::open(const Caller& caller, InodeId inode, OpenFile& file) {
  const Node* const found = node(inode);
  if (found == nullptr) return Errc::kStale;
  OpenAnswer out;
  out.direct_io = true;
  out.no_flush = true;
  const bool writes = (file.flags & O_ACCMODE) != O_RDONLY;
  if (found->sink) return writes ? Result<OpenAnswer>(out) : Error(Errc::kAccess, "this file takes messages");
  if (writes) return Error(Errc::kAccess, "this file is read");
  auto rendered = std::make_shared<Rendered>();
  const Node* const folder = node(found->parent);
  if (folder != nullptr && folder->source.render_one) {
    rendered->text = TRY(folder->source.render_one(caller, found->name));
  } else if (found->source.render) {
    rendered->text = TRY(found->source.render(caller));
  }
  file.own = std::move(rendered);
  return out;
}

Result<std::string> StatusFiles::read(OpenFile& file, const ReadRequest& request) {
  const auto* const rendered = static_cast<const Rendered*>(file.own.get());
  if (rendered == nullptr) return Errc::kBadDescriptor;
  if (request.offset >= rendered->text.size()) return std::string();
  return rendered->text.substr(request.offset, request.length);
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
  if (found->source.list) {
    const auto names = TRY(found->source.list(caller));
    const std::lock_guard lock(mutex_);
    for (const std::string& name : names) entries.emplace_back(name, intern(folder, name));
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

}  // namespace conclave::fuse_fs
