#include "fileserver/chunk_copy.h"

#include <algorithm>

namespace conclave::file {
namespace {

constexpr std::uint32_t kCopyBlocks = static_cast<std::uint32_t>(kMaxIoBytes / kBlockBytes);   // in one change

// Calls run(first, end) for each run of blocks that are set, none longer than `most`.
template <class Run>
Status for_each_run(const BlockSet& blocks, std::uint32_t most, Run run) {
  for (std::uint32_t first = 0; first < blocks.size(); ++first) {
    if (!blocks[first]) continue;
    std::uint32_t end = first;
    while (end < blocks.size() && blocks[end] && end - first < most) ++end;
    TRY(run(first, end));
    first = end - 1;
  }
  return {};
}

}  // namespace

ChunkCopy::ChunkCopy(ChunkStore& store, const ChunkPermit& permit, Send send)
    : store_(store), send_(std::move(send)), op_(op_for(permit, OpKind::kEmpty)) {}

Status ChunkCopy::step(OpKind kind, std::uint64_t offset, std::uint64_t length, std::string body) {
  op_.kind = kind;
  op_.offset = offset;
  op_.length = length;
  op_.body_crc = crc32c(view_of(body));
  ++op_.sequence;
  boot_ = TRY(send_(op_, std::move(body)));
  op_.link_before = op_.link();
  return {};
}

Status ChunkCopy::begin(std::uint64_t claim) { return step(OpKind::kEmpty, 0, 0, claim_bytes(claim)); }

Status ChunkCopy::send_run(std::uint32_t first, std::uint32_t end, const Pace& pace) {
  auto bytes = TRY(store_.read_blocks(op_.chunk, first, end - first));
  const std::size_t size = bytes.size();
  TRY(step(OpKind::kWrite, std::uint64_t{first} * kBlockBytes, size, std::move(bytes)));
  if (pace) pace(size);
  return {};
}

Status ChunkCopy::blocks(const BlockSet& wanted, const Pace& pace) {
  BlockSet data;
  const auto extents = TRY(store_.extents(op_.chunk));
  for (const auto& [start, length] : extents.ranges) {
    for (std::uint64_t at = start; at < start + length; at += kBlockBytes) data.set(at / kBlockBytes);
  }
  TRY(for_each_run(wanted & there_ & ~data, kBlocksPerChunk, [&](std::uint32_t first, std::uint32_t end) {
    const std::uint64_t length = std::uint64_t{end - first} * kBlockBytes;
    return step(OpKind::kZero, std::uint64_t{first} * kBlockBytes, length, "");
  }));
  TRY(for_each_run(wanted & data, kCopyBlocks,
                   [&](std::uint32_t first, std::uint32_t end) { return send_run(first, end, pace); }));
  there_ |= wanted & data;
  return {};
}

Status ChunkCopy::finish(const ChunkHead& head) { return step(OpKind::kCopied, 0, 0, string_of(head.encode())); }

}  // namespace conclave::file
