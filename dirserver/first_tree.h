// What a new file system holds: the root and one directory of each class.
#pragma once

#include "dirserver/dir_change.h"

namespace conclave::dir {

inline constexpr std::uint64_t kFirstInode = 16;   // below: the root, and what a later version may need
inline constexpr std::uint64_t kFirstCookie = 16;  // below: free for . and .. at clients

// Makes it if there is no root yet.
Status make_first_tree(Change& change);

}  // namespace conclave::dir
