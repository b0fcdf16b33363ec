// Rule: a lease token that was overtaken is refused. L numbers grants, rising for ever; when a grant that excludes
// others is seen here, every older one of theirs is over. Only what a token was seen for is known: the fences that
// come with heartbeats are what keeps a dead holder out; this refuses a slow one sooner. Pure: the owner locks.
#pragma once

#include <cstdint>
#include <list>
#include <unordered_map>

#include "base/token.h"

namespace conclave::file {

class FloorTable {
 public:
  // kStale if a token that excludes this one, and is newer, was seen. Else this one counts as seen.
  Status admit(InodeId inode, LeaseMode mode, std::uint64_t seq);

 private:
  struct Floors {
    std::uint64_t read = 0;      // the highest seq seen of each mode
    std::uint64_t shared = 0;
    std::uint64_t write = 0;
    std::list<InodeId>::iterator used;
  };
  static constexpr std::size_t kMostInodes = 65536;   // 6 MiB; those longest unused are forgotten
  std::unordered_map<InodeId, Floors> floors_;
  std::list<InodeId> used_;                           // the latest first
};

}  // namespace conclave::file
