// What this mount knows of an inode: its attributes, its bytes, what the kernel has of it, and who uses it here.
//
// What is cached is valid under a lease only: attributes and layouts carry the number since which a lease was held
// without a gap (LeaseCache::Use::since) when they were read, and are asked anew under another.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "base/guarded.h"
#include "base/ids.h"
#include "base/result.h"
#include "client/bytes/inode_bytes.h"
#include "client/session/parking.h"
#include "conclave/dir/v1/dir.pb.h"

namespace conclave::client {

// As D has them, and what of them is our own. Guarded by the inode's mutex.
struct InodeAttributes {
  dir::v1::Attr now;              // under W with our own size and times
  std::uint64_t since = 0;        // the lease that they are valid under; 0: a hint
  std::uint64_t size_at_dir = 0;
  bool dirty = false;             // size or times are newer than D's …
  std::uint64_t own_since = 0;    // … under this lease, and under no other
  // Set-id bits ended here; D is told with its next commit, and until then not believed.
  bool kill_privileges = false;

  [[nodiscard]] bool known() const { return now.inode() != 0; }
  [[nodiscard]] bool is_dir() const;
  [[nodiscard]] bool is_regular() const;
  [[nodiscard]] bool removed() const { return known() && now.nlink() == 0; }

  // Size and times are our own, changed under W of the lease `lease_since`.
  void own(std::uint64_t lease_since) {
    dirty = true;
    own_since = lease_since;
  }
  // D's word, merged: our own size and times win while dirty, and set-id bits that a write ended here stay ended; an
  // older answer that was overtaken (change) is ignored: false. Type and class never change: what class_rule.h let pass
  // stays, whatever D says later.
  bool learn(const dir::v1::Attr& from_dir);
  // Set-id bits that a write or a truncation by `uid` ends: any but the superuser's.
  [[nodiscard]] bool loses_privileges(std::uint32_t uid) const;
  // Ends them here, and at D with the commit that the change itself asks for.
  void end_privileges(std::uint32_t uid);
};

// What the kernel was told of an inode. Guarded by the inode's mutex.
struct KernelView {
  std::uint64_t lookups = 0;   // as the kernel counts them
  // At least this size. It may have dropped what it was told of a larger one (Attributes::raise_size).
  std::uint64_t size = 0;
  std::uint64_t since = 0;     // the lease under which it has all of the size; 0: perhaps under none
  ParkKey key = 0;             // of who waits until it was raised; 0: nobody
};

// A node number in the kernel is an inode number; an Inode lives while the kernel refers to it, a program has it open, or
// bytes of it are on their way.
struct Inode {
  explicit Inode(InodeId number, std::shared_ptr<HeldBytes> held = std::make_shared<HeldBytes>())
      : id(number), bytes(std::move(held)) {}
  const InodeId id;

  std::mutex mutex;  // held across no call

  InodeAttributes attributes GUARDED_BY(mutex);
  InodeBytes bytes GUARDED_BY(mutex);
  KernelView kernel GUARDED_BY(mutex);
  std::string ticket GUARDED_BY(mutex);            // D's, for L
  std::string target GUARDED_BY(mutex);            // of a symbolic link; it never changes
  std::uint32_t opens GUARDED_BY(mutex) = 0;
  bool told_open GUARDED_BY(mutex) = false;        // L was told so: it must hear of the last close
  std::uint32_t failures GUARDED_BY(mutex) = 0;    // rises when bytes were lost; each descriptor reports it once
  Errc failure GUARDED_BY(mutex) = Errc::kIo;      // what it reports, see lose()
  // What close must drop at L.
  std::set<std::uint64_t> posix_owners GUARDED_BY(mutex);
  std::set<std::uint64_t> flock_owners GUARDED_BY(mutex);

  // Bytes that were acknowledged are lost for `why`: each descriptor that is open says so once, at its next fsync or close.
  // Of a lost session it is kIo: the session is replaced, its bytes are not.
  void lose(Errc why) REQUIRES(mutex) {
    ++failures;
    failure = why == Errc::kFenced ? Errc::kIo : why;
  }
  // Something here is on its way to the servers, or must be made durable there.
  [[nodiscard]] bool has_unsaved() const REQUIRES(mutex) {
    return attributes.dirty || bytes.buffer.holds() || bytes.buffer.uncommitted();
  }

  // InodeAttributes::learn; and the kernel, which hears of a smaller size at once, has no more than that.
  void learn(const dir::v1::Attr& from_dir) REQUIRES(mutex);
  // The same, valid under the lease `since` from now on; ignored if such attributes are here already. Our own size and
  // times of another lease are void: others may have changed the file since. They should have been told before that lease
  // went back.
  void learn_under(const dir::v1::Attr& from_dir, std::uint64_t since) REQUIRES(mutex);
};
using InodePtr = std::shared_ptr<Inode>;

}  // namespace conclave::client
