#include "client/tree/inode_table.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/limits.h"
#include "base/set_id_bits.h"

namespace conclave::client {

bool Inode::is_dir() const { return S_ISDIR(attr.mode()); }
bool Inode::is_regular() const { return S_ISREG(attr.mode()); }

void Inode::learn(const dir::v1::Attr& from_dir) {
  if (from_dir.inode() == 0 || from_dir.change() < attr.change()) return;
  const dir::v1::Attr ours = attr;
  attr = from_dir;
  if (ours.inode() != 0) {
    attr.set_class_(ours.class_());
    attr.set_mode((ours.mode() & S_IFMT) | (from_dir.mode() & ~static_cast<std::uint32_t>(S_IFMT)));
  }
  if (!attr_dirty) {
    size_at_dir = from_dir.size_bytes();
    kernel_size = std::min(kernel_size, size_at_dir);  // as soon as it is told
    return;
  }
  attr.set_size_bytes(ours.size_bytes());
  attr.set_allocated_bytes(ours.allocated_bytes());
  attr.set_mtime_ns(ours.mtime_ns());
  attr.set_ctime_ns(std::max(ours.ctime_ns(), from_dir.ctime_ns()));
  if (kill_privileges) attr.set_mode(without_set_id(attr.mode()));
}

bool Inode::loses_privileges(std::uint32_t uid) const { return uid != 0 && without_set_id(attr.mode()) != attr.mode(); }

void Inode::end_privileges(std::uint32_t uid) {
  if (!loses_privileges(uid)) return;
  attr.set_mode(without_set_id(attr.mode()));
  kill_privileges = true;
}

void Inode::learn_under(const dir::v1::Attr& from_dir, std::uint64_t since) {
  if (attr_since == since) return;
  if (attr_dirty && own_since != since) {
    attr_dirty = false;
    lose(Errc::kIo);
  }
  learn(from_dir);
  attr_since = since;
}

InodePtr InodeTable::intern(InodeId inode) {
  const std::lock_guard lock(mutex_);
  Slot& slot = inodes_[inode];
  if (!slot.inode) {
    slot.inode = std::make_shared<Inode>(inode, held_);
    suspects_.push_back(inode);
  }
  return slot.inode;
}

InodePtr InodeTable::intern(const dir::v1::Entry& entry) {
  InodePtr inode = intern(InodeId{entry.attr().inode()});
  const std::lock_guard lock(inode->mutex);
  inode->learn(entry.attr());
  if (!entry.ticket().empty()) inode->ticket = entry.ticket();
  if (!entry.target().empty()) inode->target = entry.target();
  return inode;
}

InodePtr InodeTable::find(InodeId inode) const {
  const std::lock_guard lock(mutex_);
  const auto at = inodes_.find(inode);
  return at == inodes_.end() ? nullptr : at->second.inode;
}

void InodeTable::remember(Inode& inode, std::uint64_t size_bytes) {
  const std::lock_guard lock(inode.mutex);
  if (inode.lookups++ == 0) inode.kernel_size = size_bytes;
}

void InodeTable::forget(InodeId inode, std::uint64_t count) {
  const std::lock_guard lock(mutex_);
  const auto at = inodes_.find(inode);
  if (at == inodes_.end()) return;
  const std::lock_guard inner(at->second.inode->mutex);
  at->second.inode->lookups -= std::min(at->second.inode->lookups, count);
  if (at->second.inode->lookups == 0) suspects_.push_back(inode);
}

void InodeTable::suspect(InodeId inode) {
  const std::lock_guard lock(mutex_);
  suspects_.push_back(inode);
}

std::vector<InodeId> InodeTable::sweep() {
  const std::lock_guard lock(mutex_);
  std::vector<InodeId> dropped;
  std::erase_if(suspects_, [&](InodeId inode) REQUIRES(mutex_) {
    const auto at = inodes_.find(inode);
    if (at == inodes_.end()) return true;
    const Fate fate = decide(at);
    if (fate == Fate::kDropped) dropped.push_back(inode);
    return fate != Fate::kUndecided;
  });
  return dropped;
}

// An operation that holds the pointer got it under mutex_: when the table's is the only one, nobody can get another.
InodeTable::Fate InodeTable::decide(std::unordered_map<InodeId, Slot>::iterator at) {
  if (at->first == kRootInode) return Fate::kWanted;
  Inode& inode = *at->second.inode;
  {
    const std::lock_guard inner(inode.mutex);
    if (inode.lookups != 0 || inode.opens != 0) return Fate::kWanted;
    const bool writing = inode.attr_dirty || inode.buffer.holds();
    if (writing || at->second.inode.use_count() != 1) return Fate::kUndecided;
  }
  if (at->second.name) names_.erase(*at->second.name);
  inodes_.erase(at);
  return Fate::kDropped;
}

std::vector<InodeId> InodeTable::spare() {
  const std::lock_guard lock(mutex_);
  std::vector<InodeId> out;
  if (inodes_.size() <= kMaxInodesKept) return out;
  const std::size_t wanted = std::min(kSpareAtOnce, inodes_.size() - kMaxInodesKept / 10 * 9);
  for (std::size_t i = 0; i < inodes_.bucket_count() && out.size() < wanted; ++i) {
    const std::size_t bucket = hand_++ % inodes_.bucket_count();
    for (auto at = inodes_.begin(bucket); at != inodes_.end(bucket) && out.size() < wanted; ++at) {
      const std::lock_guard inner(at->second.inode->mutex);
      const bool used = at->first == kRootInode || at->second.inode->opens != 0 || at->second.inode->lookups == 0;
      if (!used) out.push_back(at->first);
    }
  }
  return out;
}

void InodeTable::learn_name(InodeId parent, const std::string& name, InodeId child, std::uint64_t since) {
  const std::lock_guard lock(mutex_);
  const auto at = inodes_.find(child);
  if (at == inodes_.end()) return;
  NameKey key{parent, name};
  if (at->second.name && !(*at->second.name == key)) names_.erase(*at->second.name);
  if (const auto known = names_.find(key); known != names_.end() && known->second.child != child) {
    if (const auto old = inodes_.find(known->second.child); old != inodes_.end()) old->second.name.reset();
  }
  names_[key] = {child, since};
  at->second.name = std::move(key);
}

void InodeTable::forget_name(InodeId parent, const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto known = names_.find({parent, name});
  if (known == names_.end()) return;
  if (const auto at = inodes_.find(known->second.child); at != inodes_.end()) at->second.name.reset();
  names_.erase(known);
}

std::optional<InodeTable::Known> InodeTable::name(InodeId parent, const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto known = names_.find({parent, name});
  if (known == names_.end()) return std::nullopt;
  return known->second;
}

std::optional<InodeTable::Seen> InodeTable::seen(InodeId inode) const {
  const std::lock_guard lock(mutex_);
  std::optional<Seen> out;
  std::string path;
  for (InodeId at = inode; at != kRootInode;) {
    const auto slot = inodes_.find(at);
    if (slot == inodes_.end() || !slot->second.name) return out;
    const NameKey& name = *slot->second.name;
    if (!out) out = Seen{name.parent, ""};
    path.insert(0, "/" + name.name);
    if (path.size() > kMaxLinkTargetBytes) return out;  // a name that leads back to itself: hints may be stale
    at = name.parent;
  }
  if (out) out->path = std::move(path);
  return out;
}

std::size_t InodeTable::size() const {
  const std::lock_guard lock(mutex_);
  return inodes_.size();
}

std::vector<InodePtr> InodeTable::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<InodePtr> out;
  out.reserve(inodes_.size());
  for (const auto& [id, slot] : inodes_) out.push_back(slot.inode);
  return out;
}

std::uint64_t OpenTable::add(OpenFilePtr file) {
  const std::lock_guard lock(mutex_);
  files_.emplace(next_, std::move(file));
  return next_++;
}

OpenFilePtr OpenTable::find(std::uint64_t handle) const {
  const std::lock_guard lock(mutex_);
  const auto at = files_.find(handle);
  return at == files_.end() ? nullptr : at->second;
}

OpenFilePtr OpenTable::remove(std::uint64_t handle) {
  const std::lock_guard lock(mutex_);
  const auto at = files_.find(handle);
  if (at == files_.end()) return nullptr;
  OpenFilePtr file = std::move(at->second);
  files_.erase(at);
  return file;
}

std::size_t OpenTable::size() const {
  const std::lock_guard lock(mutex_);
  return files_.size();
}

}  // namespace conclave::client
