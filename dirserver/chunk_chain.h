// Rule: how the members of a chunk change. Pure: over a Chunk row, for whoever commits it.
//
//   in sync   `members`, the master first: each has every byte that was acknowledged
//   former    has a copy that is behind, or none yet: a copy that is being made is listed here first, so that it is
//             freed with the chunk whatever becomes of it
//
// The set in sync is never empty, and shrinks only while a member that stands is left. It grows by admit() alone, which
// the master asks for when the copy has all that it has itself. chainver rises with every change of the set or of its
// order: whoever shows an older one is refused by those that have seen the newer.
#pragma once

#include <functional>

#include "dirserver/dir_rows.h"

namespace conclave::dir {

using ServerTest = std::function<bool(ServerId)>;

// Those that `goes` says yes to leave the set in sync, and the next in order is the master. True: something changed.
// While nobody of them would be left, nothing does. While fewer than `min_insync` would be left they stay, behind the
// others: nothing is acknowledged without them, and one that stands can be copied from.
bool leave(Chunk& chunk, const ServerTest& goes, unsigned min_insync);
// Those that `goes` says yes to stay, behind the others: the next in order is the master. False: it is so already, or all go.
bool step_back(Chunk& chunk, const ServerTest& goes);
// A former copy has caught up. False: it is none, or there is no room for one more.
bool admit(Chunk& chunk, ServerId server);
// A copy is about to be made there. False: there is one.
bool expect(Chunk& chunk, ServerId server);
// Nothing of the chunk is there any more. False: it is no former copy.
bool forget(Chunk& chunk, ServerId server);

[[nodiscard]] bool is_member(const Chunk& chunk, ServerId server);
[[nodiscard]] bool is_former(const Chunk& chunk, ServerId server);

}  // namespace conclave::dir
