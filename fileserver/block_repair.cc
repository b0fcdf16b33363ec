#include "fileserver/block_repair.h"

#include "conclave/file/v1/file.pb.h"
#include "fileserver/file_wire.h"

namespace conclave::file {

bool BlockRepair::repair(ChunkId chunk, const std::vector<ServerId>& members, std::uint32_t first,
                         std::uint32_t count) {
  const auto bad = store_.bad_blocks(chunk, first, count);
  if (!bad) return false;
  bool all = true;
  for (const std::uint32_t block : *bad) {
    ++store_.counts.bad_blocks;
    bool good = false;
    for (const ServerId member : members) good = good || repair_from(member, chunk, block).value_or(false);
    log_.warning(good ? "a bad block was repaired" : "a bad block has no good copy",
                 {{"chunk", raw(chunk)}, {"block", block}});
    good ? membership_.mended(chunk, block) : membership_.report_bad(chunk, block);
    all = all && good;
  }
  return all;
}

void BlockRepair::found_whole(ChunkId chunk) {
  if (!membership_.copies().is_lacking(chunk)) membership_.mended(chunk);
}

void BlockRepair::found_unreadable(ChunkId chunk, const Error& why) {
  if (why.code == Errc::kCorrupt) membership_.report_lacking({kNoInode, 0, chunk}, why);
}

Result<bool> BlockRepair::repair_from(ServerId member, ChunkId chunk, std::uint32_t block) {
  const auto standing = TRY(membership_.serving());
  if (member == standing->id) return false;
  ConnectClient client(transport_, clock_, TRY(standing->back_of(member, membership_.own().cluster)));
  v1::FetchRequest request;
  request.set_chunk(raw(chunk));
  request.set_first_block(block);
  request.set_blocks(1);
  const auto answer = TRY(client.call<v1::FetchResponse>(kFetchPath, request));
  if (answer.bytes().size() != kBlockBytes) return false;
  return store_.repair(chunk, block, view_of(answer.bytes()));
}

}  // namespace conclave::file
