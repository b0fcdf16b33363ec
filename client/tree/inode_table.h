// The inodes that this mount knows, and the names that led to them. A name carries the number of its directory's lease
// (inode.h); under another it is a hint that D checks.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/ids.h"
#include "client/tree/inode.h"
#include "conclave/dir/v1/dir.pb.h"

namespace conclave::client {

// Thread-safe; blocks nowhere.
class InodeTable {
 public:
  // The inode, made if it is new here.
  InodePtr intern(InodeId inode);
  InodePtr intern(const dir::v1::Entry& entry);   // and learns the entry: attributes as a hint, ticket, target
  // Null: the kernel names something we forgot (a program kept a stale handle).
  [[nodiscard]] InodePtr find(InodeId inode) const;

  // The kernel learned of it once more, with this size; forgot `count` times.
  static void remember(Inode& inode, std::uint64_t size_bytes);
  void forget(InodeId inode, std::uint64_t count);
  // Nothing may need it any more (its last descriptor was closed).
  void suspect(InodeId inode);
  // Drops what nothing needs: no reference of the kernel, no descriptor, no bytes on their way, no operation at work.
  // Returns whom. Cheap while nothing was forgotten; called by a duty.
  std::vector<InodeId> sweep();

  // When more than kMaxInodesKept are here: some that the kernel should forget, at most kSpareAtOnce and none that is
  // open, going round the table. What is used will be looked up again.
  std::vector<InodeId> spare();
  static constexpr std::size_t kSpareAtOnce = 4096;

  // Names: what `name` in `parent` was under the directory lease `since`. At most one name is kept for an inode.
  void learn_name(InodeId parent, const std::string& name, InodeId child, std::uint64_t since);
  void forget_name(InodeId parent, const std::string& name);
  struct Known {
    InodeId child{};
    std::uint64_t since = 0;
  };
  [[nodiscard]] std::optional<Known> name(InodeId parent, const std::string& name) const;
  // Where an inode was seen last: a name that led to it, and the path of it as far as names are kept ("/a/b"; empty if
  // some part is not). Hints, as names are.
  struct Seen {
    InodeId parent{};
    std::string path;
  };
  [[nodiscard]] std::optional<Seen> seen(InodeId inode) const;

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::vector<InodePtr> all() const;
  // Of all write buffers.
  [[nodiscard]] std::size_t held_bytes() const { return held_->now(); }

 private:
  struct NameKey {
    InodeId parent{};
    std::string name;
    friend bool operator==(const NameKey&, const NameKey&) = default;
  };
  struct NameHash {
    std::size_t operator()(const NameKey& key) const {
      return std::hash<std::string>()(key.name) ^ raw(key.parent) * 0x9e3779b97f4a7c15ull;
    }
  };
  struct Slot {
    InodePtr inode;
    std::optional<NameKey> name;
  };
  enum class Fate : std::uint8_t { kDropped, kWanted, kUndecided };
  Fate decide(std::unordered_map<InodeId, Slot>::iterator at) REQUIRES(mutex_);

  const std::shared_ptr<HeldBytes> held_ = std::make_shared<HeldBytes>();
  mutable std::mutex mutex_;                                               // before an Inode's mutex
  std::unordered_map<InodeId, Slot> inodes_ GUARDED_BY(mutex_);
  std::unordered_map<NameKey, Known, NameHash> names_ GUARDED_BY(mutex_);
  std::vector<InodeId> suspects_ GUARDED_BY(mutex_);                       // new, forgotten or closed ones
  std::size_t hand_ GUARDED_BY(mutex_) = 0;                                // the bucket of inodes_ where spare() goes on
};

}  // namespace conclave::client
