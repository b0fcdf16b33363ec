// Rule: what is to be done about a chunk that has not the copies it should have, or has one where none should be. Pure.
//
// A copy is made where a former one lies before anywhere else: that server may have all of it. A new server is taken when
// none of those that had a copy may return soon: a restart is cheaper than a copy of everything. A server that is drained
// counts for nothing, and leaves when enough others are in sync.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "dirserver/chunk_chain.h"

namespace conclave::dir {

// A file server as far as copies are concerned.
struct Host {
  bool up = false;
  bool leaving = false;           // drained or removed
  Duration down_for{};            // if it is not up
};

struct HealStep {
  enum class Kind : std::uint8_t {
    kNothing,        // it is as it should be, or nothing can be done now
    kCopyTo,         // `servers`: the best first
    kCopyAnywhere,   // to a server that has nothing of it, as placement chooses
    kStepBack,       // the master is drained and others stand: another is the master first
    kLeave,          // members that are drained
    kFree,           // `servers`: former copies that nobody needs any more
  };
  Kind kind = Kind::kNothing;
  std::vector<ServerId> servers;
};

HealStep heal_step(const Chunk& chunk, const std::map<ServerId, Host>& hosts, unsigned replicas, Duration heal_after);

}  // namespace conclave::dir
