// Rule: which file servers get a new chunk. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.h"

namespace conclave::dir {

struct Candidate {
  ServerId id{};
  std::string host;              // the failure domain: copies go to different ones while there are enough
  std::uint64_t free_bytes = 0;
  std::uint64_t load = 0;        // chunks it was given lately
};

// Up to `copies` different servers, the master first; fewer if there are no more, none if nobody has room for a
// chunk. Chances go with free space divided by load, so that disks fill evenly and no server gets all that is new.
// The same `dice` give the same answer.
std::vector<ServerId> choose_members(std::vector<Candidate> candidates, unsigned copies, std::uint64_t dice);

}  // namespace conclave::dir
