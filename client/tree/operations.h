// What operations of the file system take and give, in words that know no kernel.
#pragma once

#include <fcntl.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/secret_bytes.h"
#include "client/session/lease_cache.h"
#include "client/tree/open_file.h"
#include "conclave/dir/v1/dir.pb.h"

namespace conclave::client {

// On whose behalf, as the kernel says.
struct Caller {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint32_t pid = 0;
};

// Of open(2)'s flags.
inline bool writes(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

inline dir::v1::Caller wire_of(const Caller& caller) {
  dir::v1::Caller out;
  out.set_uid(caller.uid);
  out.set_gid(caller.gid);
  return out;
}

// How long the kernel may keep an answer: as long as the lease behind it, or not at all. Answers keep their leases
// pinned: give them up when the kernel has the answer, else a recall could pass between, and the kernel would keep
// what is no longer true.
struct AttrAnswer {
  dir::v1::Attr attr;
  Duration attr_time{};
  LeaseCache::Use use;
};
// A name's inode; inode 0: there is no such name, and that may be kept too. With an inode, the kernel's count of
// look-ups has risen by one: forget() takes it back.
struct EntryAnswer {
  dir::v1::Attr attr;
  Duration attr_time{};
  Duration entry_time{};
  LeaseCache::Use attr_use, name_use;
};

struct OpenAnswer {
  std::uint64_t handle = 0;
  bool direct_io = false;
  bool keep_cache = false;
  bool cache_readdir = false;
  bool no_flush = false;
  bool non_seekable = false;
};
struct CreateAnswer {
  EntryAnswer entry;
  OpenAnswer open;
};

struct ReadRequest {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint64_t lock_owner = 0;   // 0: not from read(2); what fills the page cache has none
};
struct ReadAnswer {
  std::string bytes;
  LeaseCache::Use use;
  SecretBytes secret;             // a secret's bytes stand here instead: wiped once answered
  [[nodiscard]] ByteView content() const { return secret.empty() ? view_of(bytes) : secret.view(); }
};
struct WriteRequest {
  std::uint64_t offset = 0;
  ByteView bytes;
  bool from_page_cache = false;   // a shared mapping's page: the caller is unknown
  std::uint64_t page_era = 0;     // then: LeaseCache's, when the request came
  bool append = false;            // O_APPEND, as it is now: fcntl(2) may have changed it since open(2)
};

struct AttrChange {
  std::optional<std::uint32_t> mode, uid, gid;
  std::optional<std::uint64_t> size;
  std::optional<std::int64_t> atime_ns, mtime_ns;
  bool atime_now = false, mtime_now = false;
  bool kill_privileges = false;
};

struct NewNode {
  std::string name;
  std::uint32_t mode = 0;         // type and permission bits, the umask not applied
  std::uint32_t umask = 0;
  std::uint64_t rdev = 0;
  std::string target;             // of a symbolic link
};

enum class AllocateMode : std::uint8_t { kReserve, kPunch, kZero };
struct AllocateRequest {
  AllocateMode mode = AllocateMode::kReserve;
  bool keep_size = false;
  ByteRange range;
};

struct CopyRequest {
  std::uint64_t from_handle = 0, from_offset = 0;
  std::uint64_t to_handle = 0, to_offset = 0;
  std::uint64_t length = 0;
};

struct LockRequest {
  InodeId inode{};
  std::uint64_t handle = 0;
  std::uint64_t owner = 0;
  bool flock = false;             // else fcntl, POSIX or OFD
  enum class Type : std::uint8_t { kUnlock, kShared, kExclusive } type = Type::kUnlock;
  std::uint64_t start = 0;
  std::uint64_t end = 0;          // inclusive; 2^63 - 1: to the end
  std::uint32_t pid = 0;
  bool wait = false;
};

// One entry of a listing.
struct ListedEntry {
  std::string_view name;
  std::uint64_t inode = 0;
  std::uint32_t type = 0;         // S_IFMT bits
  std::uint64_t next = 0;         // the offset to go on at after this one
  EntryAnswer* entry = nullptr;   // readdirplus, to be moved from; null: not known under a lease, look it up
};
// False: it does not fit, stop.
using TakeEntry = std::function<bool(const ListedEntry&)>;

// poll(2): what is ready now; `wake` is kept and called once when that changes.
struct PollRequest {
  unsigned events = 0;
  std::function<void()> wake;     // empty: do not tell
};

}  // namespace conclave::client
