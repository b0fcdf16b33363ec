// Inside LeaseCache, and for whoever is told of its leases: a grant as this mount has it, and what workers have to do.
#pragma once

#include <cstdint>
#include <string>

#include "base/ids.h"
#include "base/token.h"

namespace conclave::client {

struct HeldLease {
  LeaseMode mode = LeaseMode::kNone;
  std::uint64_t seq = 0;
  std::uint64_t since = 0;   // LeaseCache::Use::since
  std::string token;
};

// What is told to a lock server that was restarted.
struct LeaseClaim {
  InodeId inode{};
  std::uint64_t seq = 0;
  LeaseMode keep = LeaseMode::kNone;
  std::string token;
};

struct LeaseJob {
  enum class Kind : std::uint8_t { kRecall, kDrain, kReturn, kRelease, kNotHeld, kInvalidate };
  Kind kind{};
  InodeId inode{};
  std::uint64_t seq = 0;              // kNotHeld, kDrain, kReturn
  LeaseMode keep = LeaseMode::kNone;  // kDrain, kReturn
  bool again = false;                 // a server that it needs was away
};
// The kernel's caches of an inode are to be emptied: the session's end is near, or was.
struct LeaseEnding {
  InodeId inode{};
  bool again = false;                 // it was done once; uses had not ended
};
struct LeaseReturn {
  InodeId inode{};
  std::uint64_t seq = 0;
  LeaseMode keep = LeaseMode::kNone;
  bool open = false;
};

}  // namespace conclave::client
