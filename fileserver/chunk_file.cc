#include "fileserver/chunk_file.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/canonical.h"

namespace conclave::file {
namespace {

constexpr std::uint64_t kMagic = 0x4366734368756e6b;  // "CfsChunk"
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kSummedBytes = 32;              // of what comes before the slot's checksum
constexpr std::size_t kHeaderBytes = 36;              // with it
constexpr std::size_t kFixedBytes = 40;               // with the header's own
constexpr std::size_t kTornBytes = 512;               // a disk writes so much wholly or not at all
constexpr std::uint64_t kSlotBytes = 128u << 10;      // 66 KiB of table, 50 KiB of head at most
constexpr std::uint64_t kDataStart = 2 * kSlotBytes;
constexpr std::size_t kFirstReadBytes = 4096;         // holds a small chunk's slot whole

std::uint64_t data_at(std::uint32_t sector) { return kDataStart + std::uint64_t{sector} * kSectorBytes; }

// What a slot's first bytes say, whether or not its checksum fits.
struct SlotHeader {
  bool zeros = false;
  bool damaged = false;   // it cannot even be told which of the two slots is the newer: no crash leaves that
  std::uint64_t generation = 0;
  Lsn lsn = 0;
};

struct Slot {
  SlotHeader header;
  ChunkFile::Loaded loaded;
};

std::uint32_t sum_of(ByteView fixed, ByteView rest) { return crc32c(rest, crc32c(fixed.first(kSummedBytes))); }

Bytes encode_slot(std::uint64_t generation, Lsn lsn, const ChunkHead& head, const BlockTable& table) {
  Bytes table_bytes;
  table.encode(table_bytes);
  const Bytes rest = CanonicalWriter().lv(head.encode()).lv(table_bytes).bytes();
  CanonicalWriter out;
  out.u64(kMagic).u32(kVersion).u64(generation).u64(lsn).u32(static_cast<std::uint32_t>(rest.size()));
  const std::uint32_t sum = sum_of(out.bytes(), rest);
  out.u32(sum);
  const std::uint32_t header_sum = crc32c(out.bytes());
  out.u32(header_sum).raw(rest);
  return std::move(out).bytes();
}

Result<Slot> decode_slot(ByteView bytes, SlotHeader& header) {
  CanonicalReader in(bytes);
  if (in.u64() != kMagic || in.u32() != kVersion) return Error(Errc::kCorrupt, "not a slot of a chunk");
  header.generation = in.u64();
  header.lsn = in.u64();
  Slot out;
  out.header = header;
  const std::uint32_t size = in.u32();
  const std::uint32_t sum = in.u32();
  in.u32();
  const ByteView rest = in.raw(size);
  TRY(in.finish("chunk slot"));
  if (sum_of(bytes, rest) != sum) return Error(Errc::kCorrupt, "a chunk's slot fails its checksum");
  CanonicalReader parts(rest);
  const ByteView head = parts.lv(kSlotBytes);
  const ByteView table = parts.lv(kSlotBytes);
  TRY(parts.finish("chunk slot"));
  out.loaded.head = TRY(ChunkHead::decode(head));
  out.loaded.table = TRY(BlockTable::decode(table));
  return out;
}

// A slot as it is in the file. kCorrupt: zeros, or damaged.
Result<Slot> read_slot(File& file, std::uint64_t at, SlotHeader& header) {
  Bytes bytes(kFirstReadBytes);
  bytes.resize(TRY(file.read_at(at, bytes)));
  header.zeros = std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
  if (header.zeros || bytes.size() < kFixedBytes) return Error(Errc::kCorrupt, "an empty slot");
  const ByteView start = ByteView(bytes).first(std::min(bytes.size(), kTornBytes));
  const bool not_begun = std::ranges::all_of(start, [](std::uint8_t byte) { return byte == 0; });
  const std::uint32_t header_sum = CanonicalReader(start.subspan(kHeaderBytes)).u32();
  header.damaged = !not_begun && crc32c(start.first(kHeaderBytes)) != header_sum;
  if (header.damaged) return Error(Errc::kCorrupt, "the header of a chunk's slot fails its checksum");
  CanonicalReader in(ByteView(bytes).subspan(kSummedBytes - 4));
  const std::uint64_t size = kFixedBytes + std::uint64_t{in.u32()};
  if (size > kSlotBytes) return Error(Errc::kCorrupt, "a chunk's slot of an impossible length");
  const std::size_t have = bytes.size();
  bytes.resize(size);
  if (size > have) TRY(file.read_at(at + have, ByteSpan(bytes).subspan(have)));
  return decode_slot(bytes, header);
}

}  // namespace

std::string chunk_folder(const std::string& store_folder, ChunkId chunk) {
  const std::uint8_t low = static_cast<std::uint8_t>(raw(chunk));
  return store_folder + "/chunks/" + to_hex({&low, 1});
}

std::string chunk_path(const std::string& store_folder, ChunkId chunk) {
  return chunk_folder(store_folder, chunk) + "/" + to_hex(CanonicalWriter().u64(raw(chunk)).bytes());
}

Result<ChunkId> chunk_of_name(std::string_view name) {
  std::uint64_t id = 0;
  const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), id, 16);
  if (name.size() != 16 || failure != std::errc() || end != name.data() + name.size()) return Errc::kInvalid;
  return ChunkId{id};
}

Result<std::unique_ptr<ChunkFile>> ChunkFile::open(Files& files, const std::string& path) {
  auto file = TRY(files.open(path, OpenMode::kReadWrite));
  return std::unique_ptr<ChunkFile>(new ChunkFile(std::move(file)));
}

Result<std::unique_ptr<ChunkFile>> ChunkFile::create(Files& files, const std::string& path, bool& made) {
  auto file = files.open(path, OpenMode::kCreateNew);
  made = file.has_value();
  if (!file && file.error().code != Errc::kExists) return std::move(file).error();
  if (!file) return open(files, path);
  return std::unique_ptr<ChunkFile>(new ChunkFile(std::move(file).value()));
}

Result<ChunkFile::Loaded> ChunkFile::load(Lsn complete) {
  std::optional<Slot> best;
  int empties = 0;
  std::optional<SlotHeader> damaged;
  Error damage(Errc::kCorrupt);
  for (const std::uint64_t at : {std::uint64_t{0}, kSlotBytes}) {
    SlotHeader header;
    auto slot = read_slot(*file_, at, header);
    if (!slot && slot.error().code != Errc::kCorrupt) return std::move(slot).error();
    if (!slot && header.damaged) return std::move(slot).error();
    if (!slot && header.zeros) {
      ++empties;
    } else if (!slot) {
      damaged = header;
      damage = slot.error();
    } else if (header.lsn > complete) {
      ++empties;   // as if it had not been written
    } else if (!best || header.generation > best->header.generation) {
      best = std::move(slot).value();
    }
  }
  // Recovery may meet a slot that a crash tore, but only an older one: what the last checkpoint covers was synced.
  const bool newest = damaged && best && damaged->generation > best->header.generation && damaged->lsn <= complete;
  if (damaged && (newest || complete == kAllRecovered || (!best && empties == 0))) return damage;
  if (!best) return Loaded{{}, {}, damaged.has_value()};
  generation_ = best->header.generation;
  lsn_ = best->header.lsn;
  return std::move(best->loaded);
}

Status ChunkFile::write_slot(const ChunkHead& head, const BlockTable& table, Lsn checkpoint, Lsn complete) {
  const std::uint64_t next = generation_ + (lsn_ > complete ? 2 : 1);
  const Bytes bytes = encode_slot(next, checkpoint, head, table);
  CHECK(bytes.size() <= kSlotBytes);
  TRY(file_->write_at(next % 2 * kSlotBytes, bytes));
  generation_ = next;
  lsn_ = checkpoint;
  return {};
}

Status ChunkFile::read(std::uint32_t sector, ByteSpan out) {
  const std::size_t got = TRY(file_->read_at(data_at(sector), out));
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(got), out.end(), std::uint8_t{0});
  return {};
}

Status ChunkFile::write(std::uint32_t sector, ByteView bytes) { return file_->write_at(data_at(sector), bytes); }

Status ChunkFile::punch(std::uint32_t first, std::uint32_t end) {
  return file_->punch(data_at(first), std::uint64_t{end - first} * kSectorBytes);
}

}  // namespace conclave::file
