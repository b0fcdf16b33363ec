// How far a directory server had come, as it says and as file servers remember: whoever is behind what was seen was
// restored from a backup. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "conclave/dir/v1/dir.pb.h"

namespace conclave::dir {

inline constexpr std::size_t kIdentityBytes = 16;

// `knows_run`: the start that was seen is in the database. A database of another identity was made anew in the place of the
// one that was seen; what was seen of an earlier timeline was given up knowingly.
inline bool is_behind(const v1::Past& own, const v1::Past& seen, bool knows_run) {
  if (seen.identity().empty()) return false;
  if (seen.identity() != own.identity() || seen.timeline() > own.timeline()) return true;
  return seen.timeline() == own.timeline() && (!knows_run || seen.commits() > own.commits());
}

// The later of two that file servers have seen.
inline bool is_later(const v1::Past& one, const v1::Past& other) {
  return one.timeline() != other.timeline() ? one.timeline() > other.timeline() : one.commits() > other.commits();
}

}  // namespace conclave::dir
