// What this mount knows of inodes and names. A node number in the kernel is an inode number; an Inode lives while
// the kernel refers to it, a program has it open, or bytes of it are on their way.
//
// What is cached is valid under a lease only: attributes and layouts carry the seq of the grant they were read under
// and are asked anew under another. A name carries the seq of its directory's; under another it is a hint that D
// checks.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "conclave/dir/v1/dir.pb.h"
#include "fuse/write_buffer.h"

namespace conclave::fuse_fs {

struct Inode {
  explicit Inode(InodeId number) : id(number) {}
  const InodeId id;

  std::mutex mutex;  // guards all below; held across no call

  dir::v1::Attr attr;            // under W with our own size and times
  std::uint64_t attr_seq = 0;    // of the lease that attr is valid under; 0: a hint
  std::string ticket;            // D's, for L
  std::string target;            // of a symbolic link; it never changes
  std::uint32_t opens = 0;
  std::uint64_t lookups = 0;     // as the kernel counts them

  // Bytes, under W or R.
  std::string token;             // sealed, of the newest lease used here
  std::uint64_t token_seq = 0;
  std::map<std::uint64_t, dir::v1::Layout> layouts;  // by chunk number
  std::uint64_t layouts_seq = 0;
  WriteBuffer buffer;
  std::uint64_t size_at_dir = 0;     // what D knows
  bool attr_dirty = false;           // size or times are newer than D's
  bool kill_privileges = false;      // with the next commit to D
  bool turn_taken = false;           // see Turn in flusher.h
  bool queued = false;               // for the flusher
  MonoTime touched_at = kNever;      // the oldest change here that D does not have
  MonoTime sent_at = kNever;         // the oldest bytes at F that no commit covers
  MonoTime retry_at{};               // after a server was away
  std::uint32_t failures = 0;        // rises when bytes were lost; each descriptor reports it once
  Errc failure = Errc::kIo;

  // What close must drop at L.
  std::set<std::uint64_t> posix_owners;
  std::set<std::uint64_t> flock_owners;

  [[nodiscard]] bool is_dir() const;   // of attr.mode, as the next two
  [[nodiscard]] bool is_regular() const;
  [[nodiscard]] bool removed() const { return attr.inode() != 0 && attr.nlink() == 0; }

  // D's word on the attributes, merged: our own size and times win while attr_dirty; an older answer that was
  // overtaken (change) is ignored.
  void learn(const dir::v1::Attr& from_dir);
  // The same, valid under `seq` from now on; ignored if attributes under `seq` are here already.
  void learn_under(const dir::v1::Attr& from_dir, std::uint64_t seq);
};
using InodePtr = std::shared_ptr<Inode>;

// Thread-safe; blocks nowhere.
class InodeTable {
 public:
  // The inode, made if it is new here.
  InodePtr intern(InodeId inode);
  InodePtr intern(const dir::v1::Entry& entry);   // and learns the entry: attributes as a hint, ticket, target
  // Null: the kernel names something we forgot (a program kept a stale handle).
  [[nodiscard]] InodePtr find(InodeId inode) const;

  // The kernel learned of it once more; forgot `count` times. forget is true when nothing needs the Inode any more
  // and it was dropped.
  static void remember(Inode& inode);
  bool forget(InodeId inode, std::uint64_t count);
  // Drops it if nothing needs it; for who made it clean or closed it last.
  bool drop_if_unused(InodeId inode);

  // Names: what `name` in `parent` was under the directory lease `seq`. At most one name is kept for an inode.
  void learn_name(InodeId parent, const std::string& name, InodeId child, std::uint64_t seq);
  void forget_name(InodeId parent, const std::string& name);
  struct Known {
    InodeId child{};
    std::uint64_t seq = 0;
  };
  [[nodiscard]] std::optional<Known> name(InodeId parent, const std::string& name) const;

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::vector<InodePtr> all() const;

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
  bool drop_locked(std::unordered_map<InodeId, Slot>::iterator at);

  mutable std::mutex mutex_;                                // before an Inode's mutex
  std::unordered_map<InodeId, Slot> inodes_;                // guarded by mutex_
  std::unordered_map<NameKey, Known, NameHash> names_;      // guarded by mutex_
};

// A descriptor of the kernel: one open(2) or opendir(2).
struct OpenFile {
  InodePtr inode;
  int flags = 0;                 // of open(2)
  std::uint32_t uid = 0;
  bool append = false;
  std::mutex mutex;              // guards the two below
  std::uint32_t failures_seen = 0;
  dir::v1::ReadDirResponse page; // directories: what D listed after `page_after`
  std::uint64_t page_after = 0;
  bool page_filled = false;
  std::vector<bool> page_leased; // by entry: attributes may be given to the kernel
  std::shared_ptr<void> own;     // a class's own (secret_file)
};
using OpenFilePtr = std::shared_ptr<OpenFile>;

// Handles by number. Thread-safe; blocks nowhere.
class OpenTable {
 public:
  std::uint64_t add(OpenFilePtr file);
  [[nodiscard]] OpenFilePtr find(std::uint64_t handle) const;
  OpenFilePtr remove(std::uint64_t handle);
  [[nodiscard]] std::size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::uint64_t next_ = 1;
  std::unordered_map<std::uint64_t, OpenFilePtr> files_;
};

}  // namespace conclave::fuse_fs
