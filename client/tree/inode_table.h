// What this mount knows of inodes and names. A node number in the kernel is an inode number; an Inode lives while
// the kernel refers to it, a program has it open, or bytes of it are on their way.
//
// What is cached is valid under a lease only: attributes and layouts carry the number since which a lease was held
// without a gap (LeaseCache::Use::since) when they were read, and are asked anew under another. A name carries its
// directory's; under another it is a hint that D checks.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/ids.h"
#include "client/bytes/write_buffer.h"
#include "client/session/parking.h"
#include "conclave/dir/v1/dir.pb.h"

namespace conclave::client {

// Chunks that a commit has covered for the first time, as D placed them.
using Births = std::vector<dir::v1::Layout>;

struct Inode {
  explicit Inode(InodeId number, std::shared_ptr<HeldBytes> held = std::make_shared<HeldBytes>())
      : id(number), buffer(std::move(held)) {}
  const InodeId id;

  std::mutex mutex;  // held across no call

  dir::v1::Attr attr GUARDED_BY(mutex);            // under W with our own size and times
  std::uint64_t attr_since GUARDED_BY(mutex) = 0;  // the lease that attr is valid under; 0: a hint
  std::string ticket GUARDED_BY(mutex);            // D's, for L
  std::string target GUARDED_BY(mutex);            // of a symbolic link; it never changes
  std::uint32_t opens GUARDED_BY(mutex) = 0;
  bool told_open GUARDED_BY(mutex) = false;        // L was told so: it must hear of the last close
  std::uint64_t lookups GUARDED_BY(mutex) = 0;     // as the kernel counts them

  // Bytes, under W or R.
  std::string token GUARDED_BY(mutex);  // sealed, of the newest lease used here, with its numbers
  std::uint64_t token_seq GUARDED_BY(mutex) = 0;
  std::uint64_t token_since GUARDED_BY(mutex) = 0;
  std::map<std::uint64_t, dir::v1::Layout> layouts GUARDED_BY(mutex);  // by chunk number
  std::uint64_t layouts_since GUARDED_BY(mutex) = 0;
  WriteBuffer buffer GUARDED_BY(mutex);
  Births births GUARDED_BY(mutex);                 // D is told with the next commit of the size
  std::uint64_t size_at_dir GUARDED_BY(mutex) = 0;                     // what D knows
  bool attr_dirty GUARDED_BY(mutex) = false;                           // size or times are newer than D's …
  std::uint64_t own_since GUARDED_BY(mutex) = 0;                       // … under this lease, and under no other
  // Set-id bits ended here; D is told with its next commit, and until then not believed.
  bool kill_privileges GUARDED_BY(mutex) = false;
  bool queued GUARDED_BY(mutex) = false;                               // for the flusher
  MonoTime touched_at GUARDED_BY(mutex) = kNever;                      // the oldest change here that D does not have
  MonoTime sent_at GUARDED_BY(mutex) = kNever;                         // the oldest bytes at F that no commit covers
  MonoTime retry_at GUARDED_BY(mutex){};                               // after a server was away
  std::uint32_t failures GUARDED_BY(mutex) = 0;  // rises when bytes were lost; each descriptor reports it once
  Errc failure GUARDED_BY(mutex) = Errc::kIo;                          // what it reports, see lose()

  // The size that the kernel has: at least this. It may have dropped what it was told of a larger one (Fs::raise_size).
  std::uint64_t kernel_size GUARDED_BY(mutex) = 0;
  std::uint64_t kernel_since GUARDED_BY(mutex) = 0;  // the lease under which it has all of the size; 0: perhaps under none
  ParkKey kernel_key GUARDED_BY(mutex) = 0;          // of who waits until it was raised; 0: nobody

  // What close must drop at L.
  std::set<std::uint64_t> posix_owners GUARDED_BY(mutex);
  std::set<std::uint64_t> flock_owners GUARDED_BY(mutex);

  // Bytes are lost for `why`. Of a lost session it is kIo: the session is replaced, its bytes are not.
  void lose(Errc why) REQUIRES(mutex) {
    ++failures;
    failure = why == Errc::kFenced ? Errc::kIo : why;
  }

  // Size and times are our own, changed under W of the lease `since`.
  void own_attributes(std::uint64_t since) REQUIRES(mutex) {
    attr_dirty = true;
    own_since = since;
  }

  [[nodiscard]] bool is_dir() const REQUIRES(mutex);   // of attr.mode, as the next two
  [[nodiscard]] bool is_regular() const REQUIRES(mutex);
  [[nodiscard]] bool removed() const REQUIRES(mutex) { return attr.inode() != 0 && attr.nlink() == 0; }

  // D's word on the attributes, merged: our own size and times win while attr_dirty, and set-id bits that a write ended
  // here stay ended (kill_privileges); an older answer that was overtaken (change) is ignored. Type and class never
  // change: what class_rule.h let pass stays, whatever D says later.
  void learn(const dir::v1::Attr& from_dir) REQUIRES(mutex);
  // The same, valid under the lease `since` from now on; ignored if such attributes are here already. Our own size and
  // times of another lease are void: others may have changed the file since. They should have been told before that lease
  // went back.
  void learn_under(const dir::v1::Attr& from_dir, std::uint64_t since) REQUIRES(mutex);
  // Set-id bits that a write or a truncation by `uid` ends: any but the superuser's.
  [[nodiscard]] bool loses_privileges(std::uint32_t uid) const REQUIRES(mutex);
  // Ends them here, and at D with the commit that the change itself asks for (attr_dirty).
  void end_privileges(std::uint32_t uid) REQUIRES(mutex);
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

// A page of D's listing of a directory: the entries after the cookie `after`.
struct ListPage {
  std::uint64_t after = 0;
  std::uint64_t names_since = 0;     // the directory lease it was listed under
  dir::v1::ReadDirResponse response;
  std::vector<std::uint64_t> since;  // by entry: the lease its attributes were read under; 0: none
  [[nodiscard]] std::uint64_t last_cookie() const {
    const int count = response.entries_size();
    return count == 0 ? after : response.entries(count - 1).cookie();
  }
};

// A descriptor of the kernel: one open(2) or opendir(2).
struct OpenFile {
  InodePtr inode;
  int flags = 0;                         // of open(2)
  std::uint32_t uid = 0;
  bool append = false;
  std::shared_ptr<void> own;             // a class's own, set when it is opened
  std::atomic<bool> lock_lost{false};    // one that was taken through it: it fails until it is closed
  std::atomic<bool> wrote{false};        // through it: when that is lost, it reads nothing until fsync has said so
  std::mutex mutex;                                        // before the Inode's
  std::uint32_t failures_seen GUARDED_BY(mutex) = 0;
  std::set<std::uint64_t> posix_owners GUARDED_BY(mutex);  // that locked through it
  std::shared_ptr<ListPage> page GUARDED_BY(mutex);        // directories: where the last listing was
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
  std::uint64_t next_ GUARDED_BY(mutex_) = 1;
  std::unordered_map<std::uint64_t, OpenFilePtr> files_ GUARDED_BY(mutex_);
};

}  // namespace conclave::client
