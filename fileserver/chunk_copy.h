// A copy of a chunk on its way to another file server. It is emptied there first, then takes blocks as they are here, in
// any order and as often as they change, and becomes whole with the head of the last change that they show. It is not
// served before. The caller sees to it that blocks which change meanwhile are sent again, and none changes before finish().
#pragma once

#include <bitset>
#include <functional>

#include "base/limits.h"
#include "fileserver/chunk_store.h"

namespace conclave::file {

using BlockSet = std::bitset<kBlocksPerChunk>;

class ChunkCopy {
 public:
  // Sends a change; the boot id of the server that took it.
  using Send = std::function<Result<std::uint64_t>(const ChunkOp& op, std::string body)>;
  using Pace = std::function<void(std::size_t bytes)>;   // after so many were sent

  ChunkCopy(ChunkStore& store, const ChunkPermit& permit, Send send);
  // `claim`: how many changes the master had made before the one that is missing there; kAnyClaim for one that is not in
  // sync (chunk_op.h). Errors: the store's, and what send() says.
  Status begin(std::uint64_t claim);
  // What is nothing here becomes nothing there.
  Status blocks(const BlockSet& wanted, const Pace& pace);
  Status finish(const ChunkHead& head);
  [[nodiscard]] std::uint64_t boot() const { return boot_; }

 private:
  Status step(OpKind kind, std::uint64_t offset, std::uint64_t length, std::string body);
  Status send_run(std::uint32_t first, std::uint32_t end, const Pace& pace);

  ChunkStore& store_;
  const Send send_;
  ChunkOp op_;
  BlockSet there_;             // blocks that were sent
  std::uint64_t boot_ = 0;
};

}  // namespace conclave::file
