// Bytes of plain files, outwards: what the write buffer has over what the file servers have; holes are zeros.
#include <algorithm>

#include "client/tree/fs.h"

namespace conclave::client {
namespace {

constexpr std::uint64_t kPageBytes = 4096;  // the least that the kernel's page cache asks for

// The page cache fills itself ahead of the reader, in several requests at once. A short answer tells it where the file
// ends, but only the first of them is believed (fs/fuse/file.c fuse_read_update_size compares versions): were the
// request behind the end the first, the kernel would keep that request's start as the size.
bool reads_ahead(const ReadRequest& request) { return request.lock_owner == 0 && request.length > kPageBytes; }

}  // namespace

Result<ReadAnswer> Fs::read(const Caller& caller, std::uint64_t handle, const ReadRequest& request) {
  const OpenFilePtr file = TRY(intact_file(handle));
  if (StatusFiles::owns(file->inode->id)) return ReadAnswer{TRY(parts_.status.read(*file, request)), {}};
  const FileClass& kind = class_of(*file->inode);
  if (!kind.read) return Errc::kNotSupported;
  auto answer = kind.read(caller, *file, request);
  if (!answer || !answer->use.revoked()) return answer;
  answer = ReadAnswer();  // a recall is under way: answered now, it would have to begin again
  return parts_.leases.again(file->inode->id);
}

Result<AttrAnswer> Fs::plain_attributes(const InodePtr& inode) {
  const LeaseMode mode = cache_mode(*inode);
  AttrAnswer out;
  out.use = TRY(lease_with_attributes(inode, mode));
  out.attr_time = parts_.leases.cache_time(inode->id, mode);
  const std::lock_guard lock(inode->mutex);
  out.attr = inode->attr;
  return out;
}

Result<ReadAnswer> Fs::plain_read(OpenFile& file, const ReadRequest& request) {
  Inode& inode = *file.inode;
  ReadAnswer out;
  out.use = TRY(lease_with_attributes(file.inode, LeaseMode::kRead));
  TRY(check_own_bytes(file));
  const Held held = held_of(out.use);
  ByteRange range{request.offset, request.offset + std::min<std::uint64_t>(request.length, kMaxIoBytes)};
  std::vector<ByteRange> gaps;
  {
    const std::lock_guard lock(inode.mutex);
    range = range.cut_to({0, inode.attr.size_bytes()});
    // Refused, it changes nothing: who wants the page indeed asks for it alone.
    if (range.empty() && reads_ahead(request)) return Error(Errc::kWouldBlock, "read ahead of the end");
    if (range.empty()) return out;
    gaps = inode.buffer.gaps(range);
    const bool nothing_here = gaps.size() == 1 && gaps.front() == range;
    if (!nothing_here) {  // copied now: what is sent and committed meanwhile leaves the buffer
      out.bytes.resize(range.length());
      inode.buffer.overlay(range.begin, {reinterpret_cast<std::uint8_t*>(out.bytes.data()), out.bytes.size()});
    }
  }
  const ChunkPiece first = first_piece(range);
  if (out.bytes.empty() && first.length == range.length()) {
    out.bytes = TRY(parts_.chunks.read_piece(inode, held, first));
    out.bytes.resize(range.length());
    return out;
  }
  out.bytes.resize(range.length());
  for (const ByteRange& gap : gaps) {
    auto* at = reinterpret_cast<std::uint8_t*>(out.bytes.data()) + (gap.begin - range.begin);
    TRY(parts_.chunks.read(inode, held, gap.begin, {at, static_cast<std::size_t>(gap.length())}));
  }
  return out;
}

Result<std::uint64_t> Fs::seek(std::uint64_t handle, std::uint64_t offset, bool hole) {
  const OpenFilePtr file = TRY(intact_file(handle));
  const FileClass& kind = class_of(*file->inode);
  if (StatusFiles::owns(file->inode->id) || !kind.seek) return Errc::kNotSupported;
  return kind.seek(*file, offset, hole);
}

Result<std::uint64_t> Fs::plain_seek(OpenFile& file, std::uint64_t offset, bool hole) {
  Inode& inode = *file.inode;
  const auto use = TRY(lease_with_attributes(file.inode, LeaseMode::kRead));
  std::uint64_t size = 0;
  bool dirty = false;
  {
    const std::lock_guard lock(inode.mutex);
    size = inode.attr.size_bytes();
    dirty = inode.buffer.dirty() || inode.buffer.flying();
  }
  if (offset >= size) return Error(Errc::kNoDevice, "at or behind the end of the file");
  if (dirty) TRY(parts_.flusher.flush(file.inode, Flusher::Depth::kVisible));
  const std::uint64_t found = TRY(parts_.chunks.seek(inode, held_of(use), offset, size, hole));
  if (!hole && found >= size) return Error(Errc::kNoDevice, "no data behind this offset");
  return found;
}

}  // namespace conclave::client
