// What L and D hand to a client for it to show elsewhere: fixed canonical bytes with an HMAC-SHA256 under
// the key of L's epoch, which L, D and F share. Checking one costs a hash and no call.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/crypto.h"
#include "base/ids.h"

namespace conclave {

enum class LeaseMode : std::uint8_t {
  kNone = 0,
  kRead = 1,      // R: cache reads and attributes
  kWrite = 2,     // W: write back; owns size and mtime
  kShared = 3,    // S: shared append; nobody caches
  kDirRead = 4,   // DR: cache a directory's names
  kDirWrite = 5,  // DW: the exclusive right to change a directory's names
  kSharedRead = 6,  // SR: read what others append; nobody caches
};

// From L with every grant. seq = epoch · 2³² + counter, rising for ever.
struct LeaseToken {
  SessionId session{};
  std::uint64_t holder = 0;   // holder_of(certificate) of the session: the token serves nobody else
  InodeId inode{};
  LeaseMode mode = LeaseMode::kNone;
  std::uint64_t seq = 0;
};

// From L when a session opens: lets D and F know the session without asking L.
struct SessionPass {
  SessionId session{};
  std::uint32_t generation = 0;
  std::uint64_t holder = 0;
  std::uint32_t epoch = 0;
};

// From D with look-up, open and create: its permission check's answer, shown to L for a lease.
enum : std::uint8_t { kTicketRead = 1, kTicketWrite = 2 };
struct Ticket {
  SessionId session{};
  InodeId inode{};
  std::uint8_t rights = 0;
};
// Those that a lease of this mode needs, all of them.
std::uint8_t rights_for(LeaseMode mode);

// From D with a layout: where a chunk lies. The file servers believe it, so a master needs no
// configuration of its own.
struct ChunkPermit {
  InodeId inode{};
  std::uint64_t index = 0;             // chunk number in the file
  ChunkId chunk{};
  std::uint32_t chainver = 0;          // rises with every change of members
  std::vector<ServerId> members;       // the master first; 1 to kMaxReplicas
  bool born = false;                   // a commit has covered it: a member that holds nothing has lost it
};

inline std::uint64_t holder_of(const Fingerprint& certificate) {
  std::uint64_t out = 0;
  for (int i = 0; i < 8; ++i) out = out << 8 | certificate[static_cast<std::size_t>(i)];
  return out;
}

// The keys of the current epoch and, during grace, of the one before. Guard it with the owner's mutex.
class EpochKeys {
 public:
  struct Key {
    std::uint32_t epoch = 0;
    SecretBytes bytes;  // 32
  };
  EpochKeys(ClusterId cluster, Key current, std::optional<Key> previous = std::nullopt);

  [[nodiscard]] std::uint32_t epoch() const { return current_.epoch; }
  [[nodiscard]] const Key& current() const { return current_; }
  [[nodiscard]] const std::optional<Key>& previous() const { return previous_; }

  [[nodiscard]] Bytes seal(const LeaseToken& token) const;
  [[nodiscard]] Bytes seal(const SessionPass& pass) const;
  [[nodiscard]] Bytes seal(const Ticket& ticket) const;
  [[nodiscard]] Bytes seal(const ChunkPermit& permit) const;

  // kInvalid for bytes that are no such thing; kStale for an earlier epoch's (kFenced: a lease), kUnavailable for one
  // whose key is not yet here; kAccess for a wrong MAC.
  [[nodiscard]] Result<LeaseToken> open_lease(ByteView sealed) const;
  [[nodiscard]] Result<SessionPass> open_pass(ByteView sealed) const;
  [[nodiscard]] Result<Ticket> open_ticket(ByteView sealed) const;
  [[nodiscard]] Result<ChunkPermit> open_permit(ByteView sealed) const;

 private:
  Bytes with_mac(std::string_view label, Bytes body) const;
  Result<ByteView> checked(std::string_view label, ByteView sealed) const;

  ClusterId cluster_;
  Key current_;
  std::optional<Key> previous_;
};

}  // namespace conclave
