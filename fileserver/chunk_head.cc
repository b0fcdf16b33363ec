#include "fileserver/chunk_head.h"

#include <algorithm>

#include "base/canonical.h"
#include "base/limits.h"
#include "fileserver/file_wire.h"

namespace conclave::file {
namespace {

constexpr std::size_t kMaxCarriedBytes = 48u << 10;  // kMaxCursors of the longest names, kMaxRecentAppends

bool same_slot(const OpId& a, const OpId& b) { return a.session == b.session && a.slot == b.slot; }

void remember(Carried& carried, const OpId& op, std::uint64_t offset) {
  std::erase_if(carried.recent, [&](const Carried::Appended& other) { return same_slot(other.op, op); });
  if (carried.recent.size() >= kMaxRecentAppends) carried.recent.erase(carried.recent.begin());
  carried.recent.push_back({op, offset});
}

}  // namespace

Bytes Carried::encode() const {
  CanonicalWriter out;
  out.u64(start_bytes).u32(static_cast<std::uint32_t>(cursors.size()));
  for (const auto& [name, at] : cursors) out.lv(name).u64(at);
  out.u32(static_cast<std::uint32_t>(recent.size()));
  for (const Appended& one : recent) {
    out.u64(raw(one.op.session)).u32(one.op.generation).u32(one.op.slot).u64(one.op.sequence).u64(one.offset);
  }
  return std::move(out).bytes();
}

Result<Carried> Carried::decode(ByteView bytes) {
  CanonicalReader in(bytes);
  Carried out;
  out.start_bytes = in.u64();
  for (std::uint32_t n = in.count(kMaxCursors, 12); n > 0; --n) {
    std::string name = in.text(kMaxCursorNameBytes);
    out.cursors[std::move(name)] = in.u64();
  }
  for (std::uint32_t n = in.count(kMaxRecentAppends, 32); n > 0; --n) {
    Appended one;
    one.op.session = SessionId{in.u64()};
    one.op.generation = in.u32();
    one.op.slot = in.u32();
    one.op.sequence = in.u64();
    one.offset = in.u64();
    out.recent.push_back(one);
  }
  TRY(in.finish("cursors of a chunk"));
  return out;
}

Bytes ChunkHead::encode() const {
  CanonicalWriter out;
  out.u64(raw(chunk)).u64(raw(inode)).u64(index).u32(chainver);
  out.u32(static_cast<std::uint32_t>(members.size()));
  for (const ServerId member : members) out.u32(raw(member));
  out.u64(sequence).u32(link).u64(length_bytes).u64(static_cast<std::uint64_t>(mtime_ns));
  out.u8(static_cast<std::uint8_t>((sealed ? 1 : 0) | (copying ? 2 : 0)));
  out.lv(carried.encode());
  return std::move(out).bytes();
}

Result<ChunkHead> ChunkHead::decode(ByteView bytes) {
  CanonicalReader in(bytes);
  ChunkHead out;
  out.chunk = ChunkId{in.u64()};
  out.inode = InodeId{in.u64()};
  out.index = in.u64();
  out.chainver = in.u32();
  for (std::uint32_t n = in.count(kMaxReplicas, 4); n > 0; --n) out.members.push_back(ServerId{in.u32()});
  out.sequence = in.u64();
  out.link = in.u32();
  out.length_bytes = in.u64();
  if (out.length_bytes > kChunkBytes) in.fail();
  out.mtime_ns = static_cast<std::int64_t>(in.u64());
  const std::uint8_t flags = in.u8();
  if (flags > 3) in.fail();
  out.sealed = (flags & 1) != 0;
  out.copying = (flags & 2) != 0;
  const ByteView carried = in.lv(kMaxCarriedBytes);
  TRY(in.finish("chunk head"));
  out.carried = TRY(Carried::decode(carried));
  return out;
}

Result<std::optional<ChunkHead::Before>> ChunkHead::check_append(const ChunkOp& op, std::size_t body_bytes) const {
  for (const Carried::Appended& one : carried.recent) {
    if (!same_slot(one.op, op.op) || one.op.generation > op.op.generation) continue;
    if (one.op == op.op) return std::optional(Before{one.offset, false});
    if (one.op.generation == op.op.generation && one.op.sequence > op.op.sequence) {
      return Error(Errc::kMisordered, "an append that came after a later one of its slot");
    }
  }
  if (!op.cursor.empty()) {
    const auto found = carried.cursors.find(op.cursor);
    const std::uint64_t at = found == carried.cursors.end() ? 0 : found->second;
    if (op.cursor_to <= at) return std::optional(Before{0, true});
    if (op.cursor_from != at) return Error(Errc::kRange, "the cursor stands at " + std::to_string(at));
    if (found == carried.cursors.end() && carried.cursors.size() >= kMaxCursors) {
      return Error(Errc::kNoSpace, "the file has " + std::to_string(kMaxCursors) + " cursors, the most it can have");
    }
  }
  if (sealed || length_bytes + body_bytes > kChunkBytes) {
    return Error(Errc::kStale, "the chunk is full: ask the directory server for the file's tail");
  }
  return std::optional<Before>();
}

void ChunkHead::apply(const ChunkOp& op, ByteView body) {
  if (op.kind == OpKind::kCopied) {
    auto whole = ChunkHead::decode(body);
    CHECK(whole.has_value());
    *this = std::move(whole).value();
    copying = false;
  } else {
    if (op.kind == OpKind::kEmpty) *this = ChunkHead{};
    sequence = op.sequence;
    link = op.link();
    const bool bytes = op.kind != OpKind::kStart && op.kind != OpKind::kSeal && op.kind != OpKind::kMembers;
    if (bytes) mtime_ns = op.mtime_ns;
  }
  chunk = op.chunk;
  inode = op.inode;
  index = op.index;
  chainver = std::max(chainver, op.chainver);
  members = op.members;
  switch (op.kind) {
    case OpKind::kWrite:
      length_bytes = std::max(length_bytes, op.offset + op.length);
      if (op.append) {
        remember(carried, op.op, carried.start_bytes + op.offset);
        if (!op.cursor.empty()) carried.cursors[op.cursor] = op.cursor_to;
      }
      break;
    case OpKind::kTruncate: length_bytes = op.offset; break;
    case OpKind::kZero: break;
    case OpKind::kSeal: sealed = true; break;
    case OpKind::kStart: {
      auto from = Carried::decode(body);
      CHECK(from.has_value());
      carried = std::move(from).value();
      break;
    }
    case OpKind::kEmpty: copying = true; break;
    case OpKind::kCopied:
    case OpKind::kMembers: break;
  }
}

}  // namespace conclave::file
