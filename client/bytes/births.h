// A chunk's first commit at the file servers is its birth, and D knows of it before fsync(2) returns: from the mount, with
// the size, where there is one to tell; else from the file servers (ChunkIo::commit). This is the mount's part of it.
#pragma once

#include "client/tree/inode.h"

namespace conclave::client {

// With attributes to tell, D hears of births from here.
bool tells_births(Inode& inode);
// What is going to be committed lies in a chunk of which D does not know yet that it is born; or it was, and D was not told.
bool gives_birth(Inode& inode);
void add_births(const Inode& inode, dir::v1::CommitRequest& request) REQUIRES(inode.mutex);
// D has answered: these are born, and their permits say so.
void learn_born(Inode& inode, const dir::v1::CommitResponse& answer) REQUIRES(inode.mutex);
// D does not know these chunks (any more): what lies there is found by nobody, and the next bytes need another place.
// Returns what to tell programs.
Error forget_births(Inode& inode, const Error& why) REQUIRES(inode.mutex);

}  // namespace conclave::client
