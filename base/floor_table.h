// Rule: a lease token that was overtaken is refused. L numbers grants, rising for ever; when a grant that excludes
// others is seen here, every older one of theirs is over. Only what a token was seen for is known: the fences that
// come with heartbeats are what keeps a dead holder out; this refuses a slow one sooner. D and each F keep one: D sees
// a token of every grant under which bytes are touched, for places are asked anew after each, and a file server that
// registers gets what D has, and D, which may be the one that was restarted, what the file server has. Pure: the owner
// locks.
#pragma once

#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "base/token.h"

namespace conclave {

class FloorTable {
 public:
  // kOvertaken if a token that excludes this one, and is newer, was seen. Else this one counts as seen.
  Status admit(InodeId inode, LeaseMode mode, std::uint64_t seq);

  // The highest number seen of each mode; 0: none.
  struct Floor {
    InodeId inode{};
    std::uint64_t read = 0;
    std::uint64_t shared = 0;
    std::uint64_t write = 0;
  };
  // What another has seen.
  void know(const Floor& floor);
  // Everything, the latest first.
  [[nodiscard]] std::vector<Floor> all() const;

  // 6 MiB, and 2 MiB in a message; those longest unused are forgotten. A token of so long ago is refused where the bytes
  // are only if its holder was fenced; one that L took back in order has nothing on its way any more.
  static constexpr std::size_t kMostInodes = 65536;

 private:
  struct Entry {
    Floor floor;
    std::list<InodeId>::iterator used;
  };
  Floor& floor_of(InodeId inode);

  std::unordered_map<InodeId, Entry> floors_;
  std::list<InodeId> used_;   // the latest first
};

}  // namespace conclave
