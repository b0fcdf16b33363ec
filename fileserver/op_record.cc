#include "fileserver/op_record.h"

#include "base/canonical.h"

namespace conclave::file {
namespace {
constexpr std::size_t kMaxOpBytes = 1024;   // 8 members, a cursor's name of 255 bytes
}

Bytes OpRecord::encode() const {
  CanonicalWriter out;
  out.lv(op.encode()).u32(first_sector).u32(static_cast<std::uint32_t>(head_bytes));
  out.u32(static_cast<std::uint32_t>(sums.size()));
  for (const std::uint32_t sum : sums) out.u32(sum);
  return std::move(out).bytes();
}

Result<OpRecord> OpRecord::decode(ByteView meta) {
  CanonicalReader in(meta);
  const ByteView op = in.lv(kMaxOpBytes);
  OpRecord out;
  out.first_sector = in.u32();
  out.head_bytes = in.u32();
  const std::uint32_t count = in.count(kMaxIoBytes / kSectorBytes, 4);
  if (out.first_sector > kSectorsPerChunk || count > kSectorsPerChunk - out.first_sector) in.fail();
  for (std::uint32_t i = 0; i < count; ++i) out.sums.push_back(in.u32());
  TRY(in.finish("journal record"));
  out.op = TRY(ChunkOp::decode(op));
  return out;
}

}  // namespace conclave::file
