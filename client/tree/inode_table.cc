#include "client/tree/inode_table.h"

#include <algorithm>

#include "base/limits.h"

namespace conclave::client {

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
  if (inode.kernel.lookups++ == 0) inode.kernel.size = size_bytes;
}

void InodeTable::forget(InodeId inode, std::uint64_t count) {
  const std::lock_guard lock(mutex_);
  const auto at = inodes_.find(inode);
  if (at == inodes_.end()) return;
  const std::lock_guard inner(at->second.inode->mutex);
  at->second.inode->kernel.lookups -= std::min(at->second.inode->kernel.lookups, count);
  if (at->second.inode->kernel.lookups == 0) suspects_.push_back(inode);
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
    if (inode.kernel.lookups != 0 || inode.opens != 0) return Fate::kWanted;
    const bool writing = inode.attributes.dirty || inode.bytes.buffer.holds();
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
      const bool used = at->first == kRootInode || at->second.inode->opens != 0 || at->second.inode->kernel.lookups == 0;
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

}  // namespace conclave::client
