// What is here of an inode's bytes, how far the servers have it, and where the rest lies.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "client/bytes/write_buffer.h"
#include "conclave/dir/v1/dir.pb.h"

namespace conclave::client {

// Chunks that a commit has covered for the first time, as D placed them.
using Births = std::vector<dir::v1::Layout>;

// Under W or R. Guarded by the inode's mutex.
struct InodeBytes {
  explicit InodeBytes(std::shared_ptr<HeldBytes> held) : buffer(std::move(held)) {}

  std::string token;                                // sealed, of the newest lease used here, with its numbers
  std::uint64_t token_seq = 0;
  std::uint64_t token_since = 0;
  std::map<std::uint64_t, dir::v1::Layout> layouts; // by chunk number
  std::uint64_t layouts_since = 0;
  WriteBuffer buffer;
  Births births;                                    // D is told with the next commit of the size
  bool queued = false;                              // for the flusher
  MonoTime touched_at = kNever;                     // the oldest change here that D does not have
  MonoTime sent_at = kNever;                        // the oldest bytes at F that no commit covers
  MonoTime retry_at{};                              // after a server was away
};

}  // namespace conclave::client
