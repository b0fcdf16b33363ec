#include "fileserver/chunk_op.h"

#include "base/canonical.h"
#include "base/limits.h"
#include "fileserver/file_wire.h"

namespace conclave::file {

ChunkOp op_for(const ChunkPermit& permit, OpKind kind) {
  ChunkOp op;
  op.kind = kind;
  op.chunk = permit.chunk;
  op.inode = permit.inode;
  op.index = permit.index;
  op.chainver = permit.chainver;
  op.members = permit.members;
  return op;
}

std::string claim_bytes(std::uint64_t sequence) { return string_of(CanonicalWriter().u64(sequence).bytes()); }

Result<std::uint64_t> claim_of(ByteView body) {
  CanonicalReader in(body);
  const std::uint64_t sequence = in.u64();
  if (!in.finish("claim")) return Error(Errc::kInvalid, "a copy that does not say what its master had");
  return sequence;
}

Bytes ChunkOp::encode() const {
  CanonicalWriter out;
  out.u8(static_cast<std::uint8_t>(kind)).u64(raw(chunk)).u64(raw(inode)).u64(index).u32(chainver);
  out.u32(static_cast<std::uint32_t>(members.size()));
  for (const ServerId member : members) out.u32(raw(member));
  out.u64(sequence).u32(link_before).u64(offset).u64(length).u32(body_crc).u64(static_cast<std::uint64_t>(mtime_ns));
  out.u8(append ? 1 : 0);
  if (append) {
    out.u64(raw(op.session)).u32(op.generation).u32(op.slot).u64(op.sequence);
    out.lv(cursor).u64(cursor_from).u64(cursor_to);
  }
  return std::move(out).bytes();
}

Result<ChunkOp> ChunkOp::decode(ByteView bytes) {
  CanonicalReader in(bytes);
  ChunkOp out;
  const std::uint8_t kind = in.u8();
  if (kind < 1 || kind > static_cast<std::uint8_t>(OpKind::kMembers)) in.fail();
  out.kind = static_cast<OpKind>(kind);
  out.chunk = ChunkId{in.u64()};
  out.inode = InodeId{in.u64()};
  out.index = in.u64();
  out.chainver = in.u32();
  for (std::uint32_t n = in.count(kMaxReplicas, 4); n > 0; --n) out.members.push_back(ServerId{in.u32()});
  out.sequence = in.u64();
  out.link_before = in.u32();
  out.offset = in.u64();
  out.length = in.u64();
  if (out.offset > kChunkBytes || out.length > kChunkBytes - out.offset) in.fail();
  out.body_crc = in.u32();
  out.mtime_ns = static_cast<std::int64_t>(in.u64());
  const std::uint8_t append = in.u8();
  if (append > 1 || (append == 1 && out.kind != OpKind::kWrite)) in.fail();
  out.append = append == 1;
  if (out.append) {
    out.op.session = SessionId{in.u64()};
    out.op.generation = in.u32();
    out.op.slot = in.u32();
    out.op.sequence = in.u64();
    out.cursor = in.text(kMaxCursorNameBytes);
    out.cursor_from = in.u64();
    out.cursor_to = in.u64();
  }
  TRY(in.finish("chunk operation"));
  return out;
}

std::uint32_t ChunkOp::link() const { return crc32c(encode(), link_before); }

}  // namespace conclave::file
