#include "dirserver/dir_rows.h"

#include "base/canonical.h"
#include "base/limits.h"

namespace conclave::dir {

Bytes encode_members(const Chunk& chunk) {
  CanonicalWriter out;
  out.u8(static_cast<std::uint8_t>(chunk.members.size()));
  for (const ServerId id : chunk.members) out.u32(raw(id));
  for (const ServerId id : chunk.former) out.u32(raw(id));
  return std::move(out).bytes();
}

Status decode_members(ByteView blob, Chunk& chunk) {
  CanonicalReader in(blob);
  const std::size_t in_sync = in.u8();
  if (in_sync == 0 || in_sync > kMaxReplicas) in.fail();
  chunk.members.clear();
  chunk.former.clear();
  while (!in.failed() && in.left() != 0) {
    auto& list = chunk.members.size() < in_sync ? chunk.members : chunk.former;
    list.push_back(ServerId{in.u32()});
  }
  if (chunk.members.size() != in_sync) in.fail();
  return in.finish("a chunk's members");
}

}  // namespace conclave::dir
